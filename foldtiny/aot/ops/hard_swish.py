"""HARD_SWISH on int8: x * relu6(x + 3) / 6."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foldtiny.aot import quant
from foldtiny.aot.layer import Kernel, Layer
from foldtiny.aot.ops._lookup import lookup_kernel
from foldtiny.aot.site import Site

NAMES = ("HARD_SWISH",)

_INT16_MIN, _INT16_MAX = -(1 << 15), (1 << 15) - 1
_LARGEST_RIGHT_SHIFT = 14


@dataclass(frozen=True, slots=True, kw_only=True)
class HardSwish(Layer):
    """The function, tabulated for each of the 256 inputs."""

    count: int
    table: NDArray[np.int8]

    def plain(self) -> Kernel:
        """Return the portable kernel."""
        return lookup_kernel(self.table, self.count)


def _factor(site: Site, real: float) -> tuple[int, int]:
    """Return a factor as a Q15 mantissa and a power of two (``DownScaleInt32ToInt16Multiplier``)."""
    mantissa, shift = site.multiplier(real)
    if shift < -_LARGEST_RIGHT_SHIFT:
        site.fail(f"a ratio of scales of {real:.3g}", "over 2^-14", "calibrate the model with realistic data")
    if mantissa >= quant.INT32_MAX - (1 << 15):
        return _INT16_MAX, shift
    return (mantissa + (1 << 15)) >> 16, shift


def _high_mul16(a: int, b: int) -> int:
    return (a * b + (1 << 14)) >> 15


def _saturating_shift(value: int, places: int) -> int:
    return quant.clamp(value << places, _INT16_MIN, _INT16_MAX)


def _truncating_high_mul16(a: int, b: int) -> int:
    product = abs(a * b) >> 15
    return product if a * b >= 0 else -product


def hard_swish_table(site: Site, in_zero: int, out_zero: int, to_output: float, to_gate: float) -> NDArray[np.int8]:
    """Tabulate TFLite's 16-bit fixed-point hard swish.

    ``to_output`` and ``to_gate`` bring the input, 128 times finer than stored, to the output's scale and to that of
    the gate relu6(x + 3) / 6.
    """
    out_mantissa, out_shift = _factor(site, to_output)
    gate_mantissa, gate_shift = _factor(site, to_gate)
    if out_shift > 0:
        site.fail(f"a ratio of scales of {128 * to_output:.3g}", "under 128", "calibrate the model with realistic data")

    def value(stored: int) -> int:
        fine = (stored - in_zero) << 7
        gate = fine
        if gate_shift > 0:
            gate = _saturating_shift(gate, gate_shift - 1)
        gate = _high_mul16(gate, gate_mantissa)
        gate = _saturating_shift(gate, 1) if gate_shift > 0 else quant.rounding_shift(gate, -gate_shift)
        gate = (gate + (1 << 15)) >> 1
        product = _truncating_high_mul16(gate, _high_mul16(fine, out_mantissa))
        return quant.clamp(quant.rounding_shift(product, -out_shift) + out_zero)

    return quant.int8_table(value)


def parse(site: Site) -> Layer:
    """Check a HARD_SWISH and tabulate it."""
    site.arity((1,))
    source, output = site.input(0), site.output()
    for tensor in (source, output):
        site.dtype(tensor, ("int8",))
    site.shape(output, source.shape)
    # Ratios in single precision, as TFLite computes them.
    with np.errstate(over="ignore", under="ignore"):
        fine = np.float32(1 / 128) * np.float32(source.scale)
        to_output = float(fine / np.float32(output.scale))
        to_gate = float(fine / (np.float32(3) / np.float32(32768)))
    return HardSwish(
        name=site.name,
        operators=("HARD_SWISH",),
        inputs=(source.index,),
        outputs=(output.index,),
        count=source.count,
        table=hard_swish_table(site, source.zero_point, output.zero_point, to_output, to_gate),
    )
