"""Conditions and baselines."""

from __future__ import annotations

from pathlib import Path

import pytest

from foldtiny.errors import UsageError
from foldtiny.report import gates, make
from tests.report.records import failed, ok, write


@pytest.mark.parametrize(
    ("text", "fails"),
    [
        ("flash>800k", True),  # 819,640 B are 800.4 KiB
        ("flash>801k", False),
        ("flash>819640", False),
        ("flash>=819640", True),
        ("flash > 0.7 MiB", True),
        ("ram>9KB", False),
        ("ram>8kB", True),
        ("ms>32", True),
        ("ms>33ms", False),
        ("p95>33", True),
        ("instructions>2M", True),
        ("instructions>2.1M", False),
        ("accuracy<93%", True),
        ("accuracy<0.92", False),
        ("bit_exact<100%", False),
        ("bit_exact!=1", False),
        ("parameters>700k", True),
        ("macs==2912740", True),
        ("nano33ble: flash>800k", True),
    ],
)
def test_gates(text: str, fails: bool) -> None:
    found = gates.check([ok()], [gates.parse(text)])
    assert bool(found) == fails
    assert all(violation.text.count("\n") == 0 for violation in found)


def test_a_violation_says_everything() -> None:
    (found,) = gates.check([ok()], [gates.parse("ram>8k")])
    assert found.text == "nano33ble: default, 0.25, combination, int8, aot: ram is 8,852 B (simulated) [ram>8k]"


def test_a_board_has_a_gate_of_its_own() -> None:
    gate = gates.parse("esp-eye:flash>1k")
    assert [v.title.partition(":")[0] for v in gates.check([ok(), ok("esp-eye")], [gate])] == ["esp-eye"]
    with pytest.raises(UsageError) as caught:
        gates.check([ok()], [gate])
    assert caught.value.message == ("--fail-if 'esp-eye:flash>1k' is for a board without records (boards: nano33ble)")


def test_what_is_missing_or_failed_does_not_pass() -> None:
    (missing,) = gates.check([ok(accuracy=None)], [gates.parse("accuracy<90%")])
    assert missing.text.endswith("has no accuracy to hold against it [accuracy<90%]")
    (broken,) = gates.check([failed()], [gates.parse("flash>1k")])
    assert broken.text == "esp-eye: default, 0.25, combination, int8, aot: failed: it does not fit"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("flash", "--fail-if is 'flash' (expected [BOARD:] FIGURE OPERATOR NUMBER)"),
        ("flash=900k", "--fail-if is 'flash=900k' (expected [BOARD:] FIGURE OPERATOR NUMBER)"),
        ("flash>-1", "--fail-if is 'flash>-1' (expected [BOARD:] FIGURE OPERATOR NUMBER)"),
        ("speed>1", "--fail-if has no figure 'speed' (figures: flash, ram, ms, p95, instructions, accuracy, bit_exact, "
                    "parameters, macs)"),
        ("flash>900ms", "--fail-if cannot read '900ms' as flash (units: none, k, m)"),
        ("flash>1,5k", "--fail-if cannot read '1,5k' as flash (units: none, k, m)"),
        ("accuracy<90k", "--fail-if cannot read '90k' as accuracy (units: none, %)"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_ends_in_a_sentence(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        gates.parse(text)
    assert caught.value.message == message


def test_a_regression_beyond_the_limit_is_found() -> None:
    old = [ok(), ok("esp-eye")]
    new = [ok(flash=830_000, accuracy=0.92), ok("esp-eye", instructions=2_200_000)]
    found, compared = gates.compare(new, old, 0.02)
    assert compared == 2
    assert [violation.text for violation in found] == [
        "esp-eye: default, 0.25, combination, int8, aot: instructions went from 2,064,600 to 2,200,000, 6.6% worse "
        "(allowed: 2%) [baseline]"
    ]
    found, _ = gates.compare(new, old, 0.0)
    assert len(found) == 3
    assert gates.compare(old, new, 0.0)[0] == []  # better is never wrong


def test_only_like_is_compared_with_like() -> None:
    old = [ok(source="hardware", instructions=None, ms=30.0)]
    assert gates.compare([ok(ms=99.0)], old, 0.0) == ([], 0)
    found, compared = gates.compare([ok(source="hardware", instructions=None, ms=33.0, port="/dev/ttyACM1")], old, 0.05)
    assert compared == 1
    assert [violation.text.partition(": ms ")[2] for violation in found] == [
        "went from 30 ms to 33 ms, 10.0% worse (allowed: 5%) [baseline]"
    ]


def test_the_report_fails_where_nothing_can_be_compared(tmp_path: Path) -> None:
    new, old = write(tmp_path / "new.jsonl", ok()), write(tmp_path / "old.jsonl", ok("esp-eye"))
    with pytest.raises(UsageError) as caught:
        make.report([new], baseline=old)
    assert caught.value.message == f"no record has a counterpart in {old} (same axes, same source)"
    assert make.report([new], baseline=new, max_regression="2%").violations == ()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"output": Path("x.pdf")}, "--output is x.pdf, whose ending says no format "
                                    "(known: .html, .htm, .md, .csv, .tex, .xml)"),
        ({"format": "pdf"}, "--format is 'pdf' (allowed: html, markdown, csv, latex, junit)"),
        ({"format": "html"}, "--format html needs a file"),
        ({"max_regression": "much"}, "--max-regression is 'much' (expected a percentage)"),
    ],
)  # fmt: skip
def test_wrong_options(tmp_path: Path, arguments: dict[str, object], message: str) -> None:
    path = write(tmp_path / "r.jsonl", ok())
    with pytest.raises(UsageError) as caught:
        make.report([path], **arguments)  # type: ignore[arg-type]
    assert caught.value.message == message


def test_the_format_follows_the_name(tmp_path: Path) -> None:
    path = write(tmp_path / "r.jsonl", ok(), failed())
    starts = {"r.csv": "model,", "r.md": "All records", "r.tex": "% Needs", "r.xml": "<?xml"}
    for name, start in starts.items():
        done = make.report([path], tmp_path / name)
        assert (tmp_path / name).read_text().startswith(start)
        assert (done.text, done.summary) == ("", f"2 records, 1 of them failed. Written to {tmp_path / name}")
    assert make.report([path]).text.startswith("All records")
