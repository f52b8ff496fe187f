"""Constants of ``xt_rescale.h``, and the check that its arithmetic is exact for a layer."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from foldtiny.aot.ops._weights import Rescale

LARGEST_SUM = 1 << 29
"""Sums have to be smaller than this."""

UNSIGNED = 255
"""The largest activation stored as x + 128; the smallest is 0."""

SIGNED = (-128, 127)
"""Activations as they are."""

MOST_PLACES = 20
"""Shifts to the right beyond this would let the rounding constant overflow."""


def channel(multiplier: int, shift: int, zero: int, bias: int) -> list[int] | None:
    """Return one ``ft_xt_channel``, or None where the shift is not one to the right."""
    places = -shift
    if not 1 <= places <= MOST_PLACES:
        return None
    return [bias, multiplier, (1 << (places - 1)) + (zero << places), places]


def bounds(weights: NDArray[np.int64], least: int, most: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the smallest and the largest sum of each channel, [channels, taps], for inputs in this range."""
    positive, negative = np.maximum(weights, 0).sum(axis=1), np.minimum(weights, 0).sum(axis=1)
    return positive * least + negative * most, positive * most + negative * least


def channels(
    rescale: Rescale, zero: int, sums: tuple[NDArray[np.int64], NDArray[np.int64]], bias: NDArray[np.int64]
) -> NDArray[np.int32] | None:
    """Return the ``ft_xt_channel`` of every output channel, or None where the kernels would not be exact.

    Parameters
    ----------
    rescale : Rescale
        TFLite's factors.
    zero : int
        The output's zero point.
    sums : (array [channels], array [channels])
        The smallest and the largest sum, without the bias, that the kernel can come to.
    bias : array [channels]
        What is added to the sums: already holds what zero points and offsets contribute.
    """
    bound = np.maximum.reduce([np.abs(part) for end in sums for part in (end, end + bias)])
    if int(bound.max(initial=0)) >= LARGEST_SUM:
        return None
    rows = [channel(*rescale.of(c), zero, int(bias[c])) for c in range(len(bias))]
    if any(row is None for row in rows):
        return None
    return np.array(rows, dtype=np.int32)


def unsigned_bias(bias: NDArray[np.generic], weights: NDArray[np.int64], in_zero: int) -> NDArray[np.int64]:
    """Return the bias for activations stored as x + 128: both offsets are taken out again."""
    return bias.astype(np.int64) - (in_zero + 128) * weights.sum(axis=1)


def signed_bias(bias: NDArray[np.generic], weights: NDArray[np.int64], in_zero: int) -> NDArray[np.int64]:
    """Return the bias for activations as they are."""
    return bias.astype(np.int64) - in_zero * weights.sum(axis=1)
