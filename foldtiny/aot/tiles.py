"""What the Xtensa and the NEON kernels have in common: the fields of their shapes, and how they walk over rows."""

from __future__ import annotations

import numpy as np

from foldtiny.aot.ops.conv_2d import NO_POOL, Conv2D
from foldtiny.aot.ops.depthwise_conv_2d import DepthwiseConv2D
from foldtiny.aot.overlap import NOTHING, distance

Fields = dict[str, int | float | tuple[int, ...]]

ROWS = 3
"""Height and width of the window of the depthwise kernels, and the rows that they hold."""


def convolution_fields(layer: Conv2D) -> Fields:
    """Return how a convolution and its pooling lie in their images; ``pool_h`` is 0 where nothing is pooled."""
    window, pool = layer.window, layer.pool
    pooled = pool is not NO_POOL
    return {
        "batches": layer.batches,
        "in_h": layer.in_h,
        "in_w": layer.in_w,
        "in_c": layer.in_c,
        "out_h": layer.out_h,
        "out_w": layer.out_w,
        "out_c": layer.out_c,
        "k_h": window.k_h,
        "k_w": window.k_w,
        **window.steps(),
        "pooled_h": layer.pooled_h,
        "pooled_w": layer.pooled_w,
        "pool_h": pool.k_h if pooled else 0,
        "pool_w": pool.k_w if pooled else 0,
        "pool_stride_h": pool.stride_h,
        "pool_stride_w": pool.stride_w,
        "pool_top": pool.pad_top,
        "pool_left": pool.pad_left,
        "in_zero": layer.in_zero,
    }


def depthwise_fields(layer: DepthwiseConv2D) -> Fields:
    """Return how a depthwise convolution lies in its images."""
    return {
        "batches": layer.batches,
        "in_h": layer.in_h,
        "in_w": layer.in_w,
        "channels": layer.in_c,
        "out_h": layer.out_h,
        "out_w": layer.out_w,
        "stride_h": layer.window.stride_h,
        "stride_w": layer.window.stride_w,
        "pad_top": layer.window.pad_top,
        "pad_left": layer.window.pad_left,
        "in_zero": layer.in_zero,
    }


def depthwise_row_bytes(layer: DepthwiseConv2D) -> int | None:
    """Return the bytes of a stored row with its padding; None for a layer that the 3x3 kernels do not serve."""
    window = layer.window
    if (window.k_h, window.k_w, window.dilation_h, window.dilation_w) != (ROWS, ROWS, 1, 1):
        return None
    row_bytes = ((layer.out_w - 1) * window.stride_w + ROWS) * layer.in_c
    return row_bytes if layer.out_c == layer.in_c and window.pad_left * layer.in_c <= row_bytes else None


def ring_overlap(layer: DepthwiseConv2D) -> dict[int, int]:
    """Return how far the input must start after the output: the rows that a row of outputs lacks are copied first."""
    row, out_row = layer.in_w * layer.in_c, layer.out_w * layer.out_c
    reads, written = [], []
    for b in range(layer.batches):
        stored = -layer.window.pad_top
        for y in range(layer.out_h):
            first = y * layer.window.stride_h - layer.window.pad_top
            start = max(stored, first)
            stored = first + layer.window.k_h
            inside = [r for r in range(start, stored) if 0 <= r < layer.in_h]
            reads.append((b * layer.in_h + inside[0]) * row if inside else NOTHING)
            written.append((b * layer.out_h + y + 1) * out_row)
    return {0: distance(np.array(reads, dtype=np.int64), np.array(written, dtype=np.int64))}
