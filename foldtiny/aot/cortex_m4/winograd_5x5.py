"""CONV_2D, 5x5 with stride 1, then a 2x2 maximum, by a transform of Winograd's kind (``cm4_winograd_5x5.h``)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from foldtiny.aot.cortex_m4 import packing, rescaling
from foldtiny.aot.layer import Constant, Kernel, Layer, Params
from foldtiny.aot.ops.conv_2d import Conv2D

ROWS, STEPS, STEP_BYTES, PRODUCTS = 6, 8, 40, 42
"""FT_SQUARE_ROWS, FT_SQUARE_STEPS, FT_WIDE_STEP_BYTES and FT_SQUARE_PRODUCTS."""

SCALE = 96
"""Sums come times 24 (across rows) times 4 (along rows)."""

_BITS = 5
"""And, divided by 3, times 32."""

_ROWS = np.array(
    [[6, 0, 0, 0, 0], [-4] * 5, [-4, 4, -4, 4, -4], [1, 2, 4, 8, 16], [1, -2, 4, -8, 16], [0, 0, 0, 0, 24]],
    dtype=np.int64,
)
_COLUMNS = np.array(
    [
        [4, 0, 0, 0, 0],
        [1] * 5,
        [1, -1, 1, -1, 1],
        [1, 1, -1, -1, 1],
        [1, 0, -1, 0, 1],
        [0, 1, 0, -1, 0],
        [0, 0, 0, 0, 4],
    ],
    dtype=np.int64,
)


def specialise(layer: Layer, optimize: str) -> Kernel | None:
    """Return the kernel of an int8 5x5 layer with a 2x2 maximum that is to be fast, with up to 32 channels."""
    if optimize != "speed" or not isinstance(layer, Conv2D) or layer.rescale is None or not _supported(layer):
        return None
    weights = layer.weights.astype(np.int64)
    flat = weights.reshape(layer.out_c, -1)
    bias = layer.bias.astype(np.int64) - layer.in_zero * flat.sum(axis=1)
    bounds = rescaling.sum_bounds(flat, bias)
    constants = rescaling.channels(layer.rescale, layer.out_zero, bounds, _BITS)
    transformed = transform(weights)
    # The maximum compares sums times 96, which must not wrap.
    if constants is None or int(bounds.max()) * SCALE >= 1 << 31 or np.abs(transformed).max() >= 1 << 15:
        return None
    low, high = int(layer.clamp[0]), int(layer.clamp[1])
    relu = low >= layer.out_zero
    if not (relu or all(c.corrected for c in constants)):
        return None
    c, window = layer.in_c, layer.window
    columns = max(layer.in_w + window.pad_left, layer.pooled_w * 2 + 4)
    row_bytes = columns * c * 2
    return Kernel(
        title="Winograd-like F(2x2, 5x5), 2 channels x 2 tiles",
        headers=("cm4_winograd_5x5.h",),
        call=f"ft_cm4_winograd_5x5_s8($params, ft_squares_{c % 4}_{'relu' if relu else 'full'}, $stream,\n"
        "                       $in0, $out0, $scratch);",
        params=Params(
            "ft_cm4_winograd_5x5",
            {
                "in_h": layer.in_h,
                "in_bytes": layer.in_w * c,
                "in_c": c,
                "out_h": layer.pooled_h,
                "out_w": layer.pooled_w,
                "out_c": layer.out_c,
                "pad_top": window.pad_top,
                "left": window.pad_left * c * 2,
                "row_bytes": row_bytes,
                "skip": (STEPS - c // 4) * STEP_BYTES,
                "in_zero": layer.in_zero,
                "out_min": low,
                "out_max": high,
            },
        ),
        constants={"stream": Constant("int32_t", _stream(bias, transformed, constants))},
        scratch_bytes=PRODUCTS * c * 4 + ROWS * row_bytes,
        in_place=(0,) if _in_place(layer) else (),
    )


def _supported(layer: Conv2D) -> bool:
    w, pool = layer.window, layer.pool
    return (
        layer.batches == 1
        and (w.k_h, w.k_w, w.stride_h, w.stride_w, w.dilation_h, w.dilation_w) == (5, 5, 1, 1, 1, 1)
        and max(w.pad_top, w.pad_left) <= 4
        and layer.group_c == layer.in_c
        and layer.in_c % 2 == 0
        and layer.in_c <= STEPS * 4
        and layer.out_c >= 2
        and (pool.k_h, pool.k_w, pool.stride_h, pool.stride_w, pool.pad_top, pool.pad_left) == (2, 2, 2, 2, 0, 0)
        # Every window of the maximum is whole.
        and layer.pooled_h * 2 <= layer.out_h
        and layer.pooled_w * 2 <= layer.out_w
    )


def _in_place(layer: Conv2D) -> bool:
    """Tell whether rows of outputs never reach input rows that are still to be taken in."""
    out_row, in_row = layer.pooled_w * layer.out_c, layer.in_w * layer.in_c
    for y in range(layer.pooled_h):
        taken_in = min(layer.in_h, 2 * y - layer.window.pad_top + ROWS)
        if taken_in < layer.in_h and (y + 1) * out_row > taken_in * in_row:
            return False
    return True


def transform(weights: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the transformed weights [out, 6, 7, in] of [out, 5, 5, in]."""
    result: NDArray[np.int64] = np.einsum("ir,orkc,jk->oijc", _ROWS, weights, _COLUMNS)
    return result


def _stream(
    bias: NDArray[np.int64], transformed: NDArray[np.int64], constants: list[rescaling.Channel]
) -> NDArray[np.int32]:
    """Return the stream: channels two by two; columns j = 0..6, of each the rows i = 1, 2, 0, 3, 4, 5; rescaling.

    With an odd number of channels the second is computed in two pairs; the step to the next pair comes last.
    """
    channels = len(bias)
    # [channels, j, i, words]
    ordered = transformed[:, [1, 2, 0, 3, 4, 5]].transpose(0, 2, 1, 3)
    words = (ordered[..., 0::2] & 0xFFFF) | ((ordered[..., 1::2] & 0xFFFF) << 16)
    whole = words.shape[-1] // 2 * 2
    parts: list[NDArray[np.int64]] = []
    first = 0
    while first < channels:
        step = 1 if first == 0 and channels % 2 else 2
        pair = slice(first, first + 2)
        for j in range(7):
            parts.append(SCALE * bias[pair] * (j == 1))
            for i in range(6):
                column = words[pair, j, i]
                parts.append(column[:, :whole].reshape(2, -1, 2).transpose(1, 0, 2).reshape(-1))
                parts.append(column[:, whole:].reshape(-1))
        parts += [np.array(constants[k].words(d=False), dtype=np.int64) for k in (first, first + 1)]
        parts.append(np.array([step], dtype=np.int64))
        first += step
    return packing.as_words(np.concatenate(parts))
