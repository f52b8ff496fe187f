"""CSV, Markdown, LaTeX and JUnit."""

from __future__ import annotations

import csv
import io
from xml.etree import ElementTree

from foldtiny.report import export, gates, junit
from tests.report.records import failed, ok

RECORDS = [
    ok(sparsity=0.5, flash=523_352),
    ok(),
    failed("esp-eye", 'no <room> & "100%" of C_1 | {x} \x07 ~^\\ $5 #1 ü'),
]


def test_csv_has_plain_numbers() -> None:
    lines = list(csv.DictReader(io.StringIO(export.to_csv(RECORDS))))
    assert len(lines) == 3
    assert (lines[0]["flash_bytes"], lines[0]["accuracy"], lines[0]["source"]) == ("523352", "0.9285", "simulated")
    assert (lines[2]["status"], lines[2]["flash_bytes"]) == ("failed", "")
    assert lines[2]["error"] == RECORDS[2]["error"]["message"]
    assert lines[1]["command"].startswith("foldtiny deploy --board nano33ble --sparsity 0.25")


def test_markdown_shows_what_varies_and_says_what_does_not() -> None:
    text = export.to_markdown(RECORDS)
    assert text.splitlines()[0] == (
        "All records: model default, method combination, budget uniform, repair none, precision int8, runtime aot, "
        "seed 0."
    )
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert table[0] == (
        "| board | removed | accuracy | flash (B) | RAM (B) | instructions (M) | time (ms) | p95 (ms) | equal "
        "| source |"
    )
    assert table[2:] == [
        "| esp-eye | 25% | – | – | – | – | – | – | – | failed |",
        "| nano33ble | 25% | 92.85% | 819,640 | 8,852 | 2.065 | 32.3 | 33.3 | 32/32 | simulated |",
        "| nano33ble | 50% | 92.85% | 523,352 | 8,852 | 2.065 | 32.3 | 33.3 | 32/32 | simulated |",
    ]
    assert "one instruction a cycle" in text
    assert len({line.count("|") for line in table}) == 1


def test_one_record_is_a_table_too() -> None:
    assert export.to_markdown([ok()]).count("\n|") == 3
    assert export.to_markdown([ok(source="hardware")]).count("Simulated") == 0


def test_latex_is_escaped() -> None:
    text = export.to_latex(RECORDS)
    assert r"no \textless{}room\textgreater{} \& ''100\%'' of C\_1 \textbar{} \{x\}" in text
    assert r"? \textasciitilde{}\textasciicircum{}\textbackslash{} \$5 \#1 ?" in text
    rows = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert {line.count(" & ") for line in rows} == {9}
    assert r"\begin{tabular}{lrrrrrrrrl}" in text
    assert text.isascii()
    for name in ("table", "tabular"):
        assert text.count(rf"\begin{{{name}}}") == text.count(rf"\end{{{name}}}") == 1


def test_junit_tells_cells_failures_and_errors() -> None:
    violations = gates.check(RECORDS, [gates.parse("flash>800k")])
    root = ElementTree.fromstring(junit.to_junit(RECORDS, violations))
    (suite,) = root
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("3", "1", "1")
    good, large, broken = suite
    assert good.find("failure") is None and good.find("error") is None
    assert good.get("classname") == "foldtiny.nano33ble"
    failure, error = large.find("failure"), broken.find("error")
    assert failure is not None and "flash is 819,640 B (simulated) [flash>800k]" in str(failure.get("message"))
    assert error is not None and error.get("type") == "BuildError" and '& "100%"' in str(error.get("message"))
    assert {one.get("name"): one.get("value") for one in good.iter("property")}["flash_bytes"] == "523352"
