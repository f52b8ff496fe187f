"""What to deploy, and the checks that need nothing but the request itself."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

from foldtiny.errors import UsageError
from foldtiny.pipeline.limits import Limits

RUNTIMES = ("aot", "tflm")
PRECISIONS = ("int8", "float32")
OPTIMIZE = ("auto", "speed", "size")
MOST_ARENA_BYTES = 1 << 28
METHODS = ("combination", "scale-aware", "ward", "kmeans", "ifm", "random", "l1", "l2")
BUDGETS = ("uniform", "params")
REPAIRS = ("none", "ar", "dir", "data", "ls")

Shape = tuple[int, int, int]
"""Channels, height, width of one image."""

DEFAULT_SPARSITY = 0.25


@dataclass(frozen=True, slots=True)
class FoldOptions:
    """How to fold; see ``foldtiny.fold.fold``.

    ``sparsity`` is ``DEFAULT_SPARSITY`` where nothing is said; with ``limits`` it is the least that keeps them.
    """

    sparsity: float | None = None
    method: str = "combination"
    budget: str = "uniform"
    repair: str = "none"
    seed: int = 0
    limits: Limits | None = None

    @property
    def fraction(self) -> float:
        """The fraction of the parameters to remove."""
        return DEFAULT_SPARSITY if self.sparsity is None else self.sparsity

    def check(self) -> None:
        """Raise a UsageError for a value that is not among the allowed ones."""
        if self.limits and self.sparsity is not None:
            raise UsageError(
                "--sparsity and --max-flash, --max-ram or --max-ms are two ways to say how much to remove",
                "give the one or the other",
            )
        if self.limits:
            self.limits.check()
        if not (math.isfinite(self.fraction) and 0 <= self.fraction < 1):
            raise UsageError(
                f"--sparsity is {self.fraction:g} (allowed: from 0 up to, but not including, 1)",
                "0.25 removes a quarter of the parameters",
            )
        _check_choice("method", self.method, METHODS)
        _check_choice("budget", self.budget, BUDGETS)
        _check_choice("repair", self.repair, REPAIRS)

    @property
    def slug(self) -> str:
        """What a folder's name says of these options: s25 (or flash256k-ram32k), and whatever is not the default."""
        default = FoldOptions()
        names = [self.limits.slug if self.limits else f"s{self.fraction * 100:g}"]
        names += [self.method] if self.method != default.method else []
        names += [self.budget] if self.budget != default.budget else []
        names += [self.repair] if self.repair != default.repair else []
        return "-".join(names)


@dataclass(frozen=True, slots=True)
class DeployRequest:
    """What to deploy, and how. The fields are the options of ``foldtiny deploy``."""

    board: str
    folding: FoldOptions = field(default_factory=FoldOptions)
    model: str = "default"
    weights: Path | None = None
    input_shape: Shape | None = None
    precision: str = "int8"
    runtime: str = "aot"
    optimize: str = "auto"
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
    fuse: bool = True
    tflm_source: Path | None = None
    tflm_arena: int | None = None
    power_mode: int | None = None

    def check(self) -> None:
        """Raise a UsageError for a value that no stage could work with."""
        self.folding.check()
        _check_choice("precision", self.precision, PRECISIONS)
        _check_choice("runtime", self.runtime, RUNTIMES)
        _check_choice("optimize", self.optimize, OPTIMIZE)
        if self.runs < 1:
            raise UsageError(f"--runs is {self.runs} (allowed: 1 or more)", "ask for at least one inference")
        self._check_tflm()
        self._check_power()
        if self.inputs and not self.tflite:
            raise UsageError("--inputs goes with --tflite", "use --data npz:FILE to give images to a torch model")
        if self.folding.limits:
            self._check_search()

    def _check_search(self) -> None:
        """Refuse what a search for the largest network cannot go with."""
        if self.tflite:
            raise UsageError(
                "--max-flash, --max-ram and --max-ms choose how much to fold; --tflite is deployed as it is",
                "leave them out, or give the torch model with --model",
            )
        if self.runtime != "aot":
            raise UsageError(
                f"--max-flash, --max-ram and --max-ms go with --runtime aot, not with {self.runtime}",
                "leave out --runtime, or give a --sparsity",
            )
        if not self.flash:
            raise UsageError(
                "--no-flash measures what is on the board; --max-flash, --max-ram and --max-ms try several networks",
                "leave it out, or fold for the simulated twin with --port sim",
            )

    def _check_power(self) -> None:
        if self.power_mode is None:
            return
        if not self.port.startswith("ssh://"):
            raise UsageError("--power-mode is for a Jetson reached with --port ssh://USER@HOST", "leave it out")
        if not 0 <= self.power_mode < 100:
            raise UsageError(
                f"--power-mode is {self.power_mode} (allowed: the numbers that `nvpmodel` knows, from 0)",
                "0 is the fastest on a Jetson Nano, 1 the one for 5 W",
            )

    def _check_tflm(self) -> None:
        if self.runtime != "tflm" and (self.tflm_source is not None or self.tflm_arena is not None):
            option = "--tflm-source" if self.tflm_source is not None else "--tflm-arena"
            raise UsageError(f"{option} goes with --runtime tflm", "add it, or leave the option out")
        if self.runtime == "tflm" and not self.fuse:
            raise UsageError(
                "--no-fuse goes with --runtime aot", "leave it out: TFLite Micro runs each operator as it is anyway"
            )
        if self.tflm_arena is not None and not 0 < self.tflm_arena <= MOST_ARENA_BYTES:
            raise UsageError(
                f"--tflm-arena is {self.tflm_arena} (allowed: 1 to {MOST_ARENA_BYTES})",
                "leave it out to have it estimated",
            )


def _check_choice(option: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise UsageError(f"--{option} is '{value}' (allowed: {', '.join(allowed)})", "choose one of these")
