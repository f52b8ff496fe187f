"""CONV_2D, 1x1 with eight input channels: one output channel's weights in registers (``cm4_eight_channels.h``)."""

from __future__ import annotations

import numpy as np

from foldtiny.aot.cortex_m4 import conv_2d, packing, rescaling
from foldtiny.aot.layer import Constant, Kernel, Layer, Params
from foldtiny.aot.ops.conv_2d import NO_POOL, Conv2D
from foldtiny.aot.overlap import MAX_STEPS, distance

CHANNELS, PIXELS = 8, 64
"""What the registers hold, and FT_EIGHT_PIXELS."""


def specialise(layer: Layer, optimize: str) -> Kernel | None:
    """Return the kernel of an int8 1x1 layer with eight input channels, a ReLU and one shift for all channels."""
    if not isinstance(layer, Conv2D) or layer.rescale is None or not _supported(layer):
        return None
    flat, bias = packing.folded(layer)
    constants = conv_2d.sharing(layer, rescaling.sum_bounds(flat, bias))
    if constants is None:
        return None
    words = packing.wide_words(flat.reshape(-1, 2, 4), constants).reshape(layer.out_c, 4)
    numbers = np.array([c.words(d=False, e=False) for c in constants], dtype=np.int64)
    stream = np.column_stack([packing.wide_bias(bias, constants), numbers, words])
    pixels = layer.batches * layer.in_h * layer.in_w
    first = np.arange(0, pixels, PIXELS, dtype=np.int64)
    return Kernel(
        title="SMLAD, one channel's weights in registers",
        headers=("cm4_eight_channels.h",),
        call=f"ft_cm4_eight_channels_s8($params, ft_eight_{constants[0].e}, $channels, $in0, $out0, $scratch);",
        params=Params(
            "ft_cm4_eight_channels",
            {"pixels": pixels, "out_c": layer.out_c, "out_min": int(layer.clamp[0]), "out_max": int(layer.clamp[1])},
        ),
        constants={"channels": Constant("int32_t", packing.as_words(stream))},
        scratch_bytes=PIXELS * CHANNELS * 2,
        # Pixels are widened before their outputs are written.
        in_place=(0,) if layer.out_c <= CHANNELS else (),
        overlap={0: distance(first * CHANNELS, np.minimum(first + PIXELS, pixels) * layer.out_c)},
    )


def _supported(layer: Conv2D) -> bool:
    w = layer.window
    return (
        (w.k_h, w.k_w, w.stride_h, w.stride_w, w.pad_top, w.pad_left) == (1, 1, 1, 1, 0, 0)
        and (layer.out_h, layer.out_w) == (layer.in_h, layer.in_w)
        and layer.in_c == layer.group_c == CHANNELS
        and layer.pool is NO_POOL
        and layer.batches * layer.in_h * layer.in_w <= MAX_STEPS
        and int(layer.clamp[0]) >= layer.out_zero
    )
