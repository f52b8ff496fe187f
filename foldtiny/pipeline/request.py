"""What to deploy, and the checks that need nothing but the request itself."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from foldtiny.errors import UsageError

RUNTIMES = ("aot",)
PRECISIONS = ("int8", "float32")
OPTIMIZE = ("speed", "size")
METHODS = ("ward", "kmeans")

Shape = tuple[int, int, int]
"""Channels, height, width of one image."""


@dataclass(frozen=True, slots=True)
class DeployRequest:
    """What to deploy, and how. The fields are the options of ``foldtiny deploy``."""

    board: str
    sparsity: float = 0.25
    model: str = "default"
    weights: Path | None = None
    input_shape: Shape | None = None
    method: str = "ward"
    precision: str = "int8"
    runtime: str = "aot"
    optimize: str = "speed"
    tflite: Path | None = None
    inputs: Path | None = None
    data: str | None = None
    output: Path = Path("build")
    port: str = "auto"
    serial: str | None = None
    flash: bool = True
    runs: int = 32
    seed: int = 0
    reuse: bool = True
    dry_run: bool = False
    profile: bool = False

    def check(self) -> None:
        """Raise a UsageError for a value that no stage could work with."""
        check_sparsity(self.sparsity)
        _check_choice("precision", self.precision, PRECISIONS)
        _check_choice("runtime", self.runtime, RUNTIMES)
        _check_choice("optimize", self.optimize, OPTIMIZE)
        _check_choice("method", self.method, METHODS)
        if self.runs < 1:
            raise UsageError(f"--runs is {self.runs} (allowed: 1 or more)", "ask for at least one inference")
        if self.inputs and not self.tflite:
            raise UsageError("--inputs goes with --tflite", "use --data npz:FILE to give images to a torch model")


def check_sparsity(sparsity: float) -> None:
    """Raise a UsageError unless 0 <= sparsity < 1."""
    if not (math.isfinite(sparsity) and 0 <= sparsity < 1):
        raise UsageError(
            f"--sparsity is {sparsity:g} (allowed: from 0 up to, but not including, 1)",
            "0.25 removes a quarter of the parameters",
        )


def _check_choice(option: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise UsageError(f"--{option} is '{value}' (allowed: {', '.join(allowed)})", "choose one of these")
