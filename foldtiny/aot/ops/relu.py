"""RELU, RELU6, RELU_N1_TO_1 and RELU_0_TO_1 standing alone (most are fused into the layer before)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foldtiny.aot import quant
from foldtiny.aot.layer import Kernel, Layer, Params
from foldtiny.aot.ops._lookup import lookup_kernel
from foldtiny.aot.site import Site

NAMES = ("RELU", "RELU6")


@dataclass(frozen=True, slots=True, kw_only=True)
class Relu(Layer):
    """A clamp of each value.

    ``clamp`` is the range where the operator does nothing else, and ``None`` where it also changes the scale.
    """

    dtype: str
    count: int
    clamp: tuple[float, float] | None
    table: NDArray[np.int8] | None

    def plain(self) -> Kernel:
        """Return the portable kernel: a table of all 256 results, or a clamp of real numbers."""
        if self.table is not None:
            return lookup_kernel(self.table, self.count)
        low, high = self.clamp or (0.0, 0.0)
        return Kernel(
            title="plain C",
            headers=("relu.h",),
            call="ft_relu_f32($params, $in0, $out0);",
            params=Params("ft_relu", {"count": self.count, "f_min": low, "f_max": high}),
            in_place=(0,),
            overlap={0: 0},
        )


def parse(site: Site) -> Layer:
    """Check a RELU or RELU6 and tabulate it."""
    site.arity((1,))
    source, output = site.input(0), site.output()
    dtype = site.same_dtype(source, output)
    site.shape(output, source.shape)
    clamp: tuple[float, float] | None
    table = None
    if dtype == "float32":
        clamp = quant.float_range(site.operator.name.lower())
    elif site.operator.name == "RELU":
        low, _ = site.int8_range("relu", output)
        with np.errstate(over="ignore"):
            multiplier, shift = site.multiplier(float(np.float32(source.scale) / np.float32(output.scale)))
        same = source.scale == output.scale and source.zero_point == output.zero_point
        clamp = (low, quant.INT8_MAX) if same else None
        table = quant.int8_table(
            lambda x: quant.clamp(
                quant.requantise(x - source.zero_point, multiplier, shift) + output.zero_point, low, quant.INT8_MAX
            )
        )
    else:
        # TFLite Micro's RELU6 never rescales: it clamps by the input's scale, whatever the output's is.
        six = quant.clamp(site.int8_range("relu6", source)[1])
        clamp = (source.zero_point, six)
        table = quant.int8_table(lambda x: min(max(x, source.zero_point), six))
    return Relu(
        name=site.name,
        operators=(site.operator.name,),
        inputs=(source.index,),
        outputs=(output.index,),
        dtype=dtype,
        count=source.count,
        clamp=clamp,
        table=table,
    )
