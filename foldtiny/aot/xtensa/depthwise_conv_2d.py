"""DEPTHWISE_CONV_2D, 3x3 (``xt_depthwise_conv_2d.h``)."""

from __future__ import annotations

import numpy as np

from foldtiny.aot.layer import Constant, Kernel, Layer, Params
from foldtiny.aot.ops.depthwise_conv_2d import DepthwiseConv2D
from foldtiny.aot.overlap import NOTHING, distance
from foldtiny.aot.xtensa import rescaling

WINDOW = 3


def specialise(layer: Layer, optimize: str) -> Kernel | None:
    """Return the kernel of an int8 3x3 convolution with one output for each channel."""
    if not isinstance(layer, DepthwiseConv2D) or layer.rescale is None:
        return None
    window = layer.window
    shape = (window.k_h, window.k_w, window.dilation_h, window.dilation_w)
    if shape != (WINDOW, WINDOW, 1, 1) or layer.out_c != layer.in_c:
        return None
    weights = layer.weights.astype(np.int64).reshape(WINDOW * WINDOW, layer.out_c).T
    bias = rescaling.unsigned_bias(layer.bias, weights, layer.in_zero)
    channels = rescaling.channels(layer.rescale, layer.out_zero, weights, bias)
    if channels is None:
        return None
    row_bytes = ((layer.out_w - 1) * window.stride_w + WINDOW) * layer.in_c
    if window.pad_left * layer.in_c > row_bytes:
        return None
    return Kernel(
        title="one channel's weights in registers, 32-bit rescaling",
        headers=("xt_depthwise_conv_2d.h",),
        call="ft_xt_depthwise_3x3_s8($params, $weights, (const ft_xt_channel *)$channels, $in0, $out0, $scratch);",
        params=Params(
            "ft_xt_depthwise",
            {
                "batches": layer.batches,
                "in_h": layer.in_h,
                "in_w": layer.in_w,
                "channels": layer.in_c,
                "out_h": layer.out_h,
                "out_w": layer.out_w,
                "stride_h": window.stride_h,
                "stride_w": window.stride_w,
                "pad_top": window.pad_top,
                "pad_left": window.pad_left,
                "in_zero": layer.in_zero,
                "out_min": int(layer.clamp[0]),
                "out_max": int(layer.clamp[1]),
                "row_bytes": row_bytes,
            },
        ),
        constants={
            "weights": Constant("int8_t", np.ascontiguousarray(weights).astype(np.int8)),
            "channels": Constant("int32_t", channels),
        },
        scratch_bytes=WINDOW * row_bytes,
        overlap=ring_overlap(layer),
    )


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
