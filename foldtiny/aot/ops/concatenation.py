"""CONCATENATION along any axis of tensors on one scale."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from foldtiny.aot.graph import ITEM_BYTES
from foldtiny.aot.layer import Kernel, Layer
from foldtiny.aot.overlap import MAX_STEPS, NOTHING, distance
from foldtiny.aot.site import Site

NAMES = ("CONCATENATION",)

_MAX_INPUTS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Concatenation(Layer):
    """``rows`` rows, each of one run of ``run_bytes[i]`` bytes from every input i in turn."""

    axis: int
    rows: int
    run_bytes: tuple[int, ...]

    def describe(self) -> str:
        """Return the axis."""
        return f"along axis {self.axis}"

    def plain(self) -> Kernel:
        """Return the portable kernel."""
        runs = ", ".join(f"{{$in{position}, {run}}}" for position, run in enumerate(self.run_bytes))
        return Kernel(
            title="plain C; inputs that lie in their places already are not copied",
            headers=("concatenation.h",),
            call=f"ft_concatenation({self.rows}, {len(self.run_bytes)}, (ft_concatenation_run[]){{{runs}}}, $out0);",
            overlap=self._overlap(),
        )

    def _overlap(self) -> dict[int, int]:
        """Return how far each input has to start after the output: at least where it is copied to."""
        inputs, full = len(self.run_bytes), sum(self.run_bytes)
        if self.rows * inputs > MAX_STEPS:
            return {}
        rows = np.arange(self.rows, dtype=np.int64)[:, None]
        written = (rows * full + np.cumsum(self.run_bytes)[None, :]).reshape(-1)
        found = {}
        for position, run in enumerate(self.run_bytes):
            reads = np.full((self.rows, inputs), NOTHING, dtype=np.int64)
            reads[:, position] = rows[:, 0] * run
            found[position] = distance(reads.reshape(-1), written)
        return found


def parse(site: Site) -> Layer:
    """Check a CONCATENATION."""
    site.arity(range(1, _MAX_INPUTS + 1))
    inputs = [site.input(i) for i in range(len(site.operator.inputs))]
    output = site.output()
    dtype = site.same_dtype(output, *inputs)
    if site.activation() != "none":
        site.fail("a fused activation", "none")
    rank = len(output.shape)
    axis = site.option("Axis")
    if not -rank <= axis < rank:
        site.fail(f"axis {axis} of {rank} dimensions", f"{-rank} to {rank - 1}")
    axis %= rank
    total = 0
    for tensor in inputs:
        expected = list(output.shape)
        expected[axis] = tensor.shape[axis] if len(tensor.shape) == rank else 0
        site.shape(tensor, expected)
        total += tensor.shape[axis]
        if dtype == "int8" and (tensor.scale, tensor.zero_point) != (output.scale, output.zero_point):
            site.fail(f"'{tensor.name}' on another scale than the output", "one scale and zero point for all")
    site.shape(output, [*output.shape[:axis], total, *output.shape[axis + 1 :]])
    inner = prod(output.shape[axis + 1 :]) * ITEM_BYTES[dtype]
    return Concatenation(
        name=site.name,
        operators=("CONCATENATION",),
        inputs=tuple(tensor.index for tensor in inputs),
        outputs=(output.index,),
        axis=axis,
        rows=prod(output.shape[:axis]),
        run_bytes=tuple(tensor.shape[axis] * inner for tensor in inputs),
    )
