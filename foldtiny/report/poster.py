"""The poster's Table 2 in bytes and milliseconds, for the records that have its cells."""

from __future__ import annotations

from dataclasses import dataclass

from foldtiny import paper

# LeNet5, 2x wide and dense: the network that the poster folded.
PARAMETERS = 979_690
# What was asked for is a round number; what was reached is a little more.
_NEAR = 0.02
_KIB = 1024


@dataclass(frozen=True, slots=True)
class Printed:
    """One cell: milliseconds, and bytes of RAM and flash."""

    ms: float
    ram: float
    flash: float


def find(board: str, parameters: float | None, sparsity: float | None) -> Printed | None:
    """Return what the poster prints for a network that has this many parameters when dense, or None."""
    table = paper.table2()
    if parameters != PARAMETERS or sparsity is None:
        return None
    near = [printed for printed in table.sparsities if abs(printed - sparsity) <= _NEAR]
    cell = table.cells.get((board, near[0])) if near else None
    return Printed(cell.ms, cell.ram_k * _KIB, cell.flash_m * _KIB * _KIB) if cell else None
