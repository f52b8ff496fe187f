"""CONV_2D: which of the kernels that can compute a layer does so."""

from __future__ import annotations

from foldtiny.aot.cortex_m4 import (
    colour_3x3,
    conv_2d,
    cost,
    eight_channels,
    four_pixels,
    strassen,
    three_pixels,
    winograd,
    winograd_5x5,
)
from foldtiny.aot.layer import Kernel, Layer
from foldtiny.aot.ops.conv_2d import Conv2D


def specialise(layer: Layer, optimize: str) -> Kernel | None:
    """Return the kernel of an int8 convolution; for ``speed``, the one of the fewest estimated cycles."""
    if not isinstance(layer, Conv2D):
        return None
    eight = eight_channels.specialise(layer, optimize)
    if optimize == "size":
        few = layer.weights.size <= conv_2d.FEW_WEIGHTS
        smaller = eight if few else three_pixels.specialise(layer, optimize)
        return smaller or conv_2d.specialise(layer, optimize)
    wide, half = conv_2d.packed(layer, wide=True), conv_2d.packed(layer, wide=False)
    return cost.best(
        (
            (wide, cost.direct(layer, wide, True)),
            (half, cost.direct(layer, half, False)),
            (winograd.specialise(layer, optimize), cost.winograd(layer)),
            (winograd_5x5.specialise(layer, optimize), cost.winograd_5x5(layer)),
            (three_pixels.specialise(layer, optimize), cost.three_pixels(layer)),
            (eight, cost.eight_channels(layer)),
            (four_pixels.specialise(layer, optimize), cost.four_pixels(layer)),
            (colour_3x3.specialise(layer, optimize), cost.colour_3x3(layer)),
            (strassen.specialise(layer, optimize), cost.strassen(layer)),
        )
    )
