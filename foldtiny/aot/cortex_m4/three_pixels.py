"""CONV_2D, 1x1 with channels in eights: int8 weights, two channels times three pixels (``cm4_three_pixels.h``)."""

from __future__ import annotations

import numpy as np

from foldtiny.aot.cortex_m4 import packing, rescaling
from foldtiny.aot.layer import Constant, Kernel, Layer, Params
from foldtiny.aot.ops.conv_2d import NO_POOL, Conv2D
from foldtiny.aot.overlap import MAX_STEPS, distance

STEPS, STEP_BYTES = 8, 68
"""FT_THREE_STEPS and FT_THREE_STEP_BYTES."""


def specialise(layer: Layer, optimize: str) -> Kernel | None:
    """Return the kernel of an int8 1x1 layer with stride 1 and channels in eights."""
    if not isinstance(layer, Conv2D) or layer.rescale is None or not _supported(layer):
        return None
    flat, bias = packing.folded(layer)
    bounds = rescaling.sum_bounds(flat, bias)
    constants = rescaling.channels(layer.rescale, layer.out_zero, bounds, rescaling.HALF_BITS)
    grouped = flat.reshape(layer.out_c, -1, 4)
    relu = int(layer.clamp[0]) >= layer.out_zero
    if constants is None or not packing.half_fits(grouped) or not (relu or all(c.corrected for c in constants)):
        return None
    numbers = [c.words(d=False) for c in constants]
    words = packing.half_words(grouped)
    stream = packing.stream(packing.half_bias(bias, grouped), words, numbers, width=2, block=1)
    pixels = layer.batches * layer.in_h * layer.in_w
    # Three pixels are widened, then written; those left over one by one.
    whole = pixels - pixels % 3
    first = np.concatenate([np.arange(0, whole, 3), np.arange(whole, pixels)])
    end = np.append(first[1:], pixels)
    return Kernel(
        title="SMLAD, 2 channels x 3 pixels, int8 weights",
        headers=("cm4_three_pixels.h",),
        call=f"ft_cm4_three_pixels_s8($params, ft_three_{'relu' if relu else 'full'}, $stream, $in0, $out0, $scratch);",
        params=Params(
            "ft_cm4_three_pixels",
            {
                "pixels": pixels,
                "in_c": layer.in_c,
                "out_c": layer.out_c,
                "skip": (-(layer.in_c // 4) % STEPS) * STEP_BYTES,
                "out_min": int(layer.clamp[0]),
                "out_max": int(layer.clamp[1]),
            },
        ),
        constants={"stream": Constant("int32_t", stream)},
        scratch_bytes=layer.in_c * 6,
        in_place=(0,) if layer.out_c <= layer.in_c else (),
        overlap={0: distance(first * layer.in_c, end * layer.out_c)},
    )


def _supported(layer: Conv2D) -> bool:
    w = layer.window
    return (
        (w.k_h, w.k_w, w.stride_h, w.stride_w, w.pad_top, w.pad_left) == (1, 1, 1, 1, 0, 0)
        and (layer.out_h, layer.out_w) == (layer.in_h, layer.in_w)
        and layer.in_c == layer.group_c
        and layer.in_c % 8 == 0
        and layer.pool is NO_POOL
        # A last pixel or two cost as much as three.
        and 3 <= layer.batches * layer.in_h * layer.in_w <= MAX_STEPS
    )
