"""What each layer costs, as bars: what it took where the firmware was profiled, otherwise its multiply-accumulates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from foldtiny.report import text as say
from foldtiny.report.charts import svg

_ROW = 40
_MOST = 40


@dataclass(frozen=True, slots=True)
class Bar:
    """One layer: shares of the whole (0 to 1), and texts."""

    label: str
    share: float
    shadow: float
    figures: str
    hint: str


def unit_of(layers: Sequence[dict[str, Any]]) -> str | None:
    """Return what layers were timed in (``instructions``, ``cycles``, …), or None where they were not."""
    for layer in layers:
        unit = layer.get("unit")
        if isinstance(unit, str) and say.number(layer.get(unit)) is not None:
            return unit
    return None


def name_of(layer: dict[str, Any], position: int) -> str:
    """Return what a layer is called in charts: its number and its operators."""
    operators = layer.get("operators")
    names = " + ".join(str(o).lower() for o in operators) if isinstance(operators, list) else str(layer.get("name", ""))
    return f"{layer.get('layer', position)}  {names}"


def draw(layers: Sequence[dict[str, Any]], key: str) -> str:
    """Return the chart; an empty text where there are no layers.

    Parameters
    ----------
    layers : sequence of dict
        As in ``DeployResult.layers``.
    key : str
        Unlike that of any other chart on the page.
    """
    if not layers:
        return ""
    unit = unit_of(layers)
    bars = _bars(layers, unit)
    shown, rest = _most_expensive(bars)
    longest = max((max(bar.share, bar.shadow) for bar in shown), default=0) or 1
    parts = []
    top = 24.0
    entries = [(svg.swatch("c1"), unit or "MACs")]
    if unit:
        entries.append((svg.rect(-6, -2, 12, 4, "muted", round_=1), "MACs"))
    else:
        entries.append((svg.rect(-6, -2, 12, 4, "muted", round_=1), "bytes moved"))
    marks, _ = svg.legend([(mark, f"share of {content}") for mark, content in entries], 12)
    parts += marks
    for bar in shown:
        figures = svg.width_of(bar.figures, 12)
        label = svg.fit(bar.label, svg.WIDTH - figures - 12)
        drawn = [
            # A row is one target for the pointer, gaps included.
            svg.rect(0, top, svg.WIDTH, _ROW, "nothing"),
            svg.text(0, top + 14, label),
            svg.text(svg.WIDTH, top + 14, bar.figures, kind="soft", anchor="end", size=12),
            svg.rect(0, top + 19, max(svg.WIDTH * bar.share / longest, 1), 11, "c1", round_=2),
        ]
        if bar.shadow > 0:
            drawn.append(svg.rect(0, top + 31, max(svg.WIDTH * bar.shadow / longest, 1), 3.5, "muted", round_=1))
        parts.append(svg.tip(bar.hint, *drawn))
        top += _ROW
    if rest:
        share = sum(bar.share for bar in rest)
        said = f"and {say.plural(len(rest), 'smaller layer')}: {say.percent(share)} in all (see the table)"
        parts.append(svg.text(0, top + 14, said, kind="soft"))
        top += 22
    what = f"{unit} of each layer" if unit else "multiply-accumulates of each layer, counted when compiling"
    said = "; ".join(f"{bar.label}: {say.percent(bar.share)}" for bar in shown[:12])
    return svg.wrap(key, f"Layers: {what}", said, top + 2, parts, kind="layers")


def _bars(layers: Sequence[dict[str, Any]], unit: str | None) -> list[Bar]:
    macs = [say.number(layer.get("macs")) or 0 for layer in layers]
    moved = [say.number(layer.get("bytes_moved")) or 0 for layer in layers]
    spent = [say.number(layer.get(unit)) or 0 for layer in layers] if unit else macs
    shadows = macs if unit else moved
    whole, whole_shadow = sum(spent) or 1, sum(shadows) or 1
    found = []
    for position, layer in enumerate(layers):
        label = name_of(layer, position)
        per_mac = f"{spent[position] / macs[position]:.2f}/MAC" if unit and macs[position] else ""
        share = spent[position] / whole
        known = [say.small_percent(share), say.count(spent[position]) if spent[position] else "", per_mac]
        hint = [
            label,
            *([f"{spent[position]:,.0f} {unit}, {say.percent(share)}"] if unit else []),
            f"{macs[position]:,.0f} multiply-accumulates, {say.percent(macs[position] / (sum(macs) or 1))}",
            *([f"{per_mac.removesuffix('/MAC')} {unit} per multiply-accumulate"] if per_mac else []),
            f"{moved[position]:,.0f} bytes moved",
            str(layer.get("kernel") or ""),
        ]
        bar = Bar(
            label=label,
            share=share,
            shadow=shadows[position] / whole_shadow,
            figures=" · ".join(part for part in known if part),
            hint="\n".join(part for part in hint if part),
        )
        found.append(bar)
    return found


def _most_expensive(bars: list[Bar]) -> tuple[list[Bar], list[Bar]]:
    """Return the bars to draw, in order, and those that are too many."""
    if len(bars) <= _MOST:
        return bars, []
    least = sorted((bar.share for bar in bars), reverse=True)[_MOST - 1]
    shown = [bar for bar in bars if bar.share >= least][:_MOST]
    kept = {id(bar) for bar in shown}
    return shown, [bar for bar in bars if id(bar) not in kept]
