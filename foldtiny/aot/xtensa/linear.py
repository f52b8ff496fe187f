"""Constants of ``xt_line.h``: rescaling as one straight line, proved for every sum that can occur.

TFLite's output, as a function of the sum, is a staircase of at most 255 steps. Where it has no negative side (ReLU, so
that the smallest output is the zero point or above it) its two roundings leave the steps within a hair of a straight
line, and a line through all of them is found here, step by step, or not at all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foldtiny.aot.ops._weights import Weighted
from foldtiny.aot.xtensa import rescaling

Ints = NDArray[np.int64]

_TRIES = sorted(range(-24, 25), key=abs)
"""Slopes beside the nearest one, in steps of 1/8 of the last place at the largest sum, or of one."""

FRACTION = 4
"""Number of parts that means three digits of the slope and a fraction of the offset."""

_LIMIT = 1 << 31


@dataclass(frozen=True, slots=True)
class Line:
    """Constants of each channel, [channels, ...], and the ``ft_xt_line`` that all of them share."""

    values: NDArray[np.int32]
    shared: tuple[int, ...]


def output(layer: Weighted, sums: tuple[Ints, Ints], bias: Ints) -> Line | None:
    """Return how sums become outputs: by a line, else as in ``xt_rescale.h``, or None where neither is exact.

    Parameters
    ----------
    layer : Weighted
        Its factors, zero point and clamp.
    sums : (array [channels], array [channels])
        The smallest and the largest sum, without the bias, that the kernel can come to.
    bias : array [channels]
        What is to be added to them.
    """
    if layer.rescale is None:
        return None
    values = rescaling.channels(layer.rescale, layer.out_zero, sums, bias)
    if values is None:
        return None
    low, high = int(layer.clamp[0]), int(layer.clamp[1])
    return line(layer, sums, bias) or Line(values, (0, 1, 1, low, high - low))


def line(layer: Weighted, sums: tuple[Ints, Ints], bias: Ints) -> Line | None:
    """Return the line through all steps of all channels, or None; parameters as of ``output``."""
    if layer.rescale is None:
        return None
    lowest, highest = sums
    low, high = int(layer.clamp[0]), int(layer.clamp[1])
    factors = [layer.rescale.of(c) for c in range(len(bias))]
    multipliers = np.array([m for m, _ in factors], dtype=np.int64)
    places = np.array([-shift for _, shift in factors], dtype=np.int64)
    if low < layer.out_zero or high <= low or places.min() < 1 or places.max() > 20 or multipliers.min() < 1 << 30:
        return None
    reach = int(np.maximum(np.abs(lowest), np.abs(highest)).max(initial=1))
    # Room for (sum * digit >> width) + sum * digit + a fraction here, and for all digits' product in 64 bits.
    width = min((_LIMIT // (reach + 1) - 1).bit_length() - 1, 14)
    real = multipliers / 2.0 ** (31 + places)
    largest = np.maximum(np.abs(lowest), np.abs(highest)) + np.abs(bias)
    shift = int(np.floor(np.log2(_LIMIT / ((largest * real).max() + 512))))
    if width < 6 or shift < 8:
        return None
    shift = min(shift, 22)
    steps = _steps(np.arange(low + 1, high + 1) - layer.out_zero, multipliers, places) - bias[:, None]
    rows = np.arange(1, high - low + 1, dtype=np.int64)
    for parts in (2, 3, FRACTION):
        found = [
            _fit(steps[c], rows, float(real[c]), (int(lowest[c]), int(highest[c])), (parts, width, shift))
            for c in range(len(bias))
        ]
        if all(row is not None for row in found):
            return Line(np.array(found, dtype=np.int32), (parts, width, shift, low, high - low))
    return None


def _steps(outputs: Ints, multipliers: Ints, places: Ints) -> Ints:
    """Return the smallest sum, bias included, that TFLite rescales to each of these outputs above the zero point."""
    doubled = (outputs << places[:, None]) - (1 << (places[:, None] - 1))
    return -((-(doubled * (1 << 31)) + (1 << 30)) // multipliers[:, None])


def _fit(steps: Ints, rows: Ints, real: float, sums: tuple[int, int], shape: tuple[int, int, int]) -> list[int] | None:
    """Return one channel's (offset, digits of the slope from the highest, fraction of the offset), or None."""
    (least, most), (parts, width, shift) = sums, shape
    digits = min(parts, 3)
    below = width * (digits - 1)
    fraction = width if parts == FRACTION else 0
    far = _LIMIT << fraction >> 1
    reached, missed = np.maximum(steps, least), np.minimum(steps - 1, most)
    target = rows << (shift + below)
    must, must_not = steps <= most, steps > least
    step = 1 if fraction else max(1, (1 << below) // (8 * max(abs(least), abs(most), 1)))
    for more in _TRIES:
        slope = round(real * 2.0 ** (shift + below)) + more * step
        # reached * slope + offset * 2^(below - fraction) is at the target or above it; missed * slope is not.
        from_below = -((reached * slope - target) >> (below - fraction))[must]
        from_above = (-((missed * slope - target) >> (below - fraction)) - 1)[must_not]
        least_offset, most_offset = int(from_below.max(initial=-far)), int(from_above.min(initial=far))
        if least_offset > most_offset or slope <= 0:
            continue
        middle = (least_offset + most_offset) // 2
        offset = middle >> fraction
        if max(abs(offset), *(abs(((end * slope) >> below) + offset) for end in sums)) >= _LIMIT - 1:
            continue
        places = [(slope >> (width * i)) & ((1 << width) - 1) for i in reversed(range(digits - 1))]
        return [offset, slope >> below, *places, *([middle & ((1 << width) - 1)] if fraction else [])]
    return None
