"""SOFTMAX along the last axis, with TFLite's beta."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foldtiny.aot import quant
from foldtiny.aot.layer import Constant, Kernel, Layer, Params
from foldtiny.aot.site import Site

NAMES = ("SOFTMAX",)

_INTEGER_BITS = 5
_MAX_DEPTH = 1 << 12
"""The sum of exponentials is a fixed-point number with 12 integer bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Softmax(Layer):
    """Softmax of each of ``rows`` rows of ``depth`` values.

    ``exponentials`` (int8 layers) tabulates exp(-d * scale * beta) in Q31 for d = 0, 1, ...; what lies beyond its end
    is zero in TFLite's arithmetic.
    """

    dtype: str
    rows: int
    depth: int
    beta: float
    exponentials: NDArray[np.int32] | None

    def describe(self) -> str:
        """Return the number of classes and beta."""
        return f"{self.depth} values" + (f", beta {self.beta:g}" if self.beta != 1.0 else "")

    def plain(self) -> Kernel:
        """Return the portable kernel."""
        size: dict[str, int | float | tuple[int, ...]] = {"rows": self.rows, "depth": self.depth}
        if self.exponentials is None:
            return Kernel(
                title="plain C",
                headers=("softmax_f32.h",),
                call="ft_softmax_f32($params, $in0, $out0);",
                params=Params("ft_softmax_real", {**size, "beta": self.beta}),
                in_place=(0,),
                overlap={0: 0},
            )
        return Kernel(
            title="plain C",
            headers=("softmax.h",),
            call="ft_softmax_s8($params, $exponentials, $in0, $out0);",
            params=Params("ft_softmax", {**size, "entries": self.exponentials.size}),
            constants={"exponentials": Constant("int32_t", self.exponentials, table=True)},
            in_place=(0,),
            overlap={0: 0},
        )


def exponential_table(site: Site, beta: float, scale: float) -> NDArray[np.int32]:
    """Tabulate the exponentials of all differences from the maximum that TFLite does not count as zero."""
    real = min(beta * scale * (1 << (31 - _INTEGER_BITS)), (1 << 31) - 1.0)
    if not real > 1.0:
        site.fail(f"beta {beta:g} with input scale {scale:.3g}", "a product over 1.5e-8")
    multiplier, shift = quant.quantise_multiplier(real)
    radius = math.floor(((1 << _INTEGER_BITS) - 1) * (1 << (31 - _INTEGER_BITS)) / (1 << shift))
    entries = min(radius, 255) + 1
    return np.array(
        [quant.exp_on_negative_values(quant.high_mul(-d << shift, multiplier)) for d in range(entries)], dtype=np.int32
    )


def parse(site: Site) -> Layer:
    """Check a SOFTMAX and tabulate its exponentials."""
    site.arity((1,))
    source, output = site.input(0), site.output()
    dtype = site.same_dtype(source, output)
    site.rank(source, 1, 2, 3, 4)
    site.shape(output, source.shape)
    beta = site.float_option("Beta")
    if not math.isfinite(beta):
        site.fail(f"beta {beta}", "a finite number")
    depth = source.shape[-1]
    table = None
    if dtype == "int8":
        if output.scale != 1 / 256 or output.zero_point != quant.INT8_MIN:
            site.fail(
                f"output scale {output.scale:.6g} and zero point {output.zero_point}", "1/256 and -128, as TFLite sets"
            )
        if depth > _MAX_DEPTH:
            site.fail(f"{depth} values in a row", f"up to {_MAX_DEPTH}")
        table = exponential_table(site, beta, source.scale)
    return Softmax(
        name=site.name,
        operators=("SOFTMAX",),
        inputs=(source.index,),
        outputs=(output.index,),
        dtype=dtype,
        rows=source.count // depth,
        depth=depth,
        beta=beta,
        exponentials=table,
    )
