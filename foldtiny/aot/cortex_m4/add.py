"""ADD of two tensors of the same shape (``cm4_add.h``)."""

from __future__ import annotations

from foldtiny.aot import quant
from foldtiny.aot.cortex_m4 import rescaling
from foldtiny.aot.layer import Kernel, Layer, Params
from foldtiny.aot.ops._elementwise import Elementwise

_HALF = (1 << 30, 0)
"""The factor 1/2 as TFLite has it: that of the input with the larger scale."""

_BITS = 2


def specialise(layer: Layer, optimize: str) -> Kernel | None:
    """Return the kernel of an int8 ADD without broadcasting."""
    if not isinstance(layer, Elementwise) or layer.function != "add" or layer.dtype != "int8" or not _plain(layer):
        return None
    factors = layer.arithmetic
    first = next((n for n in (1, 2) if (factors[f"multiplier{n}"], factors[f"shift{n}"]) == _HALF), None)
    if first is None:
        return None
    second = 3 - first
    zero1, zero2 = factors[f"zero{first}"], factors[f"zero{second}"]
    multiplier2, shift2 = factors[f"multiplier{second}"], factors[f"shift{second}"]
    ends = (quant.INT8_MIN, quant.INT8_MAX)
    bound = max(abs(v - zero1) for v in ends) << 19
    bound += max(abs(quant.requantise((v - zero2) << 20, multiplier2, shift2)) for v in ends)
    zero = factors["out_zero"]
    found = rescaling.channel(factors["out_multiplier"], factors["out_shift"], zero, bound, _BITS)
    # ft_requantise of the table's entries must not wrap either.
    if found is None or shift2 > 0:
        return None
    low, high = int(layer.clamp[0]), int(layer.clamp[1])
    routine = f"ft_cm4_add_{'relu' if low >= zero else 'full'}"
    return Kernel(
        title="one input by table, exact rescaling",
        headers=("cm4_add.h",),
        call=f"ft_cm4_add_s8($params, {routine}, $in{first - 1}, $in{second - 1}, $out0, $scratch);",
        params=Params(
            "ft_cm4_add",
            {
                "count": layer.count,
                "zero1": zero1,
                "zero2": zero2,
                "multiplier2": multiplier2,
                "shift2": shift2,
                "m": found.m,
                "c": found.c,
                "d": found.d,
                "e": found.e,
                "out_min": low,
                "out_max": high,
            },
        ),
        scratch_bytes=1024,
        in_place=layer.in_place,
        overlap=dict.fromkeys(layer.in_place, 0),
    )


def _plain(layer: Elementwise) -> bool:
    return layer.sizes[-1] == layer.count and all(steps[-1] == 1 for steps in layer.strides)
