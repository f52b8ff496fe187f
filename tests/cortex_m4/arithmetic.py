"""TFLite's int8 layers in NumPy, from their definitions: what the kernels must give."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from foldtiny.aot.ops._elementwise import Elementwise
from foldtiny.aot.ops._pool import Pool2D
from foldtiny.aot.ops.average_pool_2d import AveragePool2D
from foldtiny.aot.ops.conv_2d import NO_POOL, Conv2D
from foldtiny.aot.ops.depthwise_conv_2d import DepthwiseConv2D
from foldtiny.aot.ops.fully_connected import FullyConnected
from foldtiny.aot.ops.mean import Mean


def requantise(sums: NDArray[np.int64], multipliers: NDArray[np.int64], shifts: NDArray[np.int64]) -> NDArray[np.int64]:
    """MultiplyByQuantizedMultiplier over the last axis: double rounding, halves away from zero."""
    left, right = np.maximum(shifts, 0), np.maximum(-shifts, 0)
    high = (((sums << left) * multipliers) + (1 << 30)) >> 31
    mask = (np.int64(1) << right) - 1
    return (high >> right) + ((high & mask) > ((mask >> 1) + (high < 0)))


def outputs(layer: Conv2D | DepthwiseConv2D | FullyConnected, sums: NDArray[np.int64]) -> NDArray[np.int8]:
    """Rescale, add the zero point and clamp sums whose last axis is the channel."""
    assert layer.rescale is not None
    factors = np.array([layer.rescale.of(c) for c in range(sums.shape[-1])], np.int64)
    values = requantise(sums, factors[:, 0], factors[:, 1]) + layer.out_zero
    return np.clip(values, int(layer.clamp[0]), int(layer.clamp[1])).astype(np.int8)


def _padded(layer: Conv2D | DepthwiseConv2D, source: NDArray[np.int8]) -> NDArray[np.int64]:
    """Return the input less its zero point, with zeros around it as far as any window reaches."""
    w = layer.window
    x = source.astype(np.int64).reshape(layer.batches, layer.in_h, layer.in_w, layer.in_c) - layer.in_zero
    rows, columns = (layer.out_h - 1) * w.stride_h + w.k_h, (layer.out_w - 1) * w.stride_w + w.k_w
    padded = np.zeros(
        (layer.batches, max(rows, layer.in_h + w.pad_top), max(columns, layer.in_w + w.pad_left), layer.in_c), np.int64
    )
    padded[:, w.pad_top : w.pad_top + layer.in_h, w.pad_left : w.pad_left + layer.in_w] = x
    return padded


def _taps(layer: Conv2D | DepthwiseConv2D, padded: NDArray[np.int64], ky: int, kx: int) -> NDArray[np.int64]:
    w = layer.window
    return padded[:, ky :: w.stride_h, kx :: w.stride_w][:, : layer.out_h, : layer.out_w]


def conv_2d(layer: Conv2D, source: NDArray[np.int8]) -> NDArray[np.int8]:
    """A convolution, then the maximum over each pooling window of its outputs."""
    padded, weights, pool = _padded(layer, source), layer.weights.astype(np.int64), layer.pool
    sums = np.zeros((layer.batches, layer.out_h, layer.out_w, layer.out_c), np.int64) + layer.bias.astype(np.int64)
    for ky in range(layer.window.k_h):
        for kx in range(layer.window.k_w):
            sums += _taps(layer, padded, ky, kx) @ weights[:, ky, kx].T
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


def depthwise_conv_2d(layer: DepthwiseConv2D, source: NDArray[np.int8]) -> NDArray[np.int8]:
    """Each channel with its own filter (no channel multiplier)."""
    padded, weights = _padded(layer, source), layer.weights.astype(np.int64)
    sums = np.zeros((layer.batches, layer.out_h, layer.out_w, layer.out_c), np.int64) + layer.bias.astype(np.int64)
    for ky in range(layer.window.k_h):
        for kx in range(layer.window.k_w):
            sums += _taps(layer, padded, ky, kx) * weights[ky, kx]
    return outputs(layer, sums)


def fully_connected(layer: FullyConnected, source: NDArray[np.int8]) -> NDArray[np.int8]:
    """A matrix times vectors."""
    x = source.astype(np.int64).reshape(layer.rows, -1) - layer.in_zero
    return outputs(layer, x @ layer.weights.astype(np.int64).T + layer.bias.astype(np.int64))


def add(layer: Elementwise, first: NDArray[np.int8], second: NDArray[np.int8]) -> NDArray[np.int8]:
    """Both inputs on a common scale, added, and rescaled."""
    f = layer.arithmetic
    total = np.zeros(first.shape, np.int64)
    for number, values in (("1", first), ("2", second)):
        shifted = (values.astype(np.int64) - f[f"zero{number}"]) << 20
        total += requantise(shifted, np.int64(f[f"multiplier{number}"]), np.int64(f[f"shift{number}"]))
    values = requantise(total, np.int64(f["out_multiplier"]), np.int64(f["out_shift"])) + f["out_zero"]
    return np.clip(values, int(layer.clamp[0]), int(layer.clamp[1])).astype(np.int8)


def pool_2d(layer: Pool2D, source: NDArray[np.int8]) -> NDArray[np.int8]:
    """The maximum, or the average rounded half away from zero, over what of a window lies inside the image."""
    w = layer.window
    x = source.astype(np.int64).reshape(layer.batches, layer.in_h, layer.in_w, layer.channels)
    result = np.zeros((layer.batches, layer.out_h, layer.out_w, layer.channels), np.int64)
    for oy in range(layer.out_h):
        for ox in range(layer.out_w):
            top, left = oy * w.stride_h - w.pad_top, ox * w.stride_w - w.pad_left
            area = x[:, max(top, 0) : top + w.k_h, max(left, 0) : left + w.k_w]
            if isinstance(layer, AveragePool2D):
                sums, count = area.sum(axis=(1, 2)), area.shape[1] * area.shape[2]
                result[:, oy, ox] = np.sign(sums) * ((np.abs(sums) + count // 2) // count)
            else:
                result[:, oy, ox] = area.max(axis=(1, 2))
    return np.clip(result, int(layer.clamp[0]), int(layer.clamp[1])).astype(np.int8)


def mean(layer: Mean, source: NDArray[np.int8]) -> NDArray[np.int8]:
    """The mean over all but the last axis (and the first, where images stay apart)."""
    images = layer.kept[-2] if len(layer.kept) > 1 else 1
    x = source.astype(np.int64).reshape(images, -1, layer.kept[-1]) - layer.in_zero
    values = requantise(x.sum(axis=1), np.int64(layer.multiplier), np.int64(layer.shift)) + layer.out_zero
    return np.clip(values, -128, 127).astype(np.int8)
