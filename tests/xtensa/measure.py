"""What the benchmark prints and the baseline test compares: instructions and RAM of one network."""

from __future__ import annotations

from pathlib import Path

from tests.kernels.inference import Figures, figures
from tests.xtensa import twin


def measure(folder: Path, name: str, optimize: str, target: str = "xtensa") -> Figures | None:
    """Compile, run and compare one network; None where its file is missing. ``portable`` gives the plain kernels."""
    return figures(
        name, optimize, target, lambda compiled, samples: twin.infer(folder, compiled, samples, profile=True)
    )
