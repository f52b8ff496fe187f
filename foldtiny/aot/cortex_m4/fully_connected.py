"""FULLY_CONNECTED, four rows at a time (``cm4_fully_connected.h``; very long vectors ``cm4_long_vectors.h``)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from foldtiny.aot.cortex_m4 import cost, packing, rescaling
from foldtiny.aot.layer import Constant, Kernel, Layer, Params
from foldtiny.aot.ops.fully_connected import FullyConnected
from foldtiny.aot.overlap import by_pixels, strided

STRETCH, HALF_BYTES, WIDE_BYTES = 128, 108, 84
"""FT_STRETCH, FT_ROWS_HALF_BYTES and FT_ROWS_WIDE_BYTES of ``cm4_fully_connected.h``."""

AT_ONCE = {"size": 48, "speed": 96}
"""Rows whose sums are in work together, where a vector is longer than a stretch: more rows, more memory."""

_MOST_WIDE_WEIGHTS = 96 * 1024
"""Weights of a layer that are widened for speed: a sixth fewer instructions for twice the flash."""

_FEW_MACS = 768
"""Layers with no more products than this go to the plain kernel for size, whose code is smaller."""

_BITS = 2
"""Sums of int16 weights, and of parts, come times 4."""

_PARTS_STEPS, _MOST_PARTS = 8, 16


def specialise(layer: Layer, optimize: str) -> Kernel | None:
    """Return the kernel of an int8 layer: ``speed`` widens the weights of all but the largest layers."""
    if not isinstance(layer, FullyConnected) or layer.rescale is None:
        return None
    if layer.rows > 1 and layer.weights.shape[1] % 4:
        return None  # later vectors would not start at a word
    if optimize == "size" and layer.rows * layer.weights.size <= _FEW_MACS:
        return None
    wide = _in_stretches(layer, True, optimize) if _may_widen(layer, optimize) else None
    half = _in_stretches(layer, False, optimize)
    if half is None:
        half = _in_parts(layer)
    elif optimize == "size":  # the code for parts is a bit slower, and enough for all layers where one needs it
        half = replace(half, instead=_in_parts(layer))
    return cost.best(((wide, cost.fully_connected(layer, True)), (half, cost.fully_connected(layer, False))))


def _may_widen(layer: FullyConnected, optimize: str) -> bool:
    return optimize == "speed" and layer.weights.size <= _MOST_WIDE_WEIGHTS


def _constants(layer: FullyConnected, bits: int) -> list[rescaling.Channel] | None:
    """Return the rescaling of sums times ``2^bits``, where that is exact."""
    assert layer.rescale is not None
    weights = layer.weights.astype(np.int64)
    bounds = rescaling.sum_bounds(weights, layer.bias.astype(np.int64) - layer.in_zero * weights.sum(axis=1))
    constants = rescaling.channels(layer.rescale, layer.out_zero, bounds, bits)
    return constants if constants is not None and all(c.corrected for c in constants) else None


def _in_stretches(layer: FullyConnected, wide: bool, optimize: str) -> Kernel | None:
    weights = layer.weights.astype(np.int64)
    outputs, depth = weights.shape
    several = depth > STRETCH
    if several and outputs % 4:
        return None  # rows left over are computed in one go
    constants = _constants(layer, _BITS if wide else rescaling.HALF_BITS)
    grouped = _split(weights, 1).reshape(outputs, -1, 4)
    if constants is None or not (wide or packing.half_fits(grouped)):
        return None
    bias = layer.bias.astype(np.int64) - layer.in_zero * weights.sum(axis=1)
    words = packing.wide_words(grouped, constants).reshape(outputs, -1) if wide else packing.half_words(grouped)
    start = packing.wide_bias(bias, constants) if wide else packing.half_bias(bias, grouped)
    at_once = min(AT_ONCE[optimize], outputs) if several else outputs
    relu = int(layer.clamp[0]) >= layer.out_zero
    widen, stretch = ("wide", STRETCH // 2) if wide else ("half", STRETCH // 4)
    # The last rows of a vector are computed when the first have been written.
    early = (outputs - 1) // at_once * at_once
    return Kernel(
        title=f"SMLAD, four rows of {'int16' if wide else 'int8'} weights at a time",
        headers=("cm4_fully_connected.h",),
        call=f"ft_cm4_fully_connected_s8($params, ft_rows_{widen}, ft_cm4_run_{widen},\n"
        "                          $stream, $in0, $out0, $scratch);",
        params=Params(
            "ft_cm4_fully_connected",
            {
                "rows": layer.rows,
                "depth": depth,
                "outputs": outputs,
                "at_once": at_once,
                "step_bytes": WIDE_BYTES if wide else HALF_BYTES,
                "relu": int(relu),
                "out_min": int(layer.clamp[0]),
                "out_max": int(layer.clamp[1]),
            },
        ),
        constants={"stream": Constant("int32_t", _stretches(start, words, constants, at_once, stretch))},
        scratch_bytes=STRETCH * 2 + at_once * 4 if several else -(-depth // 8) * 16,
        overlap=by_pixels(strided((layer.rows,), (depth,)), outputs, early),
    )


def _stretches(
    start: NDArray[np.int64],
    words: NDArray[np.int64],
    constants: list[rescaling.Channel],
    at_once: int,
    stretch: int,
) -> NDArray[np.int32]:
    """Return the stream: rows at hand, stretch by stretch, four rows by turns; rescaling after the last stretch.

    Biases start each four in the first stretch (of ``stretch`` words).
    """
    outputs, length = words.shape
    flat: list[NDArray[np.int64]] = []
    for first in range(0, outputs, at_once):
        end = min(first + at_once, outputs)
        for at in range(0, length, stretch):
            for rows in _fours(first, end):
                if at == 0:
                    flat.append(start[rows])
                flat.append(words[rows, at : at + stretch].T.reshape(-1))
                if at + stretch >= length:
                    flat += [np.array(c.words(d=False), dtype=np.int64) for c in constants[rows]]
    return packing.as_words(np.concatenate(flat))


def _fours(first: int, end: int) -> list[slice]:
    """Return the rows that are computed together: fours, then one by one."""
    whole = first + (end - first) // 4 * 4
    return [slice(o, o + 4) for o in range(first, whole, 4)] + [slice(o, o + 1) for o in range(whole, end)]


def _in_parts(layer: FullyConnected) -> Kernel | None:
    """Return the kernel for sums that are too large times 256."""
    weights, bias = layer.weights.astype(np.int64), layer.bias.astype(np.int64)
    outputs, depth = weights.shape
    parts = next((p for p in range(1, _MOST_PARTS + 1) if _fits(weights, bias, layer.in_zero, p)), None)
    constants = _constants(layer, _BITS)
    if parts is None or constants is None:
        return None
    grouped = _split(weights, parts).reshape(outputs, parts, -1, 4)
    if not packing.half_fits(grouped):
        return None
    groups = grouped.shape[2]
    return Kernel(
        title="SMLAD, four rows of int8 weights at a time, vectors in parts",
        headers=("cm4_long_vectors.h",),
        call="ft_cm4_long_vectors_s8($params, $stream, $in0, $out0, $scratch);",
        params=Params(
            "ft_cm4_long_vectors",
            {
                "rows": layer.rows,
                "depth": depth,
                "outputs": outputs,
                "groups": groups,
                "parts": parts,
                "skip": (-(groups // 2) % _PARTS_STEPS) * HALF_BYTES,
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
    for rows in _fours(0, outputs):
        for p in range(parts):
            flat += [biases[rows, p], words[rows, p].T.reshape(-1)]
        flat += [np.array(c.words(d=False), dtype=np.int64) for c in constants[rows]]
    return packing.as_words(np.concatenate(flat))
