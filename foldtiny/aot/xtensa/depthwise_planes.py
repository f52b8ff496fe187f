"""DEPTHWISE_CONV_2D, 3x3, up to three products in one multiplication (``xt_depthwise_planes.h``)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foldtiny.aot.layer import Constant, Kernel, Layer, Params
from foldtiny.aot.ops.depthwise_conv_2d import DepthwiseConv2D
from foldtiny.aot.overlap import distance
from foldtiny.aot.tiles import ROWS
from foldtiny.aot.xtensa import linear, rescaling

Ints = NDArray[np.int64]

SCRATCH_BYTES = 4096
"""What a band may take, unless it needs more to have two rows."""

BAND_BYTES, BAND_ROWS = 2304, 4
"""Outputs of a band, or rows of them, where the output follows the input: it may overwrite less the more they are."""

_GROUPS = (
    (0, ([0, 1, 2],)),
    (2, ([1, 2], [0])),
    (3, ([0, 2], [1])),
    (4, ([0, 1], [2])),
    (1, ([0], [1], [2])),
)
"""An ``ft_xt_plane_apart``, and the rows that are taken together."""

_HALF = 1 << 15


@dataclass(frozen=True, slots=True)
class _Shape:
    """How a plane lies: rows and columns may have changed places; ``entries`` are those of a row of outputs."""

    turned: bool
    in_h: int
    in_w: int
    out_h: int
    out_w: int
    stride: int
    pad_top: int
    pad_left: int

    @property
    def entries(self) -> int:
        return -(-self.out_w // 2) if self.stride == 1 else self.out_w


def specialise(layer: Layer, optimize: str) -> Kernel | None:
    """Return the kernel of an int8 3x3 convolution with one output for each channel and a stride of 1 or 2."""
    if optimize != "speed" or not isinstance(layer, DepthwiseConv2D) or layer.rescale is None:
        return None
    shape = _shape(layer)
    if shape is None:
        return None
    # [channel, row, column], as the plane has them
    weights = layer.weights.astype(np.int64).reshape(ROWS, ROWS, layer.out_c).transpose(2, 0, 1)
    taps, offsets = _taps(weights.transpose(0, 2, 1) if shape.turned else weights, shape.stride)
    flat = weights.reshape(layer.out_c, -1)
    lowest, highest = rescaling.bounds(flat, 0, rescaling.UNSIGNED)
    bias = rescaling.unsigned_bias(layer.bias, flat, layer.in_zero) - offsets
    line = linear.output(layer, (lowest + offsets, highest + offsets), bias)
    if line is None:
        return None
    same = (layer.in_h, layer.in_w, shape.stride) == (layer.out_h, layer.out_w, 1)
    band = _band(shape, same, layer.out_c)
    plane_rows = (band - 1) * shape.stride + ROWS
    per_entry = 8 if shape.stride == 1 else 4
    return Kernel(
        title="6 products in 2" if shape.stride == 1 else "2 products in one",
        headers=("xt_depthwise_planes.h",),
        call="ft_xt_depthwise_planes_s8($params, $taps, $channels, $in0, $out0, $scratch);",
        params=Params(
            "ft_xt_depthwise_planes",
            {
                "batches": layer.batches,
                **_steps(layer, shape),
                "in_zero": layer.in_zero,
                "by_channel": int(same),
                "band": band,
                "row_words": shape.entries + 1,
                "line": line.shared,
            },
        ),
        constants={"taps": Constant("int32_t", taps), "channels": Constant("int32_t", line.values)},
        scratch_bytes=4 * plane_rows * (shape.entries + 1) + per_entry * band * shape.entries,
        in_place=(0,) if same else (),
        overlap={} if same else _overlap(layer, band),
    )


def _shape(layer: DepthwiseConv2D) -> _Shape | None:
    window = layer.window
    if (window.k_h, window.k_w, window.dilation_h, window.dilation_w) != (ROWS, ROWS, 1, 1):
        return None
    if layer.out_c != layer.in_c or window.stride_h != window.stride_w or window.stride_h not in (1, 2):
        return None
    sizes = (layer.in_h, layer.in_w, layer.out_h, layer.out_w)
    straight = _Shape(False, *sizes, window.stride_h, window.pad_top, window.pad_left)
    turned = _Shape(
        True, layer.in_w, layer.in_h, layer.out_w, layer.out_h, window.stride_h, window.pad_left, window.pad_top
    )
    shape = straight
    if window.stride_h == 1 and (layer.in_h, layer.in_w) == (layer.out_h, layer.out_w):
        # The last of an odd number of outputs in a row costs as much as two; so does the end of a row.
        shape = min(straight, turned, key=lambda s: s.out_h * (s.entries * 35 + 20))
    return shape if shape.pad_left < 2 * (shape.entries + 1) else None


def _steps(layer: DepthwiseConv2D, shape: _Shape) -> dict[str, int | float | tuple[int, ...]]:
    pixel, in_row, out_row = layer.in_c, layer.in_w * layer.in_c, layer.out_w * layer.in_c
    return {
        "in_h": shape.in_h,
        "in_w": shape.in_w,
        "channels": layer.in_c,
        "out_h": shape.out_h,
        "out_w": shape.out_w,
        "stride": shape.stride,
        "pad_top": shape.pad_top,
        "pad_left": shape.pad_left,
        "in_pixel": in_row if shape.turned else pixel,
        "in_row": pixel if shape.turned else in_row,
        "out_pixel": out_row if shape.turned else pixel,
        "out_row": pixel if shape.turned else out_row,
    }


def _band(shape: _Shape, same: bool, channels: int) -> int:
    """Return the rows of a band: as many as have room, at least two, so that the rows kept do not overlap."""
    row = 4 * shape.stride * (shape.entries + 1) + 8 * shape.entries
    most = max(2, (SCRATCH_BYTES - 12 * (shape.entries + 1)) // row)
    return min(shape.out_h, most if same else min(most, max(BAND_ROWS, BAND_BYTES // (shape.out_w * channels))))


def _chunk(weights: Ints, stride: int) -> tuple[NDArray[np.bool_], Ints, Ints]:
    """Return for rows whose sums are taken together whether they fit, both words' offsets, and what these add.

    A word's lower half is a sum with its lower weight; its upper half one with both.
    """
    w0, w1, w2 = (weights[:, :, i] for i in range(ROWS))
    words = ((w0, w1), (w2, w1)) if stride == 1 else ((w1, w0), (np.zeros_like(w2), w2))
    fit = np.ones(len(weights), dtype=np.bool_)
    offsets = []
    for lower, upper in words:
        centre = _centre(lower)
        high, low = -(centre + _centre(upper)), _HALF - centre
        least, most = rescaling.bounds(np.concatenate([lower, upper], axis=1), 0, rescaling.UNSIGNED)
        fit &= (least + high >= -_HALF) & (most + high < _HALF)
        least, most = rescaling.bounds(lower, 0, rescaling.UNSIGNED)
        fit &= (least + low >= 0) & (most + low < 2 * _HALF)
        offsets.append((high << 16) + low)
    added = (_HALF if stride == 1 else 0) - sum(_centre(w) for w in (w0, w1, w2))
    return fit, np.stack(offsets, axis=1), np.asarray(added)


def _centre(weights: Ints) -> Ints:
    """Return the middle of what the sums [channels] of unsigned values with weights [channels, rows] can be."""
    return rescaling.UNSIGNED * weights.sum(axis=1) // 2


def _ways(
    weights: Ints, stride: int
) -> Iterator[tuple[int, tuple[list[int], ...], list[tuple[NDArray[np.bool_], Ints, Ints]]]]:
    """Yield the ways to take a channel's rows together: ``ft_xt_plane_apart``, groups, and ``_chunk`` of each."""
    for apart, groups in _GROUPS:
        yield apart, groups, [_chunk(weights[None, group], stride) for group in groups]


