"""Cells made by hand, with numbers that are easy to divide."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from foldtiny.paper import Printed
from foldtiny.table2.cells import Cell, Figures, K, M, Table
from foldtiny.table2.notes import notes

Make = Callable[..., Any]


def figures(**changes: Any) -> Figures:
    """Return figures of a deployment; ``changes`` replaces some."""
    values: dict[str, Any] = {
        "ms": 20.0,
        "source": "simulated",
        "ms_source": "4,000,000 instructions on QEMU Test, at 200 MHz and one a cycle",
        "instructions": 4_000_000,
        "ram": 8 * K,
        "ram_source": "static RAM and stack",
        "ram_firmware": 8 * K,
        "ram_tensors": 6 * K,
        "flash": M // 2,
        "flash_source": "the built image",
        "fits": True,
        "precision": "int8",
        "optimize": "speed",
        "method": "combination",
        "parameters": 500_000,
        "removed": 0.5,
        "layers": {"conv1": 12},
        "exact": "8/8 bit-exact",
        "accuracy": 0.925,
        "accuracy_source": "the generated C on this machine; 2,000 images of Test",
    }
    return Figures(**(values | changes))


def cell(board: str = "esp-eye", sparsity: float = 0.5, **changes: Any) -> Cell:
    """Return a cell with both configurations; ``changes`` replaces some of it."""
    like_poster = figures(
        ms=3000.0,
        instructions=600_000_000,
        ram=round(40.1 * K),
        ram_firmware=40 * K,
        ram_tensors=38 * K,
        ram_interpreter=round(2.1 * K),
        flash=round(1.95 * M),
        precision="float32",
        method="kmeans",
        accuracy=0.9,
        exact="2 outputs within 1.0e-06 of TFLite Micro's reference kernels",
    )
    values: dict[str, Any] = {"paper": Printed(1000, 40.0, 2.0), "poster_config": like_poster, "deployed": figures()}
    return Cell(board, sparsity, **(values | changes))


def table(*cells: Cell) -> Table:
    """Return a table of these cells."""
    return Table(cells, "Somebody: Something", notes(cells), 1.25, "0.0")


@pytest.fixture
def make() -> Make:
    """Return the maker of cells."""
    return cell
