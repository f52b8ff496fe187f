"""What folding did: plain records, ready for JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class GroupReport:
    """A folded channel group: its layers and its width before and after."""

    name: str
    layers: tuple[str, ...]
    dense_width: int
    folded_width: int
    method: str


@dataclass(frozen=True, slots=True)
class SkippedGroup:
    """A channel group left alone, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class FoldReport:
    """What was asked for, what was reached, and how.

    Attributes
    ----------
    method, budget, repair : str
    sparsity_requested, sparsity : float
        Fraction of the parameters removed: asked for, and reached.
    parameters_dense, parameters_folded : int
    macs_dense, macs_folded : int
        Multiply-accumulates of convolutions and linear layers for one forward pass of the example inputs.
    groups : tuple of GroupReport
        In the order in which their first producers run.
    skipped : tuple of SkippedGroup
    layers : dict
        Output width of every convolution and linear layer, (dense, folded).
    notes : tuple of str
        Whatever else the user should know, one sentence each.
    """

    method: str
    budget: str
    repair: str
    sparsity_requested: float
    sparsity: float
    parameters_dense: int
    parameters_folded: int
    macs_dense: int
    macs_folded: int
    groups: tuple[GroupReport, ...]
    skipped: tuple[SkippedGroup, ...]
    layers: dict[str, tuple[int, int]]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain dictionaries, lists and numbers."""
        return asdict(self)
