"""What the page shows of one record when it is opened: charts, and the same as tables."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from foldtiny.report import text as say
from foldtiny.report.case import Case
from foldtiny.report.charts import layers as layer_chart
from foldtiny.report.charts import memory as memory_chart
from foldtiny.report.charts import treemap, widths

_GROUPS = {
    "model": ("model", "c1"),
    "engine": ("engine", "c2"),
    "firmware": ("firmware", "c3"),
    "library": ("libraries", "c4"),
    "unnamed": ("without a name", "c7"),
    "tensors": ("tensors", "c1"),
    "static": ("variables", "c3"),
    "stack": ("stack", "c2"),
}


@dataclass(frozen=True, slots=True)
class Table:
    """A table: columns (those that hold numbers are right-aligned) and lines."""

    columns: tuple[str, ...]
    numeric: frozenset[int]
    lines: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Panel:
    """A chart with its heading, a sentence about it, and its table."""

    title: str
    text: str
    charts: tuple[str, ...]
    table: Table | None = None
    source: str = ""
    items: tuple[str, ...] = ()


def columns(case: Case) -> list[list[Panel]]:
    """Return all panels for which the record has figures, in two columns (on a phone, one after the other)."""
    made = ((_layers(case), _folding(case), _ram(case)), (_flash(case), _memory(case)))
    found = [[panel for panel in column if panel is not None] for column in made]
    return [column for column in found if column]


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _layers(case: Case) -> Panel | None:
    layers = _dicts(case.result.get("layers"))
    if not layers:
        return None
    unit = layer_chart.unit_of(layers)
    columns = ["layer", "kernel", "output", "MACs", "constants", "bytes moved"]
    lines = []
    for position, layer in enumerate(layers):
        shape = layer.get("output_shape")
        line = [
            layer_chart.name_of(layer, position),
            str(layer.get("kernel") or ""),
            "×".join(str(n) for n in shape) if isinstance(shape, list) else "",
            *(say.exact(say.number(layer.get(name)), "") for name in ("macs", "constant_bytes", "bytes_moved")),
        ]
        if unit:
            spent, per = say.number(layer.get(unit)), say.number(layer.get(f"{unit}_per_mac"))
            line += [say.exact(spent, ""), say.percent(say.number(layer.get("share")))]
            line += ["–" if per is None else f"{per:.2f}"]
        lines.append(tuple(line))
    if unit:
        columns += [unit, "share", "per MAC"]
        said = f"What one inference spends in each layer, in {unit}; the thin bar is the layer's share of the MACs."
        if unit == "instructions":
            said += " Instructions are counted, exact and repeatable, but they are not cycles."
    else:
        said = (
            "This run was not profiled (the firmware that times layers is a little larger and slower), so the bars are "
            "multiply-accumulates (MACs), counted when compiling. Deploy with --profile for what each layer takes."
        )
    table = Table(tuple(columns), frozenset(range(3, len(columns))), tuple(lines))
    chart = layer_chart.draw(layers, f"{case.anchor}-layers")
    return Panel("What each layer costs", said, (chart,), table, case.source if unit else "")


def _parts(case: Case, memory: str) -> list[treemap.Part]:
    layers = _dicts(case.result.get("layers"))
    found = []
    for part in _dicts(say.dig(case.result, "footprint", memory)):
        size = say.number(part.get("bytes"))
        if not size:
            continue
        name, number = str(part.get("name", "")), say.number(part.get("layer"))
        hint = ""
        if number is not None and 0 <= number < len(layers):
            name, hint = layer_chart.name_of(layers[int(number)], int(number)), str(layers[int(number)].get("name", ""))
        group, kind = _GROUPS.get(str(part.get("group")), ("other", "c7"))
        found.append(treemap.Part(name, size, group, kind, hint))
    return found


def _part_table(parts: Sequence[treemap.Part]) -> Table:
    total = sum(part.bytes for part in parts) or 1
    lines = tuple((p.label, p.group, say.exact(p.bytes, ""), say.percent(p.bytes / total)) for p in parts)
    return Table(("part", "belongs to", "bytes", "share"), frozenset({2, 3}), lines)


def _flash(case: Case) -> Panel | None:
    parts = _parts(case, "flash")
    if not parts:
        return None
    chart = treemap.draw(parts, f"{case.anchor}-flash", "What fills the flash", 220, case.flash_limit)
    said = f"{say.exact(case.flash)} are stored, by the symbols of the firmware's ELF file."
    return Panel("What fills the flash", said, (chart,), _part_table(parts), case.source)


def _ram(case: Case) -> Panel | None:
    parts = _parts(case, "ram")
    if not parts:
        return None
    chart = treemap.draw(parts, f"{case.anchor}-ram", "What fills the RAM", 120, case.ram_limit)
    said = f"{say.exact(case.ram)}: the arena that holds all tensors, variables, and the stack at its deepest."
    if case.runtime == "tflm":
        said += " TFLite Micro's interpreter places tensors itself, so there is no plan over time to draw."
    return Panel("What fills the RAM", said, (chart,), _part_table(parts), case.source)


def _memory(case: Case) -> Panel | None:
    plan = case.result.get("memory")
    if not isinstance(plan, dict):
        return None
    names = [layer_chart.name_of(layer, i) for i, layer in enumerate(_dicts(case.result.get("layers")))]
    chart = memory_chart.draw(plan, f"{case.anchor}-memory", names)
    if not chart:
        return None
    arena, bound = (say.number(plan.get(name)) for name in ("arena_bytes", "lower_bound_bytes"))
    said = f"The arena's addresses (upwards) over the layers (to the right): {say.exact(arena)}"
    if arena is not None and bound is not None:
        said += " is as small as it can be." if arena <= bound else f"; {say.exact(bound)} at the fullest moment."
    lines = tuple(
        (
            str(t.get("name", "")),
            str(t.get("kind", "")),
            *(say.exact(say.number(t.get(name)), "") for name in ("offset", "bytes", "first", "last")),
        )
        for t in _dicts(plan.get("tensors"))
    )
    table = Table(("tensor", "kind", "address", "bytes", "from step", "to step"), frozenset({2, 3, 4, 5}), lines)
    return Panel("Memory over time", said, (chart,), table)


def _folding(case: Case) -> Panel | None:
    folding = case.result.get("folding")
    widths_ = _widths(folding) if isinstance(folding, dict) else []
    if not isinstance(folding, dict) or not widths_:
        return None
    before, after = (say.number(folding.get(f"parameters_{name}")) for name in ("dense", "folded"))
    said = f"{say.exact(before, '')} → {say.exact(after, '')} parameters"
    asked, reached = (say.number(folding.get(name)) for name in ("sparsity_requested", "sparsity"))
    if asked is not None and reached is not None:
        said += f": {say.percent(reached)} removed, {say.short_percent(asked)} asked for"
    ways = [f"{name} {folding[name]}" for name in ("method", "budget", "repair") if folding.get(name)]
    said += f" ({', '.join(ways)})." if ways else "."
    items = []
    for group in _dicts(folding.get("groups")):
        layers = group.get("layers")
        names = [str(n) for n in layers] if isinstance(layers, list) else []
        wide, left = group.get("dense_width"), group.get("folded_width")
        kept = f"{wide} → {left}" if wide != left else f"all {wide} stay"
        who = ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
        items.append(f"{group.get('name', '')}: {kept} channels by {group.get('method', '?')}; it runs through {who}")
    items += [f"left alone: {s.get('name', '')}, {s.get('reason', '')}" for s in _dicts(folding.get("skipped"))]
    notes = folding.get("notes")
    items += [str(note) for note in notes] if isinstance(notes, list) else []
    chart = widths.draw(widths_, f"{case.anchor}-widths")
    lines = tuple((name, f"{b:,}", f"{a:,}") for name, b, a in widths_)
    table = Table(("layer", "before", "after"), frozenset({1, 2}), lines)
    return Panel("What folding did", said, (chart,), table, items=tuple(items))


def _widths(folding: dict[str, Any]) -> list[tuple[str, int, int]]:
    """Return the widths in the order in which the layers run, as far as the groups tell it (JSON sorts by name)."""
    layers = folding.get("layers")
    if not isinstance(layers, dict):
        return []
    known = {
        str(name): (int(pair[0]), int(pair[1]))
        for name, pair in layers.items()
        if isinstance(pair, list | tuple) and len(pair) == 2 and all(say.number(n) is not None for n in pair)
    }
    order: dict[str, int] = {}
    for group in _dicts(folding.get("groups")):
        names = group.get("layers")
        for name in names if isinstance(names, list) else []:
            order.setdefault(str(name), len(order))
    ordered = sorted(known, key=lambda name: (order.get(name, len(order)), _natural(name)))
    return [(name, *known[name]) for name in ordered]


def _natural(name: str) -> list[tuple[int, str]]:
    """Return a key that sorts layer 10 after layer 9."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", name)]
