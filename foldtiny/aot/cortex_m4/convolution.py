"""CONV_2D: which of the kernels that can compute a layer does so."""

from __future__ import annotations

from foldtiny.aot.cortex_m4 import conv_2d, cost, winograd, winograd_5x5
from foldtiny.aot.layer import Kernel, Layer
from foldtiny.aot.ops.conv_2d import Conv2D


def specialise(layer: Layer, optimize: str) -> Kernel | None:
    """Return the kernel of an int8 convolution; for ``speed``, the one of the fewest estimated cycles."""
    if not isinstance(layer, Conv2D) or optimize == "size":
        return conv_2d.specialise(layer, optimize)
    wide, half = conv_2d.packed(layer, wide=True), conv_2d.packed(layer, wide=False)
    return cost.best(
        (
            (wide, cost.direct(layer, wide, True)),
            (half, cost.direct(layer, half, False)),
            (winograd.specialise(layer, optimize), cost.winograd(layer)),
            (winograd_5x5.specialise(layer, optimize), cost.winograd_5x5(layer)),
        )
    )
