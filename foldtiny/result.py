"""What a deployment hands back: one object, the same for every board, model and runtime."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Parameters:
    """Number of parameters before and after folding (equal where nothing was folded)."""

    dense: int | None = None
    folded: int | None = None


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Top-1 accuracy in 0..1 on ``images`` images of ``dataset``.

    ``dense`` and ``folded`` are computed in torch; ``deployed`` by the generated C code, compiled for the host, whose
    outputs equal the board's byte for byte. All are None where there are no labelled images.
    """

    dense: float | None = None
    folded: float | None = None
    deployed: float | None = None
    images: int = 0
    dataset: str | None = None


@dataclass(frozen=True, slots=True)
class FlashBytes:
    """Flash in bytes, from the ELF file.

    ``model`` is weights and their constants, ``engine`` the code and tables that run the network; the rest of
    ``total`` is the firmware around it (serial protocol, start-up, C library).
    """

    total: int
    model: int
    engine: int
    limit: int | None


@dataclass(frozen=True, slots=True)
class RamBytes:
    """RAM in bytes: ``total`` = ``static`` (.data + .bss, which holds the planned arena) + ``stack`` (high-water mark).

    ``planned`` is the arena of the memory plan, scratch included; with the runtime ``tflm`` it is what was set aside
    for the interpreter, and ``used`` what it uses of it.
    """

    total: int
    planned: int
    static: int
    stack: int
    limit: int | None
    used: int | None = None


@dataclass(frozen=True, slots=True)
class EstimatedTime:
    """Cycles of one inference by a timing model of the processor: never measured, a range, with what it assumes.

    Cycles are without wait states. ``flash_reads`` constants are read from flash; ``ms_high`` includes the most that
    they may wait, ``wait_cycles_high``.
    """

    cycles_low: int
    cycles_high: int
    flash_reads: int
    wait_cycles_high: int
    ms_low: float
    ms_high: float
    model: str
    assumptions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Latency:
    """Time of one inference.

    ``instructions`` are counted on the simulated board (None on hardware); ``ms`` is the median time: measured on
    hardware, and on a simulated board what the instructions take at the board's clock at one instruction a cycle
    (``basis`` says which). ``estimated`` stands beside it where there is a timing model of the board's processor.
    """

    instructions: int | None
    ms: float | None
    runs: int
    basis: str
    ms_min: float | None = None
    ms_p95: float | None = None
    estimated: EstimatedTime | None = None


@dataclass(frozen=True, slots=True)
class BitExact:
    """Inferences whose every output byte was compared with the reference interpreter, and how many were equal.

    ``max_abs_difference`` is over all outputs, in the output's unit; float32 networks are held to ``tolerance``.
    """

    checked: int
    matching: int
    reference: str
    max_abs_difference: float = 0.0
    tolerance: float = 0.0


@dataclass(frozen=True, slots=True)
class Candidate:
    """A network that was tried against limits.

    ``removed`` is the fraction of the parameters asked for, ``need`` the largest share of a limit that it takes (at
    most 1: it fits). Figures are those that a deployment reports, None where they were not needed; with ``at_least`` it
    was too large to be built, and they are lower bounds (constants, tensors). ``weights``: ``placeholder`` (of the same
    widths, not folded) or ``folded``.
    """

    removed: float
    parameters: int
    optimize: str
    flash_bytes: int | None
    ram_bytes: int | None
    ms: float | None
    need: float
    fits: bool
    at_least: bool = False
    weights: str = "placeholder"


@dataclass(frozen=True, slots=True)
class Search:
    """The largest network within limits (``flash_bytes``, ``ram_bytes``, ``ms``).

    ``sparsity`` is how much has to go, ``candidates`` what was tried, ``basis`` says what times are.
    """

    limits: dict[str, int | float | None]
    sparsity: float
    optimize: str
    basis: str
    candidates: tuple[Candidate, ...]

    @staticmethod
    def from_dict(values: dict[str, Any]) -> Search:
        """Return a search as ``dataclasses.asdict`` wrote it."""
        candidates = tuple(Candidate(**candidate) for candidate in values["candidates"])
        return Search(**{**values, "candidates": candidates})


@dataclass(frozen=True, slots=True)
class DeployResult:
    """The outcome of ``foldtiny deploy``.

    ``layers`` says what each layer costs (see ``foldtiny.pipeline.profiles``): always what is known without running it,
    and what it took where the firmware was built with ``--profile``. ``memory`` is the plan of the arena
    (``foldtiny.pipeline.memory``), ``footprint`` what fills flash and RAM (``foldtiny.device.parts``), ``folding`` the
    widths before and after (``foldtiny.fold.report``; empty where nothing was folded).
    """

    board: str
    source: str
    device: str
    runtime: str
    precision: str
    model: str
    method: str | None
    sparsity: float | None
    parameters: Parameters
    macs: Parameters
    accuracy: Accuracy
    flash_bytes: FlashBytes
    ram_bytes: RamBytes
    latency: Latency
    bit_exact: BitExact
    artefacts: dict[str, str]
    stages: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    layers: list[dict[str, Any]] = field(default_factory=list)
    memory: dict[str, Any] = field(default_factory=dict)
    footprint: dict[str, Any] = field(default_factory=dict)
    folding: dict[str, Any] = field(default_factory=dict)
    optimize: str = ""
    search: Search | None = None
    foldtiny: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain JSON values."""
        return dataclasses.asdict(self)
