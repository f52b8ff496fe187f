"""What fills a memory, as rectangles whose areas are bytes (squarified: Bruls, Huizing and van Wijk, 2000)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from foldtiny.report import text as say
from foldtiny.report.charts import svg

_LIMIT_BAR = 30


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a memory; ``kind`` is a class of the style sheet, ``group`` what the legend calls it."""

    label: str
    bytes: float
    group: str
    kind: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle."""

    x: float
    y: float
    width: float
    height: float


def squarify(sizes: Sequence[float], box: Box) -> list[Box]:
    """Divide a rectangle into one for each size, of that share of its area, as square as possible.

    Parameters
    ----------
    sizes : sequence of float
        Positive, largest first.
    """
    found: list[Box] = []
    rest, left = list(sizes), box
    while rest:
        scale = left.width * left.height / sum(rest)
        side = min(left.width, left.height)
        taken = 1
        while taken < len(rest) and _worst(rest[: taken + 1], side, scale) <= _worst(rest[:taken], side, scale):
            taken += 1
        row, rest = rest[:taken], rest[taken:]
        thick = sum(row) * scale / side if side else 0
        along = 0.0
        for size in row:
            length = size * scale / thick if thick else 0
            if left.width >= left.height:
                found.append(Box(left.x, left.y + along, thick, length))
            else:
                found.append(Box(left.x + along, left.y, length, thick))
            along += length
        if left.width >= left.height:
            left = Box(left.x + thick, left.y, max(left.width - thick, 0), left.height)
        else:
            left = Box(left.x, left.y + thick, left.width, max(left.height - thick, 0))
    return found


def _worst(row: Sequence[float], side: float, scale: float) -> float:
    """Return the longest side over the shortest, of the worst rectangle of a row."""
    area = sum(row) * scale
    if not side or not area:
        return float("inf")
    return max(max(side * side * s * scale / area**2, area**2 / (side * side * s * scale)) for s in row)


def draw(parts: Sequence[Part], key: str, title: str, height: float, limit: float | None = None) -> str:
    """Return the chart; an empty text where nothing takes any room.

    Parameters
    ----------
    height : float
        Of the rectangle itself.
    limit : float, optional
        Bytes that the board has: drawn as a bar under the rectangle.
    """
    shown = sorted((part for part in parts if part.bytes > 0), key=lambda part: -part.bytes)
    if not shown:
        return ""
    total = sum(part.bytes for part in shown)
    sums: dict[tuple[str, str], float] = {}
    for part in shown:
        sums[part.kind, part.group] = sums.get((part.kind, part.group), 0) + part.bytes
    ordered = sorted(sums.items(), key=lambda item: -item[1])
    entries = [(svg.swatch(kind), f"{group} {say.size(size)}") for (kind, group), size in ordered]
    body, top = svg.legend(entries, 12)
    for part, box in zip(shown, squarify([p.bytes for p in shown], Box(0, top, svg.WIDTH, height)), strict=True):
        body.append(_tile(part, box, total))
    bottom = top + height
    if limit:
        body += _against(total, limit, bottom + 8)
        bottom += _LIMIT_BAR
    said = "; ".join(f"{part.label}: {say.exact(part.bytes, 'bytes')}" for part in shown[:12])
    return svg.wrap(key, title, said, bottom + 4, body, kind="treemap")


def _tile(part: Part, box: Box, total: float) -> str:
    drawn = [svg.rect(box.x, box.y, box.width, box.height, f"tile {part.kind}")]
    room = box.width - 10
    if box.height >= 20 and room > 24:
        if label := _label(part.label, room):
            drawn.append(svg.text(box.x + 6, box.y + 16, label, kind=f"on-{part.kind}"))
        figures = f"{say.size(part.bytes)} · {say.percent(part.bytes / total)}"
        figures = figures if svg.width_of(figures, 11.5) <= room else say.size(part.bytes)
        if box.height >= 36 and svg.width_of(figures, 11.5) <= room:
            drawn.append(svg.text(box.x + 6, box.y + 31, figures, kind=f"on-{part.kind} weak", size=11.5))
    hint = f"{part.label}\n{part.group}: {part.bytes:,.0f} bytes, {say.percent(part.bytes / total)}"
    return svg.tip(f"{hint}\n{part.hint}".strip(), *drawn)


def _label(label: str, room: float) -> str:
    """Return as much of a name as can be understood: all of it, most of it, its first word, or nothing."""
    first = label.split()[0] if label.split() else ""
    cut = svg.fit(label, room)
    if cut == label or len(cut) >= 9:
        return cut
    return first if svg.width_of(first) <= room else ""


def _against(total: float, limit: float, top: float) -> list[str]:
    share = total / limit
    said = f"{say.percent(share)} of the board's {say.size(limit)}"
    width = svg.WIDTH - svg.width_of(said, 12) - 12
    return [
        svg.rect(0, top, width, 9, "track", round_=4),
        svg.rect(0, top, max(width * min(share, 1), 3), 9, "bad" if share > 1 else "soft-fill", round_=4),
        svg.text(svg.WIDTH, top + 9, said, kind="soft", anchor="end", size=12),
    ]
