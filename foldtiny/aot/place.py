"""Puts pieces of memory at offsets: exact search on small problems, the best of several greedy orders on large ones.

Pieces are related in pairs: where piece i may lie is told by (below, above) with respect to piece j, namely at most j's
offset less ``below`` or at least j's offset plus ``above``. Two pieces that may not overlap have i's size below and j's
size above; an output that may reach into its input has less.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

EXACT_PIECES = 40
"""Up to as many pieces, orders are searched until the best is proven, or ``_SEARCH_STEPS`` are spent."""

_SEARCH_STEPS = 20_000

Gaps = Sequence[Mapping[int, tuple[int, int]]]
"""For each piece (below, above) of each other piece that it has to heed."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Memory that is allotted as one: its size, and the first and the last step of its life."""

    bytes: int
    first: int
    last: int


def apart(pieces: Sequence[Piece]) -> Gaps:
    """Return the relations of pieces none of which may overlap while both live."""
    return [
        {
            j: (one.bytes, other.bytes)
            for j, other in enumerate(pieces)
            if j != i and one.first <= other.last and other.first <= one.last
        }
        for i, one in enumerate(pieces)
    ]


def height(pieces: Sequence[Piece], offsets: Sequence[int]) -> int:
    """Return the bytes of memory that a placement needs."""
    return max((offset + piece.bytes for offset, piece in zip(offsets, pieces, strict=True)), default=0)


def place(pieces: Sequence[Piece], gaps: Gaps, bound: int) -> list[int]:
    """Return an offset for each piece.

    Parameters
    ----------
    pieces : sequence of Piece
        Sizes are multiples of the alignment; so are then all offsets.
    gaps : sequence of mappings
        How pieces have to keep apart.
    bound : int
        A height that is certainly needed: the search ends when it is reached.
    """
    best: list[int] = []
    peak = -1
    for order in _orders(pieces):
        offsets = first_fit(pieces, gaps, order)
        found = height(pieces, offsets)
        if peak < 0 or found < peak:
            best, peak = offsets, found
    if peak > bound and len(pieces) <= EXACT_PIECES:
        best = _Search(pieces, gaps, bound, best, peak).run()
    return best


def _orders(pieces: Sequence[Piece]) -> list[list[int]]:
    every = range(len(pieces))
    return [
        sorted(every, key=lambda i: (-pieces[i].bytes, pieces[i].first)),
        sorted(every, key=lambda i: (pieces[i].first, -pieces[i].bytes)),
        sorted(every, key=lambda i: (-pieces[i].bytes * (pieces[i].last - pieces[i].first + 1), i)),
        sorted(every, key=lambda i: (-pieces[i].last, -pieces[i].bytes)),
        sorted(every, key=lambda i: (pieces[i].first - pieces[i].last, -pieces[i].bytes)),
    ]


def _drop(i: int, offsets: Sequence[int], gaps: Gaps) -> int:
    """Return the lowest place of piece i beside the pieces that have one (offset 0 or more)."""
    forbidden = sorted(
        (offsets[j] - below, offsets[j] + above) for j, (below, above) in gaps[i].items() if offsets[j] >= 0
    )
    at = 0
    for start, end in forbidden:
        if start < at < end:
            at = end
    return at


def first_fit(pieces: Sequence[Piece], gaps: Gaps, order: Sequence[int]) -> list[int]:
    """Drop the pieces in this order, each to the lowest place that is still free."""
    offsets = [-1] * len(pieces)
    for i in order:
        offsets[i] = _drop(i, offsets, gaps)
    return offsets


class _Search:
    """Branch and bound over the orders in which pieces are dropped to their lowest free place.

    Some order of rising offsets leads to an optimal placement: take one that cannot sink any further and drop its
    pieces from the lowest to the highest. Orders that cannot beat the best placement so far are cut off.
    """

    def __init__(self, pieces: Sequence[Piece], gaps: Gaps, bound: int, best: list[int], peak: int) -> None:
        self.pieces, self.gaps = pieces, gaps
        self.bound, self.best, self.peak = bound, best, peak
        self.steps = 0
        self.offsets = [-1] * len(pieces)

    def run(self) -> list[int]:
        self.descend([0] * len(self.pieces), 0, 0, 0)
        return self.best

    def descend(self, lowest: list[int], placed: int, top: int, floor: int) -> None:
        """Place one more piece; ``lowest`` holds where each piece would come to lie now."""
        if placed == len(self.pieces):
            self.best, self.peak = list(self.offsets), top
            return
        options = []
        for i, offset in enumerate(self.offsets):
            if offset < 0:
                if lowest[i] + self.pieces[i].bytes >= self.peak:
                    return
                if lowest[i] >= floor:
                    options.append((lowest[i], -self.pieces[i].bytes, i))
        for at, negative, i in sorted(options):
            self.steps += 1
            if self.peak <= self.bound or self.steps > _SEARCH_STEPS:
                return
            self.offsets[i] = at
            after = list(lowest)
            for j in self.gaps[i]:
                if self.offsets[j] < 0:
                    after[j] = _drop(j, self.offsets, self.gaps)
            self.descend(after, placed + 1, max(top, at - negative), at)
            self.offsets[i] = -1
