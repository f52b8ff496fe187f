"""The memory plan over time: each tensor is a box as high as its bytes and as long as it is needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from foldtiny.report import text as say
from foldtiny.report.charts import svg

_LEFT, _TOP, _PLOT, _GAP, _STRIP = 48, 46, 230, 16, 58
_KINDS = {"input": "input", "between": "between layers", "output": "output", "scratch": "working memory"}


def draw(memory: dict[str, Any], key: str, names: Sequence[str] = ()) -> str:
    """Return the chart; an empty text where there is no plan.

    Parameters
    ----------
    memory : dict
        As in ``DeployResult.memory``.
    key : str
        Unlike that of any other chart on the page.
    names : sequence of str
        What the steps are called, from the first layer on.
    """
    tensors, arena = _tensors(memory), say.number(memory.get("arena_bytes"))
    if not tensors or not arena:
        return ""
    steps = int(say.number(memory.get("steps")) or max(t["last"] for t in tensors))
    column = (svg.WIDTH - _LEFT - 4) / (steps + 2)
    scale = _PLOT / arena

    def x(step: float) -> float:
        return _LEFT + column * (min(max(step, -1), steps + 1) + 1)

    def y(address: float) -> float:
        return _TOP + _PLOT - address * scale

    kinds = [kind for kind in _KINDS if any(t["kind"] == kind for t in tensors)]
    overlaps = _overlaps(tensors)
    entries = [(svg.swatch(f"m-{kind}"), _KINDS[kind]) for kind in kinds]
    if overlaps:
        entries.append((svg.swatch("m-between") + _hatch(key, -6, -6, 12, 12), "output over input"))
    parts, _ = svg.legend(entries, 12)
    parts.insert(0, _pattern(key))
    for address in svg.size_ticks(0, arena):
        parts.append(svg.line(_LEFT, y(address), svg.WIDTH - 4, y(address), "grid"))
        parts.append(svg.text(_LEFT - 6, y(address) + 4, say.size(address), kind="soft", anchor="end", size=11))
    for t in tensors:
        seen = x(_covered_from(t, tensors)) - x(t["first"])
        parts.append(_box(t, x(t["first"]), x(t["last"] + 1), y(t["offset"] + t["bytes"]), t["bytes"] * scale, seen))
    for low, high, step in overlaps:
        parts.append(_hatch(key, x(step), y(high), column, (high - low) * scale))
    bottom = _TOP + _PLOT
    parts.append(svg.line(_LEFT, bottom, svg.WIDTH - 4, bottom, "axis"))
    live = [value for v in memory.get("live_bytes") or [] if (value := say.number(v)) is not None]
    if len(live) == steps + 2:
        parts += _strip(live, names, x, column, bottom + _GAP)
        bottom += _GAP + _STRIP
    parts += _steps(steps, x, column, bottom + 14)
    bound = say.number(memory.get("lower_bound_bytes"))
    over = say.plural(steps, "layer")
    said = f"{say.exact(arena, 'bytes')} of RAM hold {say.plural(len(tensors), 'tensor')} over {over}"
    if bound is not None:
        said += f"; at the fullest moment {say.exact(bound, 'bytes')} are needed"
    return svg.wrap(key, "Memory plan over time", said, bottom + 34, parts, kind="memory")


def _tensors(memory: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the well-formed tensors of a plan."""
    numbers = ("offset", "bytes", "first", "last")
    found = [t for t in memory.get("tensors") or [] if isinstance(t, dict)]
    return [
        {**t, "name": str(t.get("name", "")), "kind": t["kind"] if t.get("kind") in _KINDS else "between"}
        for t in found
        if all(say.number(t.get(name)) is not None for name in numbers)
    ]


def _overlaps(tensors: Sequence[dict[str, Any]]) -> list[tuple[float, float, int]]:
    """Return where an output lies over an input that is read at the same step: the addresses and the step."""
    found = []
    for output in tensors:
        for source in tensors:
            if source is output or source["last"] != output["first"] or source["first"] >= output["first"]:
                continue
            low = max(output["offset"], source["offset"])
            high = min(output["offset"] + output["bytes"], source["offset"] + source["bytes"])
            if low < high:
                found.append((low, high, output["first"]))
    return found


def _covered_from(t: dict[str, Any], tensors: Sequence[dict[str, Any]]) -> float:
    """Return the step from which another tensor is drawn over this one, or where it ends."""
    later = (
        o["first"]
        for o in tensors
        if t["first"] < o["first"] <= t["last"]
        and o["offset"] < t["offset"] + t["bytes"]
        and t["offset"] < o["offset"] + o["bytes"]
    )
    return min(later, default=t["last"] + 1)


def _box(t: dict[str, Any], left: float, right: float, top: float, tall: float, seen: float) -> str:
    tall = max(tall, 0.75)
    drawn = [svg.rect(left, top, right - left, tall, f"box m-{t['kind']}")]
    label = say.size(t["bytes"])
    if tall >= 15 and seen >= svg.width_of(label, 11) + 6:
        drawn.append(svg.text(left + 4, top + 12, label, kind=f"on-m-{t['kind']}", size=11))
    when = f"steps {max(t['first'], 0)} to {t['last']}" if t["last"] > max(t["first"], 0) else f"step {t['last']}"
    place = f"{t['bytes']:,} bytes at {t['offset']:,}"
    return svg.tip(f"{t['name']}\n{_KINDS[t['kind']]}: {place}\n{when}", *drawn)


def _strip(live: Sequence[float], names: Sequence[str], x: Any, column: float, top: float) -> list[str]:
    """Draw the bytes in use at each step as columns; the fullest is marked."""
    most = max(live) or 1
    parts = [svg.text(_LEFT - 6, top + 12, "in use", kind="soft", anchor="end", size=11)]
    for index, value in enumerate(live):
        step = index - 1
        tall = (_STRIP - 16) * value / most
        kind = "c2" if value == most else "muted"
        name = "before the first layer" if step < 0 else names[step] if step < len(names) else "after the last layer"
        parts.append(
            svg.tip(
                f"{name}\n{value:,.0f} bytes in use",
                svg.rect(x(step), top, column, _STRIP, "nothing"),
                svg.rect(x(step) + 1, top + _STRIP - tall, max(column - 2, 1), tall, kind, round_=1),
            )
        )
    fullest = live.index(max(live)) - 1
    label = say.size(most)
    middle = min(
        max(x(fullest) + column / 2, _LEFT + svg.width_of(label, 11) / 2), svg.WIDTH - svg.width_of(label, 11) / 2
    )
    parts.append(svg.text(middle, top + 11, label, kind="strong", anchor="middle", size=11))
    return parts


def _steps(steps: int, x: Any, column: float, y: float) -> list[str]:
    every = next(n for n in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 10**9) if n * column >= 22)
    parts = [svg.text(_LEFT - 6, y, "layer", kind="soft", anchor="end", size=11)]
    for step in range(0, steps, every):
        parts.append(svg.text(x(step) + column / 2, y, str(step), kind="soft", anchor="middle", size=11))
    return parts


def _pattern(key: str) -> str:
    return (
        f'<defs><pattern id="{key}-h" width="6" height="6" patternUnits="userSpaceOnUse" '
        'patternTransform="rotate(45)"><rect width="2" height="6" class="hatch"/></pattern></defs>'
    )


def _hatch(key: str, x: float, y: float, width: float, height: float) -> str:
    return (
        f'<rect x="{x:.5g}" y="{y:.5g}" width="{width:.5g}" height="{height:.5g}" fill="url(#{key}-h)" '
        'pointer-events="none"/>'
    )
