"""What the benchmark prints and the baseline test compares: instructions and RAM of one network."""

from __future__ import annotations

from pathlib import Path

from tests.aarch64 import twin
from tests.kernels.inference import Figures, figures


def measure(folder: Path, name: str, optimize: str, target: str = "aarch64") -> Figures | None:
    """Compile, run and compare one network; None where its file is missing. ``portable`` gives the plain kernels."""
    # The plain kernels get all that the compiler can do for them; the firmware is built with -O2.
    flags = ("-std=gnu11", "-O3" if target == "portable" else "-O2")
    return figures(name, optimize, target, lambda compiled, samples: twin.infer(folder, compiled, samples, flags))
