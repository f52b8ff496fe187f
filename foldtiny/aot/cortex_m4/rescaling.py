"""Rescaling sums in three to five instructions, exactly as TFLite's two roundings.

TFLite computes ``zero + R_e(floor((a * m + 2^30) / 2^31))`` for a sum ``a``; ``R_e`` divides by ``2^e`` and rounds
halves away from zero. With the sum scaled to ``A = a * 2^(1 + d + left)``, ``d >= 1``, nested floors give the same as

    (c + floor(A * m / 2^32) - (d' if A < 0)) >> (e + d),
    c = 2^(d - 1) + ((2^(e - 1) if e) + zero * 2^e) * 2^d,    d' = 2^d if e else 0,

which is SMMLA, a correction and a shift. The correction only moves negative halves, from 0 down to -1 or further
below; a clamp at the zero point or above hides it ("relu").
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foldtiny.aot.ops._weights import Rescale

_INT32 = 1 << 31
HALF_BITS = 8
"""Scaling of sums by the half packing: 256."""


@dataclass(frozen=True, slots=True)
class Channel:
    """Constants of one output channel: sums are ``2^bits`` times TFLite's."""

    bits: int
    m: int
    c: int
    d: int
    e: int

    def words(self, *, d: bool, e: bool = True) -> list[int]:
        """Return what the routines read, in their order; some need no ``d``, some no ``e``."""
        return [self.m, self.c, *([self.d] if d else []), *([self.e] if e else [])]

    @property
    def corrected(self) -> bool:
        """Tell whether negative halves are corrected by the usual amount, which is half the sums' scale."""
        return self.d == 1 << (self.bits - 1)


def sum_bounds(weights: NDArray[np.int64], bias: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the largest magnitude of each channel's sum, for weights [channels, taps] and the folded bias [channels].

    Every activation, padding included, is an int8 number.
    """
    low = bias + np.minimum(weights * -128, weights * 127).sum(axis=1)
    high = bias + np.maximum(weights * -128, weights * 127).sum(axis=1)
    return np.maximum(np.abs(low), np.abs(high))


def channel(multiplier: int, shift: int, zero: int, bound: int, bits: int) -> Channel | None:
    """Return a channel's constants, or None where the identity above does not hold for these numbers."""
    left, e = max(shift, 0), max(-shift, 0)
    d = bits - 1 - left
    if d < 1 or bound << bits >= _INT32:
        return None
    c = (1 << (d - 1)) + (((1 << (e - 1) if e else 0) + (zero << e)) << d)
    # |A * m / 2^32| <= bound * 2^(bits - 1): every intermediate result stays in 32 bits.
    if e + d > 31 or abs(c) + (bound << (bits - 1)) + (1 << d) >= _INT32:
        return None
    return Channel(bits, multiplier, c, (1 << d) if e else 0, e + d)


def channels(rescale: Rescale, zero: int, bounds: NDArray[np.int64], bits: int | None) -> list[Channel] | None:
    """Return the constants of all channels, or None where one of them cannot be had.

    Parameters
    ----------
    rescale : Rescale
        TFLite's factors.
    zero : int
        The output's zero point.
    bounds : array [channels]
        From ``sum_bounds``.
    bits : int, optional
        The sums' scale; None chooses the smallest for each channel.
    """
    result = []
    for index, bound in enumerate(bounds):
        multiplier, shift = rescale.of(index)
        own = bits if bits is not None else 2 + max(shift, 0)
        constants = channel(multiplier, shift, zero, int(bound), own)
        if constants is None:
            return None
        result.append(constants)
    return result


def channels_sharing(
    rescale: Rescale, zero: int, bounds: NDArray[np.int64], shift: int, most_bits: int = 8
) -> list[Channel] | None:
    """Return the constants of all channels such that each ends with the same shift, or None.

    Weights are int8 and become int16: they can be scaled by up to ``2^most_bits``.
    """
    result = []
    for index, bound in enumerate(bounds):
        multiplier, exponent = rescale.of(index)
        bits = 1 + shift - max(-exponent, 0) + max(exponent, 0)
        constants = channel(multiplier, exponent, zero, int(bound), bits) if bits <= most_bits else None
        if constants is None or constants.e != shift:
            return None
        result.append(constants)
    return result
