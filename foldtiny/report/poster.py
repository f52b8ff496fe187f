"""The poster's Table 2, as printed: LeNet5 (2x wide, 979,690 parameters, float32) on three boards.

K is 1024 bytes, M is 1024 K. The poster does not say how it measured; RAM and flash are the same on all boards.
"""

from __future__ import annotations

from dataclasses import dataclass

PARAMETERS = 979_690
SPARSITIES = (0.10, 0.25, 0.50, 0.70)
_MS = {
    "jetson-nano": (2, 2, 1, 1),
    "esp-eye": (2591, 1868, 1532, 1186),
    "nano33ble": (6831, 3726, 4218, 2969),
}
_RAM_K = (59.5, 55.7, 48.0, 36.5)
_FLASH_M = (3.4, 2.8, 1.9, 1.2)
# A network is folded to about what was asked for, never to less.
_NEAR = 0.02


@dataclass(frozen=True, slots=True)
class Printed:
    """One cell: milliseconds, and bytes of RAM and flash."""

    ms: float
    ram: float
    flash: float


def find(board: str, parameters: float | None, sparsity: float | None) -> Printed | None:
    """Return what the poster prints for a network that has this many parameters when dense, or None."""
    if board not in _MS or parameters != PARAMETERS or sparsity is None:
        return None
    for column, printed in enumerate(SPARSITIES):
        if abs(printed - sparsity) <= _NEAR:
            return Printed(_MS[board][column], _RAM_K[column] * 1024, _FLASH_M[column] * 1024 * 1024)
    return None
