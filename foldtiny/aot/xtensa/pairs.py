"""Weights for two products in one multiplication (``xt_pairs.h``), and the proof that their halves never mix."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foldtiny.aot.ops._weights import Weighted
from foldtiny.aot.xtensa import linear, rescaling

Ints = NDArray[np.int64]

QUAD = 4
"""Values of a chunk: of the words (value 2, value 0) and (value 3, value 1)."""

LARGEST = 255
"""Of |weights| of a chunk together: 128 times as much, plus 1, still fits 16 bits."""


@dataclass(frozen=True, slots=True)
class Packed:
    """Weights in words, [channels, chunks, 2], and what was taken from them, (channel, chunk, word, amount)."""

    words: Ints
    fixes: list[tuple[int, int, int, int]]

    @property
    def chunks(self) -> int:
        """Chunks of a channel."""
        return int(self.words.shape[1])


def pack(weights: Ints) -> Packed | None:
    """Return int8 weights [channels, taps] in words, or None where two of them alone are too large.

    The number of taps becomes a multiple of four.
    """
    channels, taps = weights.shape
    padded = np.zeros((channels, -(-taps // QUAD) * QUAD), dtype=np.int64)
    padded[:, :taps] = weights
    quads = padded.reshape(channels, -1, 2, 2)  # [channel, chunk, first or second of its word, word]
    excess = np.abs(quads).sum(axis=(2, 3)) - LARGEST
    if int(np.abs(quads[:, :, 1]).sum(axis=2).max(initial=0)) > LARGEST:
        return None
    fixes = []
    for channel, chunk in np.argwhere(excess > 0).tolist():
        first = quads[channel, chunk, 0]
        left = int(excess[channel, chunk])
        for word in np.argsort(-np.abs(first), kind="stable").tolist():
            taken = int(np.sign(first[word])) * min(left, abs(int(first[word])))
            if taken:
                fixes.append((channel, chunk, word, taken))
                first[word] -= taken
                left -= abs(taken)
    return Packed((quads[:, :, 0] << 16) + quads[:, :, 1], fixes)


def output(layer: Weighted, weights: Ints, packed: Packed) -> linear.Line | None:
    """Return how the sums of weights [channels, taps] become outputs; each chunk comes out one too small."""
    lowest, highest = rescaling.bounds(weights, *rescaling.SIGNED)
    bias = rescaling.signed_bias(layer.bias, weights, layer.in_zero) + packed.chunks
    return linear.output(layer, (lowest - packed.chunks, highest - packed.chunks), bias)
