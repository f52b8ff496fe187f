"""Constants of ``xt_rescale.h``, and the check that its arithmetic is exact for a layer."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from foldtiny.aot.ops._weights import Rescale

LARGEST_SUM = 1 << 29
"""Sums have to be smaller than this."""

MOST_PLACES = 20
"""Shifts to the right beyond this would let the rounding constant overflow."""


def channel(multiplier: int, shift: int, zero: int, bias: int) -> list[int] | None:
    """Return one ``ft_xt_channel``, or None where the shift is not one to the right."""
    places = -shift
    if not 1 <= places <= MOST_PLACES:
        return None
    return [bias, multiplier, (1 << (places - 1)) + (zero << places), places]


def channels(
    rescale: Rescale, zero: int, weights: NDArray[np.int64], bias: NDArray[np.int64]
) -> NDArray[np.int32] | None:
    """Return the ``ft_xt_channel`` of every output channel, or None where the kernels would not be exact.

    Parameters
    ----------
    rescale : Rescale
        TFLite's factors.
    zero : int
        The output's zero point.
    weights : array [channels, taps]
        Kernels multiply them with activations + 128, which lie in 0..255.
    bias : array [channels]
        Already holds what the zero point and the 128 contribute.
    """
    most = 255 * np.maximum(weights, 0).sum(axis=1)
    least = 255 * np.minimum(weights, 0).sum(axis=1)
    bound = np.maximum(np.maximum(np.abs(bias + most), np.abs(bias + least)), np.maximum(most, -least))
    if int(bound.max(initial=0)) >= LARGEST_SUM:
        return None
    rows = [channel(*rescale.of(c), zero, int(bias[c])) for c in range(len(bias))]
    if any(row is None for row in rows):
        return None
    return np.array(rows, dtype=np.int32)


def unsigned_bias(bias: NDArray[np.generic], weights: NDArray[np.int64], in_zero: int) -> NDArray[np.int64]:
    """Return the bias for activations stored as x + 128: both offsets are taken out again."""
    return bias.astype(np.int64) - (in_zero + 128) * weights.sum(axis=1)
