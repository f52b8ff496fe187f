"""What folding left of each layer: its width before, as a track, and after, as a bar on it."""

from __future__ import annotations

from collections.abc import Sequence

from foldtiny.report import text as say
from foldtiny.report.charts import svg

_ROW = 34
_MOST = 60


def draw(layers: Sequence[tuple[str, int, int]], key: str) -> str:
    """Return the chart; an empty text where there are no layers.

    Parameters
    ----------
    layers : sequence of (str, int, int)
        Name, width before and width after.
    """
    shown = [layer for layer in layers if layer[1] > 0]
    if not shown:
        return ""
    changed = [layer for layer in shown if layer[2] != layer[1]]
    rest = 0
    if len(shown) > _MOST:
        kept = changed[:_MOST]
        rest, shown = len(shown) - len(kept), kept
    widest = max((before for _, before, _ in shown), default=1)
    marks, _ = svg.legend([(svg.swatch("c3"), "channels that stay"), (svg.swatch("gone"), "folded away")], 12)
    parts, top = list(marks), 24.0
    for name, before, after in shown:
        # The square root leaves narrow layers visible beside wide ones.
        full = max(svg.WIDTH * (before / widest) ** 0.5, 4)
        change = "as before" if after == before else f"{(after - before) / before * 100:+.0f} %".replace("-", "−")
        figures = f"{before:,} → {after:,} · {change}" if after != before else f"{before:,} · {change}"
        room = svg.WIDTH - svg.width_of(figures, 12) - 12
        parts.append(
            svg.tip(
                f"{name}\n{before:,} channels before, {after:,} after",
                svg.rect(0, top, svg.WIDTH, _ROW, "nothing"),
                svg.text(0, top + 13, svg.fit(name, room)),
                svg.text(svg.WIDTH, top + 13, figures, kind="soft", anchor="end", size=12),
                svg.rect(0, top + 18, full, 10, "gone", round_=2),
                svg.rect(0, top + 18, max(full * min(after / before, 1), 1.5), 10, "c3", round_=2),
            )
        )
        top += _ROW
    if rest:
        parts.append(svg.text(0, top + 13, f"and {say.plural(rest, 'more layer')} (see the table)", kind="soft"))
        top += 22
    said = "; ".join(f"{name}: {before} to {after}" for name, before, after in shown[:12])
    return svg.wrap(key, "Widths before and after folding", said, top + 2, parts, kind="widths")
