"""Accuracy against size or time, with the front: the records that no other beats in both."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from foldtiny.report import text as say
from foldtiny.report.charts import svg

_LEFT, _TOP, _PLOT, _RIGHT = 50, 16, 250, 14
_SHAPES = ("circle", "square", "diamond", "up", "down", "cross", "star")
_ZEROS = re.compile(r"(\.0+|(?<=\.\d)0+)(?= )")
# Beyond this, points crowd at one end of a straight axis.
_LOG_FROM = 8
_LABELS = 24


@dataclass(frozen=True, slots=True)
class Point:
    """A record in the chart.

    ``colour`` and ``shape`` say what it belongs to (a board, a method); ``solid`` marks what was measured on hardware;
    ``low`` and ``high`` are an estimate beside ``x``.
    """

    x: float
    y: float
    colour: str
    shape: str
    label: str
    hint: str
    anchor: str
    solid: bool = False
    low: float | None = None
    high: float | None = None


def front(points: Sequence[Point]) -> list[Point]:
    """Return the points that no other beats: none is smaller and at least as good, or as small and better."""
    found: list[Point] = []
    for point in sorted(points, key=lambda p: (p.x, -p.y)):
        if not found or point.y > found[-1].y:
            found.append(point)
    return found


def draw(
    points: Sequence[Point], key: str, title: str, axis: str, unit: Callable[[float], str], *, fronts: bool
) -> str:
    """Return the chart; an empty text where there are no points.

    Parameters
    ----------
    points : sequence of Point
        ``x`` positive, in what ``unit`` turns into text; ``y`` a fraction.
    axis : str
        What is on the x axis.
    fronts : bool
        One front for each colour; otherwise one for all.
    """
    points = [point for point in points if point.x > 0]
    if not points:
        return ""
    colours = list(dict.fromkeys(point.colour for point in points))
    shapes = list(dict.fromkeys(point.shape for point in points))
    scale = _Scale(points)
    parts = [*_grid(scale, unit), *_caption(axis, scale)]
    groups = [[p for p in points if p.colour == c] for c in colours] if fronts else [list(points)]
    best: set[int] = set()
    for group in groups:
        ends = front(group)
        best |= {id(point) for point in ends}
        kind = f"front s{_colour(colours, group[0].colour)}" if fronts else "front s0"
        parts.append(_steps([(scale.x(p.x), scale.y(p.y)) for p in ends], kind))
    for point in points:
        number = _colour(colours, point.colour)
        mark = _mark(point, number, _SHAPES[shapes.index(point.shape) % len(_SHAPES)], scale, id(point) in best)
        parts.append(svg.tip(point.hint, mark, more=f' data-of="{point.anchor}"'))
    parts += _labels(points, scale)
    entries = [(_shape("circle", f"c{_colour(colours, c)}"), c) for c in colours]
    if len(shapes) > 1 or shapes[0]:
        entries += [(_shape(_SHAPES[i % len(_SHAPES)], "ink"), s) for i, s in enumerate(shapes)]
    if any(p.low is not None for p in points):
        entries.append(('<line x1="-7" x2="7" class="range ink-line"/>', "estimated range"))
    marks, bottom = svg.legend(entries, _TOP + _PLOT + 62)
    said = "; ".join(point.hint.replace("\n", ", ") for point in points[:8])
    return svg.wrap(key, title, said, bottom + 2, [*parts, *marks], kind="pareto")


class _Scale:
    """Where values lie."""

    def __init__(self, points: Sequence[Point]) -> None:
        ends = [v for p in points for v in (p.x, p.low, p.high) if v is not None and v > 0]
        low, high = min(ends), max(ends)
        self.log = high / low > _LOG_FROM
        if self.log:
            self.low, self.high = low / 1.35, high * 1.35
        else:
            margin = (high - low) * 0.12 or high * 0.3
            self.low, self.high = max(low - margin, 0), high + margin
        bottom, top = min(p.y for p in points), max(p.y for p in points)
        margin = (top - bottom) * 0.14 or 0.02
        self.bottom, self.top = max(bottom - margin, -0.01), min(top + margin, 1.005)

    def x(self, value: float) -> float:
        """Return the place of a value on the x axis."""
        low, high = self.low, self.high
        if self.log:
            low, high, value = math.log(low), math.log(high), math.log(max(value, 1e-12))
        return _LEFT + (svg.WIDTH - _LEFT - _RIGHT) * (value - low) / (high - low)

    def y(self, value: float) -> float:
        """Return the place of a value on the y axis."""
        return _TOP + _PLOT * (1 - (value - self.bottom) / (self.top - self.bottom))


def _grid(scale: _Scale, unit: Callable[[float], str]) -> list[str]:
    parts = []
    values = svg.ticks(scale.bottom * 100, scale.top * 100, 7)
    step = values[1] - values[0] if len(values) > 1 else 1
    digits = 0 if step >= 1 else 1 if step >= 0.1 else 2
    for value in values:
        y = scale.y(value / 100)
        parts.append(svg.line(_LEFT, y, svg.WIDTH - _RIGHT, y, "grid"))
        parts.append(svg.text(_LEFT - 6, y + 4, f"{value:.{digits}f} %", kind="soft", anchor="end", size=11))
    last = -1e9
    round_numbers = svg.size_ticks if unit is say.size else svg.ticks
    for value in svg.log_ticks(scale.low, scale.high) if scale.log else round_numbers(scale.low, scale.high, 6):
        x, content = scale.x(value), _ZEROS.sub("", unit(value))
        half = svg.width_of(content, 11) / 2
        parts.append(svg.line(x, _TOP, x, _TOP + _PLOT, "grid"))
        if x - half > last + 6 and x + half <= svg.WIDTH:
            parts.append(svg.text(x, _TOP + _PLOT + 16, content, kind="soft", anchor="middle", size=11))
            last = x + half
    parts.append(svg.line(_LEFT, _TOP + _PLOT, svg.WIDTH - _RIGHT, _TOP + _PLOT, "axis"))
    return parts


def _caption(axis: str, scale: _Scale) -> list[str]:
    said = f"{axis}{', logarithmic' if scale.log else ''} →"
    return [
        svg.text(svg.WIDTH - _RIGHT, _TOP + _PLOT + 36, said, kind="soft", anchor="end", size=11.5),
        svg.text(0, 11, "↑ accuracy", kind="soft", size=11.5),
    ]


def _steps(ends: Sequence[tuple[float, float]], kind: str) -> str:
    """Return the front as stairs: beyond a point, its accuracy is to be had for more as well."""
    path = f"M{ends[0][0]:.5g} {ends[0][1]:.5g}"
    path += "".join(f"H{x:.5g}V{y:.5g}" for x, y in ends[1:])
    return f'<path d="{path}H{svg.WIDTH - _RIGHT}" class="{kind}"/>'


def _mark(point: Point, colour: int, shape: str, scale: _Scale, best: bool) -> str:
    x, y = scale.x(point.x), scale.y(point.y)
    parts = []
    if point.low is not None and point.high is not None:
        low, high = scale.x(point.low), scale.x(point.high)
        parts.append(f'<path d="M{x:.5g} {y:.5g}H{low:.5g}" class="link s{colour}"/>')
        parts.append(svg.line(low, y, max(high, low + 3), y, f"range s{colour}"))
    kind = f"c{colour}" if point.solid else f"open s{colour}"
    size = 1.15 if best else 0.85
    parts.append(f'<g transform="translate({x:.5g} {y:.5g}) scale({size})">{_shape(shape, kind)}</g>')
    return "".join(parts)


def _shape(shape: str, kind: str) -> str:
    if shape == "circle":
        return f'<circle r="5.5" class="mark {kind}"/>'
    paths = {
        "square": "M-5-5H5V5H-5Z",
        "diamond": "M0-7L7 0L0 7L-7 0Z",
        "up": "M0-6.5L6.5 5H-6.5Z",
        "down": "M0 6.5L6.5-5H-6.5Z",
        "cross": "M-2-6H2V-2H6V2H2V6H-2V2H-6V-2H-2Z",
        "star": "M0-7L2-2L7-2L3 1.5L4.5 7L0 3.7L-4.5 7L-3 1.5L-7-2L-2-2Z",
    }
    return f'<path d="{paths[shape]}" class="mark {kind}"/>'


def _labels(points: Sequence[Point], scale: _Scale) -> list[str]:
    """Write beside points what they are, as long as that does not cover anything."""
    taken = [(scale.x(p.x) - 7, scale.y(p.y) - 7, scale.x(p.x) + 7, scale.y(p.y) + 7) for p in points]
    taken += [(scale.x(p.x), scale.y(p.y) - 3, scale.x(p.high), scale.y(p.y) + 3) for p in points if p.high is not None]
    parts: list[str] = []
    for point in points:
        if not point.label or len(parts) >= _LABELS:
            continue
        x, y, width = scale.x(point.x), scale.y(point.y), svg.width_of(point.label, 11)
        for left, base in ((x - width / 2, y - 10), (x - width / 2, y + 20), (x + 10, y + 4), (x - width - 10, y + 4)):
            box = (left, base - 9, left + width, base + 2)
            inside = box[0] >= _LEFT and box[2] <= svg.WIDTH and box[1] >= 0 and box[3] <= _TOP + _PLOT
            if inside and not any(_meet(box, other) for other in taken):
                taken.append(box)
                parts.append(svg.text(left, base, point.label, kind="soft", size=11))
                break
    return parts


def _meet(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _colour(colours: Sequence[str], name: str) -> int:
    return colours.index(name) % svg.COLOURS + 1
