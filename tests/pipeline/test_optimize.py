"""`--optimize auto`: for speed where there is room for it on the board, otherwise for size."""

from __future__ import annotations

from pathlib import Path

import pytest

from foldtiny import boards
from foldtiny.boards import Limits
from foldtiny.pipeline import steps
from tests.aot.networks import lenet5


@pytest.mark.parametrize(
    ("flash", "ram", "expected"),
    [(983_040, 262_144, "speed"), (100_000, 262_144, "size"), (983_040, 40_000, "size"), (None, None, "speed")],
)
def test_auto_looks_at_the_board(tmp_path: Path, flash: int | None, ram: int | None, expected: str) -> None:
    board = boards.get("nano33ble").model_copy(update={"limits": Limits(flash_bytes=flash, ram_bytes=ram)})
    content = lenet5()
    done = steps.compile_project(content, board, tmp_path / "project", title="t", optimize="auto")
    assert done.result["optimize"] == expected
    assert done.summary.startswith(f"for {expected}: ")
