"""TFLite's int8 layers in NumPy, from their definitions: what the kernels must give."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from foldtiny.aot.ops.conv_2d import NO_POOL, Conv2D
from foldtiny.aot.ops.fully_connected import FullyConnected
from foldtiny.aot.quant import wrap32


def requantise(sums: NDArray[np.int64], multipliers: NDArray[np.int64], shifts: NDArray[np.int64]) -> NDArray[np.int64]:
    """MultiplyByQuantizedMultiplier over the last axis: double rounding, halves away from zero."""
    left, right = np.maximum(shifts, 0), np.maximum(-shifts, 0)
    high = (((sums << left) * multipliers) + (1 << 30)) >> 31
    mask = (np.int64(1) << right) - 1
    return (high >> right) + ((high & mask) > ((mask >> 1) + (high < 0)))


def outputs(layer: Conv2D | FullyConnected, sums: NDArray[np.int64]) -> NDArray[np.int8]:
    """Rescale, add the zero point and clamp sums whose last axis is the channel."""
    assert layer.rescale is not None
    factors = np.array([layer.rescale.of(c) for c in range(sums.shape[-1])], np.int64)
    values = requantise(sums, factors[:, 0], factors[:, 1]) + layer.out_zero
    return np.clip(values, int(layer.clamp[0]), int(layer.clamp[1])).astype(np.int8)


def conv_2d(layer: Conv2D, source: NDArray[np.int8]) -> NDArray[np.int8]:
    """A convolution, then the maximum over each pooling window of its outputs."""
    w, pool = layer.window, layer.pool
    x = source.astype(np.int64).reshape(layer.batches, layer.in_h, layer.in_w, layer.in_c) - layer.in_zero
    rows, columns = (layer.out_h - 1) * w.stride_h + w.k_h, (layer.out_w - 1) * w.stride_w + w.k_w
    padded = np.zeros(
        (layer.batches, max(rows, layer.in_h + w.pad_top), max(columns, layer.in_w + w.pad_left), layer.in_c), np.int64
    )
    padded[:, w.pad_top : w.pad_top + layer.in_h, w.pad_left : w.pad_left + layer.in_w] = x
    weights = layer.weights.astype(np.int64)
    sums = np.zeros((layer.batches, layer.out_h, layer.out_w, layer.out_c), np.int64) + layer.bias.astype(np.int64)
    for ky in range(w.k_h):
        for kx in range(w.k_w):
            taps = padded[:, ky :: w.stride_h, kx :: w.stride_w][:, : layer.out_h, : layer.out_w]
            sums += taps @ weights[:, ky, kx].T
    result = outputs(layer, sums)
    if pool is NO_POOL:
        return result
    pooled = np.full((layer.batches, layer.pooled_h, layer.pooled_w, layer.out_c), -128, np.int8)
    for y in range(layer.pooled_h):
        for x0 in range(layer.pooled_w):
            top, left = y * pool.stride_h - pool.pad_top, x0 * pool.stride_w - pool.pad_left
            area = result[:, max(top, 0) : top + pool.k_h, max(left, 0) : left + pool.k_w]
            pooled[:, y, x0] = area.max(axis=(1, 2))
    return pooled


def fully_connected(layer: FullyConnected, source: NDArray[np.int8]) -> NDArray[np.int8]:
    """A matrix times vectors."""
    x = source.astype(np.int64).reshape(layer.rows, -1) - layer.in_zero
    return outputs(layer, x @ layer.weights.astype(np.int64).T + layer.bias.astype(np.int64))


def fits(sums: int) -> bool:
    """Tell whether a number is its own 32-bit self."""
    return wrap32(sums) == sums
