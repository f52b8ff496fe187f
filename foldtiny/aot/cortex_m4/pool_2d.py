"""AVERAGE_POOL_2D, MAX_POOL_2D and MEAN over pixels, four channels at a time (``cm4_pool_2d.h``)."""

from __future__ import annotations

from dataclasses import replace
from math import prod

from foldtiny.aot.layer import Kernel, Layer, Params
from foldtiny.aot.ops.average_pool_2d import AveragePool2D
from foldtiny.aot.ops.max_pool_2d import MaxPool2D
from foldtiny.aot.ops.mean import Mean

_MAX_COLUMNS = 255
"""Values of int8 whose sum fits 16 bits."""


def specialise(layer: Layer, optimize: str) -> Kernel | None:
    """Return the kernel of an int8 pooling layer whose channels come in fours."""
    if isinstance(layer, Mean):
        return _mean(layer)
    if not isinstance(layer, AveragePool2D | MaxPool2D) or layer.dtype != "int8" or layer.channels % 4:
        return None
    average = isinstance(layer, AveragePool2D)
    if average and min(layer.window.k_w, layer.in_w) > _MAX_COLUMNS:
        return None
    name = "average_pool_2d" if average else "max_pool_2d"
    return replace(
        layer.plain(),
        title="four channels at a time",
        headers=("cm4_pool_2d.h",),
        call=f"ft_cm4_{name}_s8($params, $in0, $out0);",
    )


def _mean(layer: Mean) -> Kernel | None:
    """Return the kernel of a MEAN whose innermost dimension stays."""
    pixels, channels = prod(layer.over), layer.kept[-1]
    images = prod(layer.kept[:-1])
    if layer.dtype != "int8" or channels % 4 or layer.kept_steps[-1] != 1 or layer.over[-1] != pixels:
        return None
    one_image = images == 1 or (layer.kept[-2] == images and layer.kept_steps[-2] == pixels * channels)
    columns = next((c for c in range(min(pixels, _MAX_COLUMNS), 0, -1) if pixels % c == 0), 1)
    if not one_image or layer.over_steps[-1] != channels:
        return None
    return Kernel(
        title="four channels at a time",
        headers=("cm4_pool_2d.h",),
        call="ft_cm4_mean_s8($params, $in0, $out0);",
        params=Params(
            "ft_cm4_mean",
            {
                "images": images,
                "rows": pixels // columns,
                "columns": columns,
                "channels": channels,
                "offset": layer.in_zero * pixels,
                "out_zero": layer.out_zero,
                "multiplier": layer.multiplier,
                "shift": layer.shift,
            },
        ),
    )
