"""DEPTHWISE_CONV_2D, 3x3 with stride 1 or 2, by SMLAD on pairs of lines (``cm4_depthwise_3x3.h``)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from foldtiny.aot.cortex_m4 import packing, rescaling
from foldtiny.aot.layer import Constant, Kernel, Layer, Params
from foldtiny.aot.ops.depthwise_conv_2d import DepthwiseConv2D

STEPS, ONE_BYTES, TWO_BYTES, SIGNS = 6, 60, 36, 256
"""FT_SWEEP_STEPS and the like of ``cm4_sweep.h`` and ``cm4_depthwise_3x3.h``."""

FAST_ONE_STEPS, FAST_TWO_STEPS = 8, 4
"""FT_FAST_ONE_STEPS and FT_FAST_TWO_STEPS of ``cm4_fast_sweep.h``."""

SHIFTS = (12, 10, 14, 8, 16, 6, 18, 4)
"""Final shifts that there are routines for, the usual ones first, so that layers share code."""

_CHANNEL_BYTES, _COLUMN_BYTES = 40, 80

_WIDE_FIELDS = ("line_step", "out_line_step")
"""Parameters that have 32 bits in the struct."""


def specialise(layer: Layer, optimize: str) -> Kernel | None:
    """Return the kernel of an int8 3x3 layer with stride 1 or 2 and at least four channels.

    ``size`` keeps weights int8 and widens them in every run; ``speed`` has them ready in flash.
    """
    if not isinstance(layer, DepthwiseConv2D) or layer.rescale is None or not _supported(layer):
        return None
    weights = layer.weights.astype(np.int64).reshape(9, layer.out_c).T
    bias = layer.bias.astype(np.int64) - layer.in_zero * weights.sum(axis=1)
    found = _constants(layer, weights, bias)
    if found is None:
        return None
    shift, channels = found
    by_rows = layer.out_w >= layer.out_h
    fast = optimize == "speed"
    edges = fast and _edges(layer, by_rows)
    parameters = _params(layer, by_rows, spilled=not fast or layer.window.stride_h == 1)
    parameters["edges"] = int(edges)
    if any(abs(v) >= 1 << 15 for name, v in parameters.items() if name not in _WIDE_FIELDS):
        return None
    if fast:
        constants = {"channels": Constant("int32_t", _ready(layer, weights, bias, channels, by_rows))}
    else:
        table = [
            [c.m, c.c, c.bits | (SIGNS if c.d else 0), int(b) << c.bits] for c, b in zip(channels, bias, strict=True)
        ]
        constants = {
            "weights": Constant("int8_t", layer.weights.astype(np.int8)),
            "channels": Constant("int32_t", np.array(table, dtype=np.int64).astype(np.int32)),
        }
    words = constants["channels"].values.size // layer.out_c
    kind = "edge" if edges else "one" if layer.window.stride_h == 1 else "two"
    routine = f"{kind}_{'relu' if _relu(layer) else 'full'}_{shift}"
    call = (
        f"ft_cm4_depthwise_fast_s8($params, ft_fast_{routine}, $channels, $in0, $out0, $scratch);"
        if fast
        else f"ft_cm4_depthwise_3x3_s8($params, ft_sweep_{routine}, $weights, $channels, $in0, $out0, $scratch);"
    )
    return Kernel(
        title=f"SMLAD on pairs of {'rows' if by_rows else 'columns'}",
        headers=("cm4_depthwise_fast.h" if fast else "cm4_depthwise_3x3.h",),
        call=call,
        params=Params("ft_cm4_depthwise_3x3", {**parameters, "words": words}),
        constants=constants,
        scratch_bytes=(0 if fast else 4 * _CHANNEL_BYTES) + _columns(layer, by_rows) * _COLUMN_BYTES,
        in_place=(0,) if _in_place(layer) else (),
    )


def _relu(layer: DepthwiseConv2D) -> bool:
    return int(layer.clamp[0]) >= layer.out_zero


def _edges(layer: DepthwiseConv2D, by_rows: bool) -> bool:
    """Tell whether one column on either side is padding, as usual, and negative halves are not to be corrected."""
    w = layer.window
    pad, length, outputs = (w.pad_left, layer.in_w, layer.out_w) if by_rows else (w.pad_top, layer.in_h, layer.out_h)
    return w.stride_h == 1 and pad == 1 and length == outputs and _relu(layer)


def _ready(
    layer: DepthwiseConv2D,
    weights: NDArray[np.int64],
    bias: NDArray[np.int64],
    channels: list[rescaling.Channel],
    by_rows: bool,
) -> NDArray[np.int32]:
    """Return each channel as the fast sweeps read it: bias, weights (0, 1), weights (1, 2), rescaling.

    Where the columns beside the image are left out: also the bias with what the first one adds, and what the last adds.
    """
    bits = np.array([c.bits for c in channels], dtype=np.int64)
    taps = weights.reshape(-1, 3, 3)
    scaled = (taps if by_rows else taps.transpose(0, 2, 1)) << bits[:, None, None]
    pairs = (scaled[:, :2] & 0xFFFF) | ((scaled[:, 1:] & 0xFFFF) << 16)
    rescale = np.array([[c.m, c.c] if _relu(layer) else [c.m, c.c, c.d] for c in channels], dtype=np.int64)
    columns = [bias << bits, pairs.reshape(len(bias), -1), rescale]
    if _edges(layer, by_rows):
        first, last = (layer.in_zero * scaled[:, :, k].sum(axis=1) for k in (0, 2))
        columns += [(bias << bits) + first, last]
    return packing.as_words(np.column_stack(columns))


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
    return ((layer.out_w if by_rows else layer.out_h) - 1) * layer.window.stride_h + 3


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


def _entry(steps: int, unrolled: int) -> int:
    """Return where to enter an unrolled loop that is to do so many steps; behind it is code for fewer than none."""
    return -steps % unrolled if steps > 0 else unrolled - steps


def _params(layer: DepthwiseConv2D, by_rows: bool, spilled: bool) -> dict[str, int]:
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
    columns, one = _columns(layer, by_rows), w.stride_h == 1
    # Sums that wait for their rescaling land on the columns in the middle of each window.
    sums = range(1, columns - 1, w.stride_h)
    padding = (*range(pad), *range(pad + length, columns)[:4])
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
        "columns": columns,
        "refill": int(spilled and any(column in sums for column in padding)),
        "skip": (-out_length % STEPS) * (ONE_BYTES if one else TWO_BYTES),
        "entry": _entry(out_length - 2, FAST_ONE_STEPS) if one else _entry(out_length - 1, FAST_TWO_STEPS),
        "in_zero": layer.in_zero,
        "out_min": int(layer.clamp[0]),
        "out_max": int(layer.clamp[1]),
    }
