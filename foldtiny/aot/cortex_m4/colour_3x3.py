"""CONV_2D, 3x3 with stride 2 on three channels: weights in the FPU's registers (``cm4_colour_3x3.h``)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from foldtiny.aot.cortex_m4 import conv_2d, packing, rescaling
from foldtiny.aot.layer import Constant, Kernel, Layer, Params
from foldtiny.aot.ops.conv_2d import NO_POOL, Conv2D
from foldtiny.aot.overlap import NOTHING, distance

TILE_WORDS, PIXELS = 33, 3
"""FT_COLOUR_TILE, and the pixels of one."""

_PAIRS = (0, 3, 1, 4, 2)
"""The order in which the pairs of a row are multiplied."""


def specialise(layer: Layer, optimize: str) -> Kernel | None:
    """Return the kernel of a 3x3 layer that is to be fast: int8, three channels, stride 2, a ReLU, one shift."""
    if optimize != "speed" or not isinstance(layer, Conv2D) or layer.rescale is None or not _supported(layer):
        return None
    flat, bias = packing.folded(layer)
    constants = conv_2d.sharing(layer, rescaling.sum_bounds(flat, bias))
    if constants is None:
        return None
    # Tiles are made two by two.
    tiles = 2 * -(-layer.out_w // (2 * PIXELS))
    apart = _overlap(layer)
    return Kernel(
        title="SMLAD, 2 channels x 3 pixels, weights in the FPU's registers",
        headers=("cm4_colour_3x3.h",),
        call=f"ft_cm4_colour_3x3_s8($params, ft_colour_{constants[0].e}, $stream, $in0, $out0, $scratch);",
        params=Params(
            "ft_cm4_colour_3x3",
            {
                "in_h": layer.in_h,
                "in_bytes": layer.in_w * 3,
                "out_h": layer.out_h,
                "out_w": layer.out_w,
                "out_c": layer.out_c,
                "pad_top": layer.window.pad_top,
                "left": layer.window.pad_left * 3,
                "tiles": tiles,
                "in_zero": layer.in_zero,
                "out_min": int(layer.clamp[0]),
                "out_max": int(layer.clamp[1]),
            },
        ),
        constants={"stream": Constant("int32_t", _stream(flat, bias, constants))},
        scratch_bytes=tiles * TILE_WORDS * 4 + PIXELS * layer.out_c,
        in_place=(0,) if apart == 0 else (),
        overlap={0: apart},
    )


def _supported(layer: Conv2D) -> bool:
    w = layer.window
    return (
        layer.batches == 1
        and layer.in_c == layer.group_c == 3
        and (w.k_h, w.k_w, w.stride_h, w.stride_w, w.dilation_h, w.dilation_w) == (3, 3, 2, 2, 1, 1)
        and max(w.pad_top, w.pad_left) <= 2
        and layer.out_c >= 2
        and layer.pool is NO_POOL
        and int(layer.clamp[0]) >= layer.out_zero
    )


def _overlap(layer: Conv2D) -> int:
    """Return how far the input has to start after the output: rows are taken in, then a row of outputs written."""
    in_row, out_row = layer.in_w * 3, layer.out_w * layer.out_c
    beyond, total = -layer.out_w % PIXELS * layer.out_c, layer.out_h * out_row
    reads, written, taken = [], [], 0
    for y in range(layer.out_h):
        reads.append(taken * in_row if taken < layer.in_h else NOTHING)
        taken = max(taken, min(layer.in_h, 2 * y - layer.window.pad_top + 3))
        written.append(min((y + 1) * out_row + beyond, total))
    return distance(np.array(reads), np.array(written))


def _stream(flat: NDArray[np.int64], bias: NDArray[np.int64], constants: list[rescaling.Channel]) -> NDArray[np.int32]:
    """Return, for channels two by two, biases, rescaling, and the weights of the kernel's rows 0 1 2 0 1."""
    bits = np.array([c.bits for c in constants], dtype=np.int64)
    rows = np.pad((flat << bits[:, None]).reshape(-1, 3, 9), ((0, 0), (0, 0), (0, 1)))
    words = (rows[..., 0::2] & 0xFFFF) | ((rows[..., 1::2] & 0xFFFF) << 16)
    words = words[:, [0, 1, 2, 0, 1]][..., list(_PAIRS)]
    numbers = np.array([c.words(d=False, e=False) for c in constants], dtype=np.int64)
    biases = packing.wide_bias(bias, constants)
    channels = len(flat)
    parts: list[NDArray[np.int64]] = []
    for i in range(0, channels, 2):
        first = min(i, channels - 2)
        pair = slice(first, first + 2)
        parts += [biases[pair], numbers[pair].reshape(-1), words[pair].transpose(1, 2, 0).reshape(-1)]
    return packing.as_words(np.concatenate(parts))
