"""CONV_2D, 3x3 or 5x5 with stride 1, by Winograd's method (``xt_winograd.h``)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from foldtiny.aot.layer import Constant, Kernel, Layer, Params
from foldtiny.aot.ops.conv_2d import NO_POOL, Conv2D
from foldtiny.aot.overlap import distance
from foldtiny.aot.xtensa import cost, packing, pairs, rescaling
from foldtiny.aot.xtensa.conv_2d import LANES, TAPS

SIDE, POSITIONS = 6, 36
OUTPUTS = {3: 4, 5: 2}
"""Outputs of a tile in each direction, by the filter's size."""

LARGEST_SUM = 1 << 25
"""The method gives 64 times a sum modulo 2^32."""


def specialise(layer: Layer, optimize: str) -> Kernel | None:
    """Return the kernel where it needs fewer instructions than the direct one; it trades flash for them."""
    if optimize != "speed" or not isinstance(layer, Conv2D) or layer.rescale is None or not _supported(layer):
        return None
    flat = layer.weights.astype(np.int64).reshape(layer.out_c, -1)
    bias = rescaling.unsigned_bias(layer.bias, flat, layer.in_zero)
    sums = rescaling.bounds(flat, 0, rescaling.UNSIGNED)
    channels = rescaling.channels(layer.rescale, layer.out_zero, sums, bias)
    largest = 255 * int(np.maximum(np.maximum(flat, 0).sum(axis=1), np.maximum(-flat, 0).sum(axis=1)).max())
    if channels is None or largest >= LARGEST_SUM:
        return None
    packed = _pack(transform(layer.weights.astype(np.int64)))
    wide = int(np.abs(packed).max()) > np.iinfo(np.int16).max
    taps = packed.shape[2]
    return Kernel(
        title=f"Winograd, {POSITIONS} products for {OUTPUTS[layer.window.k_h]}x{OUTPUTS[layer.window.k_h]} outputs",
        headers=("xt_winograd.h",),
        call="ft_xt_winograd_s8($params, $weights, (const ft_xt_channel *)$channels, $in0, $out0, $scratch);",
        params=Params("ft_xt_winograd", _params(layer, taps, wide)),
        constants={
            "weights": Constant("int32_t" if wide else "int16_t", packed),
            "channels": Constant("int32_t", channels),
        },
        scratch_bytes=POSITIONS * (LANES * 2 * 4 + 2 * taps * 2) + layer.in_c,
        overlap=_overlap(layer),
    )


def _supported(layer: Conv2D) -> bool:
    window, pool = layer.window, layer.pool
    if window.k_h not in OUTPUTS or window.k_h != window.k_w or layer.group_c != layer.in_c:
        return False
    if (window.stride_h, window.stride_w, window.dilation_h, window.dilation_w) != (1, 1, 1, 1):
        return False
    side = pool.k_h
    square = (pool.k_w, pool.stride_h, pool.stride_w) == (side, side, side)
    aligned = (pool.pad_top, pool.pad_left) == (0, 0)
    return square and aligned and OUTPUTS[window.k_h] % side == 0 and _pays(layer)


def _pays(layer: Conv2D) -> bool:
    """Compare the instructions that the methods need."""
    fixes = pairs.pack(layer.weights.astype(np.int64).reshape(layer.out_c, -1))
    others = [cost.bytes_tile(layer), *([cost.pairs(layer, len(fixes.fixes))] if fixes else [])]
    return cost.winograd(layer, OUTPUTS[layer.window.k_h]) < min(others)


def _overlap(layer: Conv2D) -> dict[int, int]:
    """Return how far the input must start after the output: two tiles are read, then their outputs are written."""
    side, pool = OUTPUTS[layer.window.k_h], layer.pool.k_h
    height, width = (layer.pooled_h, layer.pooled_w) if layer.pool is not NO_POOL else (layer.out_h, layer.out_w)
    reads, written = [], []
    for b in range(layer.batches):
        tiles = [(y, x) for y in range(0, layer.out_h, side) for x in range(0, layer.out_w, side)]
        for i in range(0, len(tiles), 2):
            pair = tiles[i : i + 2]
            # No pixel of a tile lies before its first row and column, or before the image.
            first = [(max(y - layer.window.pad_top, 0), max(x - layer.window.pad_left, 0)) for y, x in pair]
            reads.append(min((b * layer.in_h + y) * layer.in_w + x for y, x in first) * layer.in_c)
            last = [(min((y + side) // pool, height), min((x + side) // pool, width)) for y, x in pair]
            written.append(max((b * height + y - 1) * width + x for y, x in last) * layer.out_c)
    return {0: distance(np.array(reads, dtype=np.int64), np.array(written, dtype=np.int64))}


def _points(size: int) -> NDArray[np.int64]:
    """Return the weights' transform along one direction: [6, size]; signs as in ``ft_xt_backward``'s factors."""
    rows = [[1] + [0] * (size - 1)]
    rows += [[sign * point**power for power in range(size)] for point, sign in ((1, -1), (-1, -1), (2, 1), (-2, 1))]
    rows.append([0] * (size - 1) + [1])
    return np.array(rows, dtype=np.int64)


def transform(weights: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the transformed weights [out_c, 36, in_c] of filters [out_c, k, k, in_c]."""
    points = _points(weights.shape[1])
    spread = np.einsum("ia,jb,oabc->oijc", points, points, weights)
    return spread.reshape(weights.shape[0], POSITIONS, weights.shape[3])


def _pack(spread: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return [groups of channels][36][taps][channels of the group]."""
    positions = [packing.interleave(spread[:, i], LANES, TAPS) for i in range(POSITIONS)]
    return np.stack(positions, axis=1)


def _params(layer: Conv2D, taps: int, wide: bool) -> dict[str, int | float | tuple[int, ...]]:
    pooled = layer.pool is not NO_POOL
    return {
        "batches": layer.batches,
        "in_h": layer.in_h,
        "in_w": layer.in_w,
        "in_c": layer.in_c,
        "out_h": layer.out_h,
        "out_w": layer.out_w,
        "out_c": layer.out_c,
        "pad_top": layer.window.pad_top,
        "pad_left": layer.window.pad_left,
        "side": OUTPUTS[layer.window.k_h],
        "pool": layer.pool.k_h,
        "pooled_h": layer.pooled_h if pooled else layer.out_h,
        "pooled_w": layer.pooled_w if pooled else layer.out_w,
        "in_zero": layer.in_zero,
        "out_min": int(layer.clamp[0]),
        "out_max": int(layer.clamp[1]),
        "taps": taps,
        "wide": int(wide),
    }
