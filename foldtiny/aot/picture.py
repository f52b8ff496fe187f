"""Draws a memory plan over time as an SVG: layers from left to right, addresses from bottom to top."""

from __future__ import annotations

from html import escape
from pathlib import Path

from foldtiny.aot.compile import CompiledModel
from foldtiny.aot.plan import Placement
from foldtiny.errors import UsageError
from foldtiny.resources import write_atomic

_LEFT, _TOP, _BOTTOM, _RIGHT, _PLOT_HEIGHT = 90, 64, 170, 24, 480
_MIN_COLUMN, _WIDTH = 42, 900
_COLOURS = {"input": "#7fb3d5", "output": "#f0b27a", "between": "#a9dfbf", "scratch": "#d5d8dc"}
_LEGEND = {"input": "input", "output": "output", "between": "between layers", "scratch": "working memory"}
_LABEL_HEIGHT = 11


def write(compiled: CompiledModel, path: Path, title: str) -> None:
    """Write the picture of a network's memory plan.

    Raises
    ------
    UsageError
        If the file's name does not end in .svg.
    """
    if path.suffix.lower() != ".svg":
        raise UsageError(
            f"the picture of the memory plan cannot be a '{path.suffix}' file (allowed: .svg)",
            "write it like --plot-memory memory.svg",
        )
    write_atomic(path, memory_svg(compiled, title))


def memory_svg(compiled: CompiledModel, title: str) -> str:
    """Return the picture: every tensor is a box as high as its bytes and as long as it is needed."""
    plan, layers = compiled.plan, len(compiled.layers)
    column = max(_MIN_COLUMN, _WIDTH // (layers + 2))
    width, height = _LEFT + column * (layers + 2) + _RIGHT, _TOP + _PLOT_HEIGHT + _BOTTOM
    scale = _PLOT_HEIGHT / max(plan.arena_bytes, 1)

    def x(step: int) -> int:
        return _LEFT + column * (step + 1)

    def y(address: int) -> float:
        return _TOP + _PLOT_HEIGHT - address * scale

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif">',
        '<defs><pattern id="over" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        '<rect width="3" height="6" fill="#c0392b" fill-opacity="0.45"/></pattern></defs>',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<text x="{_LEFT}" y="22" font-size="15">{escape(title)}: {plan.arena_bytes:,} bytes of RAM '
        f"({plan.lower_bound_bytes:,} at the fullest moment)</text>",
        *_legend(),
        *_axis(plan.arena_bytes, scale, width),
    ]
    for step in range(-1, layers + 1):
        at = f"{step} {' + '.join(compiled.layers[step].operators)}" if 0 <= step < layers else ""
        name = at or ("start" if step < 0 else "end")
        middle, base = x(step) + column / 2 + 4, _TOP + _PLOT_HEIGHT + 12
        parts.append(
            f'<text x="{middle:g}" y="{base}" font-size="11" text-anchor="end" '
            f'transform="rotate(-60 {middle:g} {base})">{escape(name.lower())}</text>'
        )
    for item in plan.tensors:
        first, last = x(max(item.first, -1)), x(min(item.last, layers) + 1)
        top, tall = y(item.offset + item.bytes), max(item.bytes * scale, 0.5)
        parts.append(
            f'<rect x="{first}" y="{top:.1f}" width="{last - first}" height="{tall:.1f}" stroke="#34495e" '
            f'fill="{_COLOURS[_kind(item, layers)]}" fill-opacity="0.8"><title>{escape(item.name)}: {item.bytes:,} '
            f"bytes at {item.offset:,}</title></rect>"
        )
        if tall >= _LABEL_HEIGHT and last - first >= _MIN_COLUMN:
            label = f"{item.bytes:,}"
            parts.append(f'<text x="{first + 3}" y="{top + _LABEL_HEIGHT:.1f}" font-size="10">{label}</text>')
    places = {item.tensor: item for item in plan.tensors if item.tensor >= 0}
    for reuse in plan.reuses:
        output, source = places[reuse.output], places[reuse.input]
        low, high = max(output.offset, source.offset), min(output.offset + output.bytes, source.offset + source.bytes)
        if low < high:
            parts.append(
                f'<rect x="{x(output.first)}" y="{y(high):.1f}" width="{column}" height="{(high - low) * scale:.1f}" '
                'fill="url(#over)"/>'
            )
    return "\n".join([*parts, "</svg>", ""])


def _kind(item: Placement, layers: int) -> str:
    if item.tensor < 0:
        return "scratch"
    return "input" if item.first < 0 else "output" if item.last >= layers else "between"


def _legend() -> list[str]:
    parts, at = [], _LEFT
    entries = [(text, _COLOURS[kind]) for kind, text in _LEGEND.items()] + [("output over input", "url(#over)")]
    for text, colour in entries:
        parts.append(f'<rect x="{at}" y="34" width="14" height="14" stroke="#34495e" fill="{colour}"/>')
        parts.append(f'<text x="{at + 19}" y="46" font-size="12">{text}</text>')
        at += 40 + 7 * len(text)
    return parts


def _axis(arena: int, scale: float, width: int) -> list[str]:
    """Return horizontal lines at round numbers of bytes."""
    step = 16
    while arena / step > 8:
        step *= 2
    parts = []
    for address in range(0, arena + 1, step):
        at = _TOP + _PLOT_HEIGHT - address * scale
        parts.append(f'<line x1="{_LEFT}" y1="{at:.1f}" x2="{width - _RIGHT}" y2="{at:.1f}" stroke="#e5e8e8"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{at + 4:.1f}" font-size="11" text-anchor="end">{address:,}</text>')
    return parts
