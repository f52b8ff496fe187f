"""DEPTHWISE_CONV_2D, 3x3 with stride 1 or 2, by SMLAD on pairs of lines (``cm4_depthwise_3x3.h``)."""

from __future__ import annotations

import numpy as np

from foldtiny.aot.cortex_m4 import rescaling
from foldtiny.aot.layer import Constant, Kernel, Layer, Params
from foldtiny.aot.ops.depthwise_conv_2d import DepthwiseConv2D

STEPS, RELU_BYTES, FULL_BYTES, LOAD_BYTES, SIGNS = 4, 48, 60, 4, 256
"""FT_SWEEP_STEPS and the like of ``cm4_depthwise_3x3.h``."""

SHIFTS = (12, 10, 14, 8, 16, 6, 18, 4)
"""Final shifts that there are routines for, the usual ones first, so that layers share code."""

_CHANNEL_BYTES, _COLUMN_BYTES = 72, 64


def specialise(layer: Layer, optimize: str) -> Kernel | None:
    """Return the kernel of an int8 3x3 layer with stride 1 or 2 and at least four channels."""
    if not isinstance(layer, DepthwiseConv2D) or layer.rescale is None or not _supported(layer):
        return None
    weights = layer.weights.astype(np.int64).reshape(9, layer.out_c).T
    bias = layer.bias.astype(np.int64) - layer.in_zero * weights.sum(axis=1)
    found = _constants(layer, weights, bias)
    if found is None:
        return None
    shift, channels = found
    relu = int(layer.clamp[0]) >= layer.out_zero
    tail = f"{'relu' if relu else 'full'}_{shift}"
    table = [[c.m, c.c, c.bits | (SIGNS if c.d else 0), int(b) << c.bits] for c, b in zip(channels, bias, strict=True)]
    by_rows = layer.out_w >= layer.out_h
    stride = layer.window.stride_h
    even, odd = (f"ft_sweep_even_{tail}", f"ft_sweep_odd_{tail}") if stride == 1 else (f"ft_sweep_two_{tail}", "0")
    return Kernel(
        title=f"SMLAD on pairs of {'rows' if by_rows else 'columns'}",
        headers=("cm4_depthwise_3x3.h",),
        call=f"ft_cm4_depthwise_3x3_s8($params, {even}, {odd}, $weights, $channels,\n"
        "                        $in0, $out0, $scratch);",
        params=Params("ft_cm4_depthwise_3x3", _params(layer, by_rows, relu)),
        constants={
            "weights": Constant("int8_t", layer.weights.astype(np.int8)),
            "channels": Constant("int32_t", np.array(table, dtype=np.int64).astype(np.int32)),
        },
        scratch_bytes=4 * _CHANNEL_BYTES + _columns(layer, by_rows) * _COLUMN_BYTES,
        in_place=(0,) if _in_place(layer) else (),
    )


def _supported(layer: DepthwiseConv2D) -> bool:
    w = layer.window
    return (
        layer.batches == 1
        and layer.out_c == layer.in_c
        and layer.in_c >= 4
        and (w.k_h, w.k_w, w.dilation_h, w.dilation_w) == (3, 3, 1, 1)
        and w.stride_h == w.stride_w
        and w.stride_h in (1, 2)
    )


def _columns(layer: DepthwiseConv2D, by_rows: bool) -> int:
    """Return the columns of pairs that a line of outputs takes."""
    return (layer.out_w if by_rows else layer.out_h) * layer.window.stride_h + 2


def _in_place(layer: DepthwiseConv2D) -> bool:
    """Tell whether outputs lie where inputs lay, and no group of four channels is read after it was written."""
    return (layer.out_h, layer.out_w) == (layer.in_h, layer.in_w) and layer.in_c % 4 == 0


def _constants(
    layer: DepthwiseConv2D, weights: np.ndarray, bias: np.ndarray
) -> tuple[int, list[rescaling.Channel]] | None:
    """Return a shift that all channels can end with, and their constants under it."""
    assert layer.rescale is not None
    bounds = rescaling.sum_bounds(weights, bias)
    for shift in SHIFTS:
        channels = rescaling.channels_sharing(layer.rescale, layer.out_zero, bounds, shift)
        if channels is not None:
            return shift, channels
    return None


def _params(layer: DepthwiseConv2D, by_rows: bool, relu: bool) -> dict[str, int | float | tuple[int, ...]]:
    c, w = layer.in_c, layer.window

    def turned(rows: int, columns: int) -> tuple[int, int]:
        """Return what belongs to lines and to places along a line."""
        return (rows, columns) if by_rows else (columns, rows)

    lines, length = turned(layer.in_h, layer.in_w)
    out_lines, out_length = turned(layer.out_h, layer.out_w)
    line_step, step = turned(layer.in_w * c, c)
    out_line_step, out_step = turned(layer.out_w * c, c)
    line_weights, along_weights = turned(3 * c, c)
    line_pad, pad = turned(w.pad_top, w.pad_left)
    code = (RELU_BYTES if relu else FULL_BYTES) + (LOAD_BYTES if w.stride_h == 2 else 0)
    return {
        "lines": lines,
        "length": length,
        "channels": c,
        "out_lines": out_lines,
        "out_length": out_length,
        "line_step": line_step,
        "step": step,
        "out_line_step": out_line_step,
        "out_step": out_step,
        "line_weights": line_weights,
        "weights": along_weights,
        "line_pad": line_pad,
        "pad": pad,
        "stride": w.stride_h,
        "columns": _columns(layer, by_rows),
        "skip": (-out_length % STEPS) * code,
        "in_zero": layer.in_zero,
        "out_min": int(layer.clamp[0]),
        "out_max": int(layer.clamp[1]),
    }
