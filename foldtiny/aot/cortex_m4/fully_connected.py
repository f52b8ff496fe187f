"""FULLY_CONNECTED: int8 weights, four rows at a time (``cm4_fully_connected.h``)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from foldtiny.aot.cortex_m4 import packing, rescaling
from foldtiny.aot.layer import Constant, Kernel, Layer, Params
from foldtiny.aot.ops.fully_connected import FullyConnected
from foldtiny.aot.overlap import by_pixels, strided

STEPS, STEP_BYTES = 8, 108
"""FT_ROWS_STEPS and FT_ROWS_STEP_BYTES of ``cm4_gemm.h``."""


_BITS = 2
"""Sums of parts are added up times 4."""

_MOST_PARTS = 16


def specialise(layer: Layer, optimize: str) -> Kernel | None:
    """Return the kernel of an int8 layer.

    Both packings of the weights were counted: int16 weights save instructions, but read twice the flash and take
    more cycles, so ``optimize`` changes nothing here.
    """
    if not isinstance(layer, FullyConnected) or layer.rescale is None:
        return None
    weights = layer.weights.astype(np.int64)
    outputs, depth = weights.shape
    if layer.rows > 1 and depth % 4:
        return None  # later vectors would not start at a word
    bias = layer.bias.astype(np.int64)
    parts = next((p for p in range(1, _MOST_PARTS + 1) if _fits(weights, bias, layer.in_zero, p)), None)
    if parts is None:
        return None
    bounds = rescaling.sum_bounds(weights, bias - layer.in_zero * weights.sum(axis=1))
    # Without parts, sums stay times 256; if that is too much for the constants, one part does.
    constants = rescaling.channels(layer.rescale, layer.out_zero, bounds, rescaling.HALF_BITS) if parts == 1 else None
    routine = "ft_gemm_rows" if constants is not None else "ft_gemm_rows_in_parts"
    if constants is None:
        constants = rescaling.channels(layer.rescale, layer.out_zero, bounds, _BITS)
    if constants is None or not all(c.corrected for c in constants):
        return None
    split = _split(weights, parts)
    grouped = split.reshape(outputs, parts, -1, 4)
    if not packing.half_fits(grouped):
        return None
    groups = grouped.shape[2]
    return Kernel(
        title="SMLAD, four rows of int8 weights at a time",
        headers=("cm4_fully_connected.h",),
        call=f"ft_cm4_fully_connected_s8($params, {routine}, $stream, $in0, $out0, $scratch);",
        params=Params(
            "ft_cm4_fully_connected",
            {
                "rows": layer.rows,
                "depth": depth,
                "outputs": outputs,
                "groups": groups,
                "parts": parts,
                "skip": (-(groups // 2) % STEPS) * STEP_BYTES,
                "out_min": int(layer.clamp[0]),
                "out_max": int(layer.clamp[1]),
            },
        ),
        constants={"stream": Constant("int32_t", _stream(grouped, bias, layer.in_zero, constants))},
        scratch_bytes=groups * parts * 8,
        overlap=by_pixels(strided((layer.rows,), (depth,)), outputs),
    )


def _split(weights: NDArray[np.int64], parts: int) -> NDArray[np.int64]:
    """Return weights [outputs, depth] as [outputs, parts, groups of eight], padded with zeros at the end."""
    outputs, depth = weights.shape
    size = -(-depth // (8 * parts)) * 8
    padded = np.zeros((outputs, parts * size), dtype=np.int64)
    padded[:, :depth] = weights
    return padded.reshape(outputs, parts, size)


def _part_bias(split: NDArray[np.int64], bias: NDArray[np.int64], in_zero: int) -> NDArray[np.int64]:
    """Return each part's share of the folded bias [outputs, parts]: its own zero points; the first, the bias too."""
    shares = -in_zero * split.sum(axis=2)
    shares[:, 0] += bias
    return shares


def _fits(weights: NDArray[np.int64], bias: NDArray[np.int64], in_zero: int, parts: int) -> bool:
    """Tell whether the sums of every part, times 256, fit 32 bits."""
    split = _split(weights, parts)
    shares = _part_bias(split, bias, in_zero)
    return all(
        int(rescaling.sum_bounds(split[:, p], shares[:, p]).max()) << rescaling.HALF_BITS < 1 << 31
        for p in range(parts)
    )


def _stream(
    grouped: NDArray[np.int64], bias: NDArray[np.int64], in_zero: int, constants: list[rescaling.Channel]
) -> NDArray[np.int32]:
    """Return the stream: of four outputs each part's biases and weights, then the four's rescaling."""
    outputs, parts = grouped.shape[:2]
    shares = _part_bias(grouped.reshape(outputs, parts, -1), bias, in_zero)
    biases = np.stack([packing.half_bias(shares[:, p], grouped[:, p]) for p in range(parts)], axis=1)
    words = packing.half_words(grouped)
    flat: list[NDArray[np.int64]] = []
    whole = outputs - outputs % 4
    for first, end in [(o, o + 4) for o in range(0, whole, 4)] + [(o, o + 1) for o in range(whole, outputs)]:
        for p in range(parts):
            flat += [biases[first:end, p], words[first:end, p].T.reshape(-1)]
        flat += [np.array(c.words(d=False), dtype=np.int64) for c in constants[first:end]]
    return packing.as_words(np.concatenate(flat))
