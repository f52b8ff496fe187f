"""CONV_2D, 3x3 with stride 1, by Winograd's F(2x2, 3x3) (``cm4_winograd.h``): for speed, at 3.5 times the flash."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from foldtiny.aot.cortex_m4 import conv_2d, packing, rescaling
from foldtiny.aot.layer import Constant, Kernel, Layer, Params
from foldtiny.aot.ops.conv_2d import NO_POOL, Conv2D

ROWS, STEPS, STEP_BYTES = 4, 16, 40
"""FT_TILE_ROWS, FT_TILE_STEPS and FT_WIDE_STEP_BYTES."""

_G = np.array([[2, 0, 0], [1, 1, 1], [1, -1, 1], [0, 0, 2]], dtype=np.int64)
"""Twice the weights' transform, so that it is whole: sums come times 4."""

_BITS = 2


def specialise(layer: Layer, optimize: str) -> Kernel | None:
    """Return the kernel of an int8 3x3 layer that is to be fast, with 8 to 64 channels (or 4)."""
    if optimize != "speed" or not isinstance(layer, Conv2D) or layer.rescale is None or not _supported(layer):
        return None
    flat, bias = packing.folded(layer)
    constants = rescaling.channels(layer.rescale, layer.out_zero, rescaling.sum_bounds(flat, bias), None)
    low, high = int(layer.clamp[0]), int(layer.clamp[1])
    relu = low >= layer.out_zero
    # The routine takes the correction of negative halves for granted where there is no ReLU.
    if constants is None or not (relu or all(c.bits == _BITS and c.corrected for c in constants)):
        return None
    transformed = transform(layer.weights.astype(np.int64), constants)
    if np.abs(transformed).max() >= 1 << 15:
        return None
    stream = _stream(packing.wide_bias(bias, constants), transformed, constants)
    base = conv_2d.geometry(layer, wide=True)
    # Everything is as in the direct kernel, but for four rows in reach and input that always passes through the ring.
    groups = -(-layer.in_c // 4)
    pixel_bytes = groups * 8
    row_bytes = max(layer.in_w + layer.window.pad_left, layer.out_w + 2) * pixel_bytes
    shape = replace(
        base,
        source=conv_2d.WORDS,
        rows=ROWS,
        together=2,
        left=layer.window.pad_left * pixel_bytes,
        row_bytes=row_bytes,
        step=pixel_bytes,
        whole=layer.in_c // 4,
        last=layer.in_c % 4,
        groups=groups,
    )
    fields = conv_2d.fields(layer, shape, wide=True, clamp=(low, high))
    if not conv_2d.narrow(fields):
        return None
    return Kernel(
        title="Winograd F(2x2, 3x3), 2 channels x 2 tiles",
        headers=("cm4_winograd.h",),
        call=f"ft_cm4_winograd_s8($params, ft_tiles_{'relu' if relu else 'full'}, $stream, $in0, $out0, $scratch);",
        params=Params("ft_cm4_conv_2d", {**fields, "skip": (STEPS - groups) * STEP_BYTES}),
        constants={"stream": Constant("int32_t", stream)},
        scratch_bytes=groups * 256 + ROWS * shape.row_bytes,
        in_place=(0,) if conv_2d.in_place(layer, shape) else (),
        overlap=conv_2d.overlap(layer, shape),
    )


def _supported(layer: Conv2D) -> bool:
    w = layer.window
    return (
        layer.batches == 1
        and (w.k_h, w.k_w, w.stride_h, w.stride_w, w.dilation_h, w.dilation_w) == (3, 3, 1, 1, 1, 1)
        and layer.group_c == layer.in_c
        and (layer.in_c == 4 or 8 <= layer.in_c <= STEPS * 4)
        and max(w.pad_top, w.pad_left) <= 2
        and layer.out_c >= 2
        and layer.pool is NO_POOL
        and layer.out_h >= 2
        and layer.out_w >= 4
    )


def transform(weights: NDArray[np.int64], constants: list[rescaling.Channel]) -> NDArray[np.int64]:
    """Return (2G) g (2G)' of weights [out, 3, 3, in], the last row negated, scaled: [out, 4, 4, in]."""
    result: NDArray[np.int64] = np.einsum("ir,orkc,jk->oijc", _G, weights, _G)
    # The routine adds this row's products where the output takes them away.
    result[:, 3] *= -1
    left = np.array([c.bits - _BITS for c in constants], dtype=np.int64)
    return result << left[:, None, None, None]


def _stream(
    bias: NDArray[np.int64], transformed: NDArray[np.int64], constants: list[rescaling.Channel]
) -> NDArray[np.int32]:
    """Return the stream: channels two by two; columns j = 0..3, of each the rows i = 1, 2, 0, 3; rescaling.

    Input channels are filled up to fours with zeros; of an odd number of outputs, the last but one comes twice.
    """
    channels = len(bias)
    missing = -transformed.shape[-1] % 4
    transformed = np.pad(transformed, ((0, 0), (0, 0), (0, 0), (0, missing)))
    # [channels, j, i, groups, 4]
    ordered = transformed[:, [1, 2, 0, 3]].transpose(0, 2, 1, 3).reshape(channels, 4, 4, -1, 4)
    none = [replace(c, bits=0) for c in constants]
    words = packing.wide_words(ordered.reshape(channels, -1, 4), none).reshape(channels, 4, -1, 2)
    parts: list[NDArray[np.int64]] = []
    for c in [*range(0, channels - 1, 2), *([channels - 2] if channels % 2 else [])]:
        for j in range(4):
            parts.append(bias[c : c + 2] * (j == 1))
            parts.append(words[c : c + 2, j].transpose(1, 0, 2).reshape(-1))
        parts += [np.array(constants[k].words(d=False), dtype=np.int64) for k in (c, c + 1)]
    return packing.as_words(np.concatenate(parts))
