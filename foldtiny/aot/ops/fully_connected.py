"""FULLY_CONNECTED: any rank, with or without bias, one scale or one for each output."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from foldtiny.aot import quant
from foldtiny.aot.graph import ITEM_BYTES
from foldtiny.aot.layer import Kernel, Layer
from foldtiny.aot.ops._weights import LANES, Weighted, bias_values, fold_bias, rescale
from foldtiny.aot.overlap import by_pixels, strided
from foldtiny.aot.site import Site

NAMES = ("FULLY_CONNECTED",)


@dataclass(frozen=True, slots=True, kw_only=True)
class FullyConnected(Weighted):
    """output[rows, outputs] = input[rows, inputs] times the transposed weights [outputs, inputs], plus bias."""

    rows: int

    def folded_bias(self) -> NDArray[np.int32]:
        """Return the int8 layer's bias with the input's zero point folded in."""
        return fold_bias(self.bias, self.weights.astype(np.int64).sum(axis=1), self.in_zero)

    def describe(self) -> str:
        """Return the matrix's size."""
        return f"{self.weights.shape[1]} inputs to {self.weights.shape[0]} outputs"

    def plain(self) -> Kernel:
        """Return the portable kernel."""
        outputs, depth = self.weights.shape
        item_bytes = ITEM_BYTES[self.dtype]
        rows = strided((self.rows,), (depth * item_bytes,))
        # A row is read anew for every few outputs, which are written at once.
        at_once = LANES if outputs % LANES == 0 and self.dtype == "int8" else 1
        overlap = by_pixels(rows, outputs * item_bytes, (outputs - at_once) * item_bytes)
        size: dict[str, int | float | tuple[int, ...]] = {"rows": self.rows, "depth": depth, "outputs": outputs}
        return self.plain_kernel("fully_connected", size, overlap, in_zero=False)


def parse(site: Site) -> Layer:
    """Check a FULLY_CONNECTED and compute its constants."""
    site.arity((2, 3))
    source, matrix, output = site.input(0), site.input(1), site.output()
    dtype = site.same_dtype(source, output)
    site.rank(matrix, 2)
    weights = site.constant(matrix, (dtype,))
    if site.option("WeightsFormat") != 0:
        site.fail("shuffled weights", "the default weight format")
    outputs, depth = matrix.shape
    if source.count % depth or output.count % outputs or source.count // depth != output.count // outputs:
        site.fail(
            f"input {list(source.shape)} with output {list(output.shape)}",
            f"rows of {depth} values in and as many rows of {outputs} out",
        )
    if len(output.shape) < 1 or output.shape[-1] != outputs:
        site.fail(f"output shape {list(output.shape)}", f"{outputs} as the last dimension")
    activation = site.activation()
    quantised = dtype == "int8"
    rows = prod(output.shape[:-1])
    return FullyConnected(
        name=site.name,
        operators=("FULLY_CONNECTED",),
        inputs=(source.index,),
        outputs=(output.index,),
        macs=rows * outputs * depth,
        dtype=dtype,
        rows=rows,
        weights=weights,
        bias=bias_values(site, 2, outputs, dtype),
        rescale=rescale(site, matrix, outputs, axis=0) if quantised else None,
        in_zero=source.zero_point,
        out_zero=output.zero_point,
        clamp=site.int8_range(activation, output) if quantised else quant.float_range(activation),
    )
