"""CONV_2D, 1x1 with channels in fours: int16 weights, two channels times four pixels (``cm4_four_pixels.h``)."""

from __future__ import annotations

import numpy as np

from foldtiny.aot.cortex_m4 import conv_2d, packing, rescaling
from foldtiny.aot.layer import Constant, Kernel, Layer, Params
from foldtiny.aot.ops.conv_2d import NO_POOL, Conv2D
from foldtiny.aot.overlap import MAX_STEPS, distance

PIXELS, STEPS, STEP_BYTES = 4, 16, 44
"""Of a tile; FT_FOUR_STEPS and FT_FOUR_STEP_BYTES."""

_EXACT_STEPS = (8, 16)
"""Steps for which there are routines that can do no fewer."""


def specialise(layer: Layer, optimize: str) -> Kernel | None:
    """Return the kernel of an int8 1x1 layer that is to be fast, with channels in fours, a ReLU and one shift."""
    if optimize != "speed" or not isinstance(layer, Conv2D) or not pointwise(layer):
        return None
    if layer.in_c % 4 or layer.out_c % 2:
        return None
    flat, bias = packing.folded(layer)
    constants = conv_2d.sharing(layer, rescaling.sum_bounds(flat, bias))
    if constants is None:
        return None
    words = packing.wide_words(flat.reshape(layer.out_c, -1, 4), constants).reshape(layer.out_c, -1)
    numbers = [c.words(d=False, e=False) for c in constants]
    biases = packing.wide_bias(bias, constants)
    stream = packing.stream(biases, words, numbers, width=2, block=1)
    steps = layer.in_c // 2
    kind = steps if steps in _EXACT_STEPS else "any"
    return Kernel(
        title="SMLAD, 2 channels x 4 pixels, int16 weights",
        headers=("cm4_four_pixels.h",),
        call=f"ft_cm4_four_pixels_s8($params, ft_four_{kind}_{constants[0].e}, $stream, $in0, $out0, $scratch);",
        params=params("ft_cm4_four_pixels", layer, (-steps % STEPS) * STEP_BYTES),
        constants={"stream": Constant("int32_t", stream)},
        scratch_bytes=layer.in_c * 2 * PIXELS,
        in_place=(0,) if layer.out_c <= layer.in_c else (),
        overlap=overlap(layer, PIXELS),
    )


def pointwise(layer: Conv2D) -> bool:
    """Tell whether the layer computes each pixel from one pixel, and a clamp hides the rounding of negative halves."""
    w = layer.window
    return (
        layer.rescale is not None
        and (w.k_h, w.k_w, w.stride_h, w.stride_w, w.pad_top, w.pad_left) == (1, 1, 1, 1, 0, 0)
        and (layer.out_h, layer.out_w) == (layer.in_h, layer.in_w)
        and layer.in_c == layer.group_c
        and layer.pool is NO_POOL
        and layer.batches * layer.in_h * layer.in_w <= MAX_STEPS
        and int(layer.clamp[0]) >= layer.out_zero
    )


def params(ctype: str, layer: Conv2D, skip: int) -> Params:
    """Return the parameters of a kernel that takes the pixels one after the other."""
    return Params(
        ctype,
        {
            "pixels": layer.batches * layer.in_h * layer.in_w,
            "in_c": layer.in_c,
            "out_c": layer.out_c,
            "skip": skip,
            "out_min": int(layer.clamp[0]),
            "out_max": int(layer.clamp[1]),
        },
    )


def overlap(layer: Conv2D, together: int) -> dict[int, int]:
    """Return ``Kernel.overlap`` where so many pixels are widened, then their outputs written."""
    pixels = layer.batches * layer.in_h * layer.in_w
    first = np.arange(0, pixels, together, dtype=np.int64)
    return {0: distance(first * layer.in_c, np.minimum(first + together, pixels) * layer.out_c)}
