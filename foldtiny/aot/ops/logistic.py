"""LOGISTIC, the sigmoid."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foldtiny.aot import quant
from foldtiny.aot.graph import Tensor
from foldtiny.aot.layer import Kernel, Layer, Params
from foldtiny.aot.ops._lookup import lookup_kernel
from foldtiny.aot.site import Site

NAMES = ("LOGISTIC",)

_INTEGER_BITS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Logistic(Layer):
    """1 / (1 + exp(-x)); on int8 tabulated for each of the 256 inputs."""

    count: int
    table: NDArray[np.int8] | None

    def plain(self) -> Kernel:
        """Return the portable kernel."""
        if self.table is not None:
            return lookup_kernel(self.table, self.count)
        return Kernel(
            title="plain C",
            headers=("logistic_f32.h",),
            call="ft_logistic_f32($params, $in0, $out0);",
            params=Params("ft_logistic_real", {"count": self.count}),
            in_place=(0,),
            overlap={0: 0},
        )


def logistic_table(scale: float, zero_point: int) -> NDArray[np.int8]:
    """Tabulate TFLite Micro's fixed-point sigmoid; the output's scale is 1/256 and its zero point -128."""
    fraction, shift = math.frexp(scale * (1 << (31 - _INTEGER_BITS)))
    multiplier = quant.round_half_away(fraction * (1 << 31))
    radius = math.floor(((1 << _INTEGER_BITS) - 1) * (1 << (31 - _INTEGER_BITS)) / (1 << shift))

    def value(stored: int) -> int:
        x = stored - zero_point
        if x <= -radius:
            return quant.INT8_MIN
        if x >= radius:
            return quant.INT8_MAX
        result = quant.logistic(quant.requantise(x, multiplier, shift), _INTEGER_BITS)
        return quant.clamp(quant.rounding_shift(result, 31 - 8) + quant.INT8_MIN)

    return quant.int8_table(value)


def parse(site: Site) -> Layer:
    """Check a LOGISTIC and tabulate it on int8."""
    site.arity((1,))
    source, output = site.input(0), site.output()
    dtype = site.same_dtype(source, output)
    site.shape(output, source.shape)
    return Logistic(
        name=site.name,
        operators=("LOGISTIC",),
        inputs=(source.index,),
        outputs=(output.index,),
        count=source.count,
        table=_checked_table(site, source, output) if dtype == "int8" else None,
    )


def _checked_table(site: Site, source: Tensor, output: Tensor) -> NDArray[np.int8]:
    if output.scale != 1 / 256 or output.zero_point != quant.INT8_MIN:
        site.fail(
            f"output scale {output.scale:.6g} and zero point {output.zero_point}", "1/256 and -128, as TFLite sets"
        )
    if not 2.0**-27 <= source.scale <= 2.0**16:
        site.fail(f"input scale {source.scale:.3g}", "1e-8 to 65536")
    return logistic_table(source.scale, source.zero_point)
