"""Sizes as people write them, and what goes with what."""

from __future__ import annotations

from pathlib import Path

import pytest

from foldtiny.errors import UsageError
from foldtiny.pipeline import commands
from foldtiny.pipeline.limits import Limits, parse, parse_size
from foldtiny.pipeline.request import DeployRequest, FoldOptions


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("262144", 262_144),
        ("262144B", 262_144),
        ("256k", 262_144),
        ("256K", 262_144),
        ("256kB", 262_144),
        ("256KB", 262_144),
        ("256KiB", 262_144),
        (" 256 k ", 262_144),
        ("1M", 1_048_576),
        ("1MB", 1_048_576),
        ("1.5MiB", 1_572_864),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text, "flash") == size


@pytest.mark.parametrize("text", ["", "k", "256g", "-1", "1e6", "0x100", "256kk", "nan", "256 000"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_size(text, "ram")
    assert str(caught.value) == (
        f"--max-ram is '{text}' (allowed: bytes, or a number with k, kB, KB, KiB, M, MB or MiB; 1 k is 1,024); "
        "write it like --max-ram 32k"
    )


def test_nothing_given_is_no_limit() -> None:
    assert not parse()
    assert parse("1k") and parse(ram="1k") and parse(ms=1.0)


@pytest.mark.parametrize(
    ("limits", "text"),
    [
        (Limits(flash_bytes=0), "--max-flash is 0 (allowed: more than 0); write it like --max-flash 256k"),
        (Limits(ram_bytes=-5), "--max-ram is -5 (allowed: more than 0); write it like --max-ram 32k"),
        (Limits(ms=float("nan")), "--max-ms is nan (allowed: more than 0); write it like --max-ms 50"),
        (Limits(ms=float("inf")), "--max-ms is inf (allowed: more than 0); write it like --max-ms 50"),
    ],
)
def test_limits_that_mean_nothing(limits: Limits, text: str) -> None:
    with pytest.raises(UsageError) as caught:
        FoldOptions(limits=limits).check()
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("options", "slug"),
    [
        (FoldOptions(limits=Limits(262_144, 32_768, 50.0)), "flash256k-ram32k-50ms"),
        (FoldOptions(limits=Limits(flash_bytes=1_048_576), budget="params"), "flash1M-params"),
        (FoldOptions(limits=Limits(ram_bytes=1_000, ms=0.5)), "ram1000-0.5ms"),
        (FoldOptions(0.5, limits=Limits()), "s50"),
    ],
)
def test_folders_tell_the_limits(options: FoldOptions, slug: str) -> None:
    assert options.slug == slug


def _request(**fields: object) -> DeployRequest:
    return DeployRequest("nano33ble", FoldOptions(limits=Limits(1)), **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        (
            DeployRequest("nano33ble", FoldOptions(0.5, limits=Limits(1))),
            "--sparsity and --max-flash, --max-ram or --max-ms are two ways to say how much to remove; "
            "give the one or the other",
        ),
        (
            _request(tflite=Path("m.tflite")),
            "--max-flash, --max-ram and --max-ms choose how much to fold; --tflite is deployed as it is; "
            "leave them out, or give the torch model with --model",
        ),
        (
            _request(flash=False),
            "--no-flash measures what is on the board; --max-flash, --max-ram and --max-ms try several networks; "
            "leave it out, or fold for the simulated twin with --port sim",
        ),
    ],
)
def test_options_that_contradict_each_other(request_: DeployRequest, text: str) -> None:
    with pytest.raises(UsageError) as caught:
        request_.check()
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("options", "board", "text"),
    [
        (
            FoldOptions(limits=Limits(1)),
            None,
            "--max-flash, --max-ram and --max-ms need a board: it decides what a network takes; "
            "name it with --board (see `foldtiny boards`)",
        ),
        (
            FoldOptions(0.5),
            "nano33ble",
            "--board only goes with --max-flash, --max-ram or --max-ms: folding to a --sparsity is the same for all; "
            "leave it out, or give a limit instead of --sparsity",
        ),
    ],
)
def test_folding_to_limits_takes_a_board(options: FoldOptions, board: str | None, text: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        commands.fold("default", None, None, None, tmp_path / "f.pt", options, lambda *_: None, board=board)
    assert str(caught.value) == text
