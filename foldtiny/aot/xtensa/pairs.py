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


ENOUGH, ATTEMPTS = 16, 4000
"""How many weights have to be too large for another order to be looked for, and with how many exchanges."""


@dataclass(frozen=True, slots=True)
class Packed:
    """First and second weights of words, [channels, chunks, 2], and what was taken, (channel, chunk, word, amount).

    ``places`` says where each word of a row went, where they have an order of their own.
    """

    first: Ints
    second: Ints
    fixes: list[tuple[int, int, int, int]]
    places: Ints | None = None

    @property
    def words(self) -> Ints:
        """Return the words."""
        return (self.first << 16) + self.second

    @property
    def chunks(self) -> int:
        """Chunks of a channel."""
        return int(self.first.shape[1])


def pack(weights: Ints, *, reorder: bool = False) -> Packed | None:
    """Return int8 weights [channels, taps] in words, or None where two of them alone are too large.

    The number of taps becomes a multiple of four. With ``reorder``, words may change places so that fewer are too
    large together.
    """
    channels, taps = weights.shape
    padded = np.zeros((channels, -(-taps // QUAD) * QUAD), dtype=np.int64)
    padded[:, :taps] = weights
    quads = padded.reshape(channels, -1, 2, 2)  # [channel, chunk, first or second of its word, word]
    order = _order(np.abs(quads).sum(axis=2).reshape(channels, -1)) if reorder else None
    first, second = (
        (part if order is None else part.reshape(channels, -1)[:, order].reshape(part.shape)).copy()
        for part in (quads[:, :, 0], quads[:, :, 1])
    )
    if int(np.abs(second).sum(axis=2).max(initial=0)) > LARGEST:
        return None
    fixes = _take(first, second)
    places = None if order is None else np.argsort(order)
    return Packed(first, second, fixes, places)


def _take(first: Ints, second: Ints) -> list[tuple[int, int, int, int]]:
    """Make the first weights of words smaller until all chunks fit; returns what was taken."""
    excess = (np.abs(first) + np.abs(second)).sum(axis=2) - LARGEST
    fixes = []
    for channel, chunk in np.argwhere(excess > 0).tolist():
        pair, left = first[channel, chunk], int(excess[channel, chunk])
        for word in np.argsort(-np.abs(pair), kind="stable").tolist():
            taken = int(np.sign(pair[word])) * min(left, abs(int(pair[word])))
            if taken:
                fixes.append((channel, chunk, word, taken))
                pair[word] -= taken
                left -= abs(taken)
    return fixes


def _order(sizes: Ints) -> Ints | None:
    """Return an order of words, [channels, words], with fewer chunks that are too large, or None."""
    words = sizes.shape[1]
    order = np.arange(words)
    chunks = sizes.reshape(len(sizes), -1, 2).sum(axis=2)
    large = (chunks > LARGEST).sum(axis=0)
    before = int(large.sum())
    if before < ENOUGH:
        return None
    random = np.random.default_rng(0)
    for i, j in random.integers(0, words, (ATTEMPTS, 2)).tolist():
        one, other = i // 2, j // 2
        if one == other or large[one] + large[other] == 0:
            continue
        change = sizes[:, order[j]] - sizes[:, order[i]]
        new = int((chunks[:, one] + change > LARGEST).sum()), int((chunks[:, other] - change > LARGEST).sum())
        if sum(new) <= large[one] + large[other]:
            chunks[:, one] += change
            chunks[:, other] -= change
            large[one], large[other] = new
            order[[i, j]] = order[[j, i]]
    # Storing words out of order costs one instruction for each of them.
    return order if before - int(large.sum()) > words // 8 else None


def output(layer: Weighted, weights: Ints, packed: Packed) -> linear.Line | None:
    """Return how the sums of weights [channels, taps] become outputs; each chunk comes out one too small."""
    lowest, highest = rescaling.bounds(weights, *rescaling.SIGNED)
    bias = rescaling.signed_bias(layer.bias, weights, layer.in_zero) + packed.chunks
    return linear.output(layer, (lowest - packed.chunks, highest - packed.chunks), bias)
