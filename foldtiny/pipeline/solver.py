"""The least that has to go so that something fits, with few tries: each try builds a firmware."""

from __future__ import annotations

import math
from collections.abc import Callable

#: So close to a limit (as a fraction of it) nothing larger is looked for.
ENOUGH = 0.995
_FURTHER = (1.0, 1.5)


def least(ratio: Callable[[int], float], last: int, scale: int, *, enough: float = ENOUGH) -> int | None:
    """Return the smallest step at which something fits.

    Parameters
    ----------
    ratio : callable
        What a step needs, as a fraction of what is allowed (at most 1: it fits; infinity where it is unknown). Falls
        with the step, more or less. Called once for a step at most.
    last : int
        The largest step.
    scale : int
        The step at which nothing would be left, ``last`` or more: the first guess is that a step k needs
        ``(scale - k) / scale`` of what step 0 needs.
    enough : float
        A step that fits and needs this fraction of what is allowed is good enough. Above 1: go on to the last step.

    Returns
    -------
    int or None
        A step that fits, where ``ratio`` falls throughout: the smallest one, or one that is good ``enough``. None
        where no step fits.
    """
    low, at_low = 0, ratio(0)
    if at_low <= 1.0:
        return 0
    high, at_high, low, at_low = _first_that_fits(ratio, last, scale, at_low)
    if high is None:
        return None
    # Interpolation finds the place, halving closes in on it where the figures go in stairs.
    halve = False
    while high - low > 1 and at_high < enough:
        step = (low + high) // 2
        if not halve and math.isfinite(at_low):
            step = low + math.ceil((at_low - 1.0) / (at_low - at_high) * (high - low))
            step = min(max(step, low + 1), high - 1)
        width = high - low
        found = ratio(step)
        if found <= 1.0:
            high, at_high = step, found
        else:
            low, at_low = step, found
        halve = not halve and high - low > width // 2
    return high


def _first_that_fits(
    ratio: Callable[[int], float], last: int, scale: int, at_start: float
) -> tuple[int | None, float, int, float]:
    """Return a step that fits with its ratio, and the largest known one that does not with its own."""
    low, at_low = 0, at_start
    for guess in range(4):
        if guess < 2 and math.isfinite(at_low):
            # The second time further than that: what does not shrink with the network was in the way.
            step = low + math.ceil(_FURTHER[guess] * (scale - low) * (1.0 - 1.0 / at_low))
        else:
            step = (low + last + 1) // 2 if guess < 3 else last
        step = min(max(step, low + 1), last)
        if step <= low:
            break
        found = ratio(step)
        if found <= 1.0:
            return step, found, low, at_low
        low, at_low = step, found
    return None, math.inf, low, at_low
