"""CONV_2D in tiles of four channels times two pixels (``xt_conv_2d.h``)."""

from __future__ import annotations

import numpy as np

from foldtiny.aot.layer import Constant, Kernel, Layer, Params
from foldtiny.aot.ops.conv_2d import NO_POOL, Conv2D
from foldtiny.aot.overlap import by_pixels
from foldtiny.aot.tiles import convolution_fields
from foldtiny.aot.xtensa import packing, rescaling

LANES, COLUMNS, TAPS = 4, 2, 2
"""FT_XT_CHANNELS and FT_XT_COLUMNS of ``xt_tile.h``; the number of taps is even."""


def specialise(layer: Layer, optimize: str) -> Kernel | None:
    """Return the kernel of an int8 convolution without groups."""
    if not isinstance(layer, Conv2D) or layer.rescale is None or layer.group_c != layer.in_c:
        return None
    weights = layer.weights.astype(np.int64).reshape(layer.out_c, -1)
    bias = rescaling.unsigned_bias(layer.bias, weights, layer.in_zero)
    sums = rescaling.bounds(weights, 0, rescaling.UNSIGNED)
    channels = rescaling.channels(layer.rescale, layer.out_zero, sums, bias)
    if channels is None:
        return None
    packed = packing.unsigned(weights, LANES, TAPS)
    taps = packed.shape[1]
    columns = layer.pool.k_h * layer.pool.k_w if layer.pool is not NO_POOL else COLUMNS
    columns += columns % 2
    return Kernel(
        title="4 channels x 2 pixels in registers, 32-bit rescaling",
        headers=("xt_conv_2d.h",),
        call="ft_xt_conv_2d_s8($params, $weights, (const ft_xt_channel *)$channels, $in0, $out0, $scratch);",
        params=Params(
            "ft_xt_conv_2d",
            {
                **convolution_fields(layer),
                "out_min": int(layer.clamp[0]),
                "out_max": int(layer.clamp[1]),
                "taps": taps,
            },
        ),
        constants={"weights": Constant("uint8_t", packed), "channels": Constant("int32_t", channels)},
        scratch_bytes=columns * taps + (columns * 4 if layer.pool is not NO_POOL else 0),
        # A pixel's window is copied before its outputs are written.
        overlap=by_pixels(layer.reads(), layer.out_c),
    )
