"""Numbers as people read them. K is 1024 bytes and M is 1024 K, as on the poster."""

from __future__ import annotations

import math
import re
from typing import Any

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_KIB = 1024


def number(value: Any) -> float | None:
    """Return a finite number as a float, and None for everything else that a record may hold in its place."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def dig(value: Any, *keys: str) -> Any:
    """Return what lies under nested keys, or None where one is missing."""
    for key in keys:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value


def count(value: float | None) -> str:
    """Return a number of things in at most five characters or so: 980, 12.3 k, 2.91 M."""
    if value is None:
        return "–"
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= limit:
            return f"{_digits(value / (1e3 if unit == 'k' else limit))} {unit}"
    return f"{value:,.0f}"


def size(value: float | None) -> str:
    """Return bytes: 980 B, 7.28 K, 1.25 M."""
    if value is None:
        return "–"
    if abs(value) < _KIB:
        return f"{value:.0f} B"
    scaled, unit = (value / _KIB, "K") if abs(value) < _KIB * _KIB else (value / _KIB / _KIB, "M")
    return f"{_digits(scaled)} {unit}"


def exact(value: float | None, unit: str = "B") -> str:
    """Return a whole number with all its digits."""
    return "–" if value is None else f"{value:,.0f} {unit}".strip()


def ms(value: float | None) -> str:
    """Return a time in milliseconds (in microseconds below a tenth of one)."""
    if value is None:
        return "–"
    if 0 < abs(value) < 0.1:
        return f"{_digits(value * 1000)} µs"
    return f"{_digits(value)} ms"


def ms_range(low: float | None, high: float | None) -> str:
    """Return a range of times, with the unit once where it is the same."""
    one, other = ms(low), ms(high)
    return f"{one.removesuffix(' ms') if other.endswith(' ms') else one}–{other}"


def percent(value: float | None, digits: int = 1) -> str:
    """Return a fraction as a percentage."""
    return "–" if value is None else f"{value * 100:.{digits}f} %"


def small_percent(value: float) -> str:
    """Return a share as a percentage; one that is too small to be printed is still more than nothing."""
    return "< 0.1 %" if 0 < value < 0.0005 else percent(value)


def short_percent(value: float | None) -> str:
    """Return a fraction as a percentage without needless digits: 25 %, 12.5 %."""
    return "–" if value is None else f"{round(value * 100, 1):g} %"


def factor(before: float | None, after: float | None) -> str:
    """Return how many times smaller ``after`` is, or an empty text where that means nothing."""
    if not before or not after or before < 0 or after < 0:
        return ""
    return f"×{_digits(before / after)}"


def plural(number_of: int, thing: str, things: str = "") -> str:
    """Return a number with its noun: 1 record, 2 records."""
    return f"{number_of:,} {thing if number_of == 1 else things or thing + 's'}"


def clean(text: str) -> str:
    """Replace what cannot stand in an HTML page: control characters and halves of surrogate pairs."""
    return _CONTROL.sub("\ufffd", text)


def _digits(value: float) -> str:
    """Return three significant digits, and all digits before the point."""
    if value == 0:
        return "0"
    before = math.floor(math.log10(abs(value))) + 1
    return f"{value:,.{max(0, min(3 - before, 3))}f}"
