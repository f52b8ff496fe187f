"""Operators that only move values: each is a walk over the input in another order."""

from __future__ import annotations

from dataclasses import dataclass

from foldtiny.aot.layer import Kernel, Layer, Params
from foldtiny.aot.overlap import by_elements, strided


@dataclass(frozen=True, slots=True, kw_only=True)
class Gather(Layer):
    """Output in row-major order from the input at ``start`` plus ``steps`` for each of the loops ``sizes``."""

    item_bytes: int
    start: int
    sizes: tuple[int, ...]
    steps: tuple[int, ...]

    def plain(self) -> Kernel:
        """Return the portable kernel."""
        return Kernel(
            title="plain C",
            headers=("gather.h",),
            call=f"ft_gather_{8 * self.item_bytes}($params, $in0, $out0);",
            params=Params("ft_gather", {"start": self.start, "size": self.sizes, "step": self.steps}),
            overlap=by_elements(strided(self.sizes, self.steps, self.start), self.item_bytes, self.item_bytes),
        )