def _taps(weights: Ints, stride: int) -> tuple[NDArray[np.int32], Ints]:
    """Return ``ft_xt_taps`` of each channel, and what its offsets add to its sums: as many rows together as fit."""
    rows, added = [], []
    for channel in weights:
        # Each row on its own, which comes last, always fits.
        apart, groups, chunks = next(found for found in _ways(channel, stride) if all(fit[0] for fit, _, _ in found[2]))
        order = [row for group in groups for row in group]
        offsets = np.concatenate([found[0] for _, found, _ in chunks])
        words = _words(channel[order], stride)
        rows.append(np.concatenate([[apart], words, np.pad(offsets, (0, 2 * ROWS - len(offsets)))]))
        added.append(sum(int(value[0]) for _, _, value in chunks))
    taps = np.array(rows, dtype=np.int64)
    return taps.astype(np.uint64).astype(np.uint32).astype(np.int32), np.array(added, dtype=np.int64)


def _words(rows: Ints, stride: int) -> Ints:
    """Return two words of each row [rows, 3]."""
    w0, w1, w2 = rows.T
    pairs = ((w1, w0), (w1, w2)) if stride == 1 else ((w0, w1), (w2, np.zeros_like(w2)))
    return np.stack([(upper << 16) + lower for upper, lower in pairs], axis=1).reshape(-1)


def _overlap(layer: DepthwiseConv2D, band: int) -> dict[int, int]:
    """Return how far the input must start after the output: channels of a band are read and written in turn."""
    row, out_row = layer.in_w * layer.in_c, layer.out_w * layer.out_c
    reads, written = [], []
    for b in range(layer.batches):
        for y in range(0, layer.out_h, band):
            first = max(y * layer.window.stride_h - layer.window.pad_top, 0)
            reads.append((b * layer.in_h + first) * row)
            written.append((b * layer.out_h + min(y + band, layer.out_h)) * out_row)
    ends = np.array(written, dtype=np.int64)
    return {0: distance(np.array(reads, dtype=np.int64), ends, early=ends)}
