"""Networks of the widths that a sparsity gives, made without the work of folding well.

What a network takes on a board (flash, RAM, time) depends on its widths and hardly on its weights, so a search over
widths need not fold: it cuts channels off.
"""

from __future__ import annotations

from typing import Any

from torch import nn

from foldtiny.fold import budget as budgets
from foldtiny.fold import engine
from foldtiny.fold.network import restore


class Candidates:
    """The networks that folding by a budget could give.

    Parameters
    ----------
    model : nn.Module
        Dense; not changed.
    example_inputs : Tensor or tuple
    budget : {"uniform", "params"}
    images : float array [N, C, H, W], optional
        Those that `foldtiny.fold.fold` would get: ``params`` measures on them.
    seed : int

    Raises
    ------
    FoldError
        If the network cannot be traced, or holds NaN or infinite weights.
    """

    def __init__(
        self, model: nn.Module, example_inputs: Any, *, budget: str = "uniform", images: Any = None, seed: int = 0
    ) -> None:
        self._model = model
        self._budget = budget
        self._planned = engine.plan(model, example_inputs, seed=seed)
        self._studied = engine.study(self._planned, images=images, seed=seed)

    @property
    def reachable(self) -> float:
        """The largest sparsity that some width reaches."""
        costs = self._planned.costs
        if not costs.total:
            return 0.0
        return 1.0 - costs.parameters(budgets.narrowest(costs)) / costs.total

    def widths(self, sparsity: float) -> dict[str, int]:
        """Return the width of each group that folding at a sparsity gives.

        Raises
        ------
        UsageError
            If no width reaches the sparsity.
        """
        return engine.choose_widths(self._studied, self._planned.costs, sparsity, self._budget)

    def parameters(self, widths: dict[str, int]) -> int:
        """Return the number of parameters at some widths."""
        return self._planned.costs.parameters(widths)

    def at(self, widths: dict[str, int]) -> nn.Module:
        """Return a network of some widths, in eval mode: the dense one with its smallest channels cut off."""
        return restore(engine.fold_to(self._planned, widths, "l1", studied=self._studied).work, self._model)
