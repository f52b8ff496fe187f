"""What the charts share: elements, texts that fit, round numbers on axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

# Charts are drawn for a phone (a bit under one unit a pixel) and fill half of a wide screen.
WIDTH = 440
FONT = 12.5
# The system's sans-serif fonts are about this wide, in units of the font size.
_CHARACTER = 0.6
COLOURS = 7


def wrap(key: str, title: str, description: str, height: float, body: Sequence[str], *, kind: str) -> str:
    """Return a whole drawing, ``WIDTH`` wide, with a title and a description for those who cannot see it.

    Parameters
    ----------
    key : str
        Distinguishes this drawing's ids from all others on the page.
    """
    name, said = escape(f"{key}-t"), escape(f"{key}-d")
    return "\n".join(
        [
            f'<svg class="chart {kind}" viewBox="0 0 {WIDTH} {height:g}" role="img" aria-labelledby="{name} {said}">',
            f'<title id="{name}">{escape(title)}</title>',
            f'<desc id="{said}">{escape(description)}</desc>',
            *body,
            "</svg>",
        ]
    )


def text(x: float, y: float, content: str, *, kind: str = "", anchor: str = "start", size: float = FONT) -> str:
    """Return a line of text."""
    classes = f' class="{kind}"' if kind else ""
    place = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f'<text x="{x:.4g}" y="{y:.5g}" font-size="{size:g}"{place}{classes}>{escape(content)}</text>'


def rect(x: float, y: float, width: float, height: float, kind: str, *, round_: float = 0, more: str = "") -> str:
    """Return a rectangle; ``kind`` is a class of the style sheet."""
    corner = f' rx="{round_:g}"' if round_ else ""
    return (
        f'<rect x="{x:.5g}" y="{y:.5g}" width="{max(width, 0):.5g}" height="{max(height, 0):.5g}"{corner} '
        f'class="{kind}"{more}/>'
    )


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    """Return a straight line."""
    return f'<line x1="{x1:.5g}" y1="{y1:.5g}" x2="{x2:.5g}" y2="{y2:.5g}" class="{kind}"/>'


def tip(content: str, *parts: str, more: str = "") -> str:
    """Return a group that says something when one points at it."""
    return f'<g class="tip"{more}><title>{escape(content)}</title>{"".join(parts)}</g>'


def width_of(content: str, size: float = FONT) -> float:
    """Estimate how wide a text is."""
    return len(content) * size * _CHARACTER


def fit(content: str, width: float, size: float = FONT) -> str:
    """Cut a text that is too wide, in the middle: names begin alike and end alike."""
    room = int(width / (size * _CHARACTER) + 1e-6)
    if len(content) <= room:
        return content
    if room < 3:
        return ""
    head = (room - 1 + 1) // 2
    tail = room - 1 - head
    return f"{content[:head]}…{content[len(content) - tail :] if tail else ''}"


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Return at most ``most`` round numbers that lie between two values."""
    span = high - low
    if not span > 0:
        return [low]
    raw = span / max(most - 1, 1)
    unit = 10 ** math.floor(math.log10(raw))
    step = next(unit * m for m in (1, 2, 2.5, 5, 10, 20) if unit * m >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [i * step for i in range(first, math.floor(high / step + 1e-9) + 1)]


def size_ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Return round numbers of bytes (multiples of a power of two) between two values."""
    step = 1
    while (high - low) / step > most - 1:
        step *= 2
    return [float(value) for value in range(math.ceil(low / step) * step, int(high) + 1, step)]


def log_ticks(low: float, high: float) -> list[float]:
    """Return 1, 2 and 5 times powers of ten between two positive values (powers alone where these would crowd)."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    mantissas = (1,) if high / low > 100 else (1, 2, 5)
    found = [m * 10.0**p for p in powers for m in mantissas]
    return [value for value in found if low * 0.999 <= value <= high * 1.001]


def legend(entries: Sequence[tuple[str, str]], y: float, *, left: float = 0) -> tuple[list[str], float]:
    """Draw a legend that breaks into lines.

    Parameters
    ----------
    entries : sequence of (str, str)
        A mark drawn around (0, 0), 12 units wide, and its text.

    Returns
    -------
    tuple
        The elements, and where the next thing may start.
    """
    parts: list[str] = []
    x = left
    for mark, content in entries:
        content = fit(content, WIDTH - left - 24)
        needed = 20 + width_of(content) + 14
        if x > left and x + needed > WIDTH:
            x, y = left, y + 20
        parts.append(f'<g transform="translate({x + 7:.5g} {y - 4:.5g})">{mark}</g>')
        parts.append(text(x + 19, y, content, kind="soft"))
        x += needed
    return parts, y + 14 if entries else y


def swatch(kind: str) -> str:
    """Return a small square for a legend."""
    return rect(-6, -6, 12, 12, kind, round_=2)
