"""QUANTIZE: real numbers to int8, or int8 (uint8) to another scale."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foldtiny.aot import quant
from foldtiny.aot.graph import Tensor
from foldtiny.aot.layer import Kernel, Layer, Params
from foldtiny.aot.ops._lookup import lookup_kernel
from foldtiny.aot.site import Site

NAMES = ("QUANTIZE",)

_LIMITS = {"int8": (-128, 127), "uint8": (0, 255)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantize(Layer):
    """Each value on the output's scale; ``table`` where the input has only 256 values."""

    count: int
    scale: float
    zero_point: int
    table: NDArray[np.int8] | None

    def plain(self) -> Kernel:
        """Return the portable kernel."""
        if self.table is not None:
            return lookup_kernel(self.table, self.count, cast=True)
        return Kernel(
            title="plain C",
            headers=("quantize.h",),
            call="ft_quantize_f32($params, $in0, $out0);",
            params=Params(
                "ft_quantize", {"count": self.count, "zero_point": self.zero_point, "f_scale": float(self.scale)}
            ),
            overlap={0: 0},
        )


def requantise_table(site: Site, source: Tensor, output: Tensor) -> NDArray[np.int8]:
    """Tabulate a change of scale, by the input's byte read as int8, as the output's byte read as int8."""
    multiplier, shift = site.multiplier(source.scale / output.scale)
    low, high = _LIMITS[output.dtype]

    def value(byte: int) -> int:
        stored = byte % 256 if source.dtype == "uint8" else byte
        result = quant.requantise(stored - source.zero_point, multiplier, shift) + output.zero_point
        clamped = quant.clamp(result, low, high)
        return clamped - 256 if clamped > quant.INT8_MAX else clamped

    return quant.int8_table(value)


def parse(site: Site) -> Layer:
    """Check a QUANTIZE; tabulate it where the input is quantised too."""
    site.arity((1,))
    source, output = site.input(0), site.output()
    site.shape(output, source.shape)
    site.dtype(source, ("int8", "uint8", "float32"))
    site.dtype(output, ("int8",) if source.dtype != "int8" else ("int8", "uint8"))
    for tensor in (source, output):
        if tensor.dtype == "uint8":
            site.quantised_in(tensor, *_LIMITS["uint8"])
    return Quantize(
        name=site.name,
        operators=("QUANTIZE",),
        inputs=(source.index,),
        outputs=(output.index,),
        count=source.count,
        scale=output.scale,
        zero_point=output.zero_point,
        table=None if source.dtype == "float32" else requantise_table(site, source, output),
    )
