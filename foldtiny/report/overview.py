"""What the page shows of all records together: the best ones, trade-offs, and where they were run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from foldtiny.report import text as say
from foldtiny.report.case import Case
from foldtiny.report.charts import pareto

_MOST_SUBJECTS = 8
_MOST_VALUE = 300
# Ranges of estimates hide the points when there are many.
_RANGES = 24


@dataclass(frozen=True, slots=True)
class Tile:
    """A figure worth a large print."""

    title: str
    value: str
    source: str
    detail: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Tradeoff:
    """The charts of one network on one set of images."""

    title: str
    charts: tuple[str, ...]
    missing: int


def tiles(cases: Sequence[Case]) -> list[Tile]:
    """Return the figures of the only record, or the best of several."""
    good = [case for case in cases if case.ok]
    if len(good) == 1:
        return _single(good[0])
    found = []
    if len({case.subject for case in good}) == 1:
        found.append(_best("Most accurate", good, "accuracy", lambda v: say.percent(v, 2), largest=True))
    found.append(_best("Smallest flash", good, "flash", say.size))
    found.append(_best("Least RAM", good, "ram", say.size))
    # A measured time and a count of instructions are not to be ranked with each other.
    for source in ("hardware", "simulated"):
        same = [case for case in good if case.time_source == source]
        found.append(_best("Fastest", same, "ms", say.ms, source=source))
    return [tile for tile in found if tile is not None]


def _single(case: Case) -> list[Tile]:
    found = []
    if case.accuracy is not None:
        detail = f"dense {say.percent(case.dense, 2)}; " if case.dense is not None else ""
        images = f"{say.exact(case.images, 'images')} of {case.dataset}"
        found.append(Tile("Accuracy", say.percent(case.accuracy, 2), "", detail + images, case.anchor))
    for title, value, limit in (("Flash", case.flash, case.flash_limit), ("RAM", case.ram, case.ram_limit)):
        of = f"{say.percent(value / limit)} of {say.size(limit)}" if value is not None and limit else ""
        found.append(Tile(title, say.size(value), case.source, of, case.anchor))
    found.append(
        Tile(
            "One inference",
            say.ms(case.ms),
            case.time_source,
            case.basis.removeprefix(f"{case.time_source}: "),
            case.anchor,
        )
    )
    if case.low is not None and case.high is not None:
        model = str(say.dig(case.result, "latency", "estimated", "model") or "")
        found.append(Tile("One inference", say.ms_range(case.low, case.high), "estimated", model, case.anchor))
    return found


def _best(
    title: str, cases: Sequence[Case], name: str, shown: Any, *, largest: bool = False, source: str | None = None
) -> Tile | None:
    known = [case for case in cases if getattr(case, name) is not None]
    if not known:
        return None
    best = (max if largest else min)(known, key=lambda case: getattr(case, name))
    where = f"{best.board}, {best.folding}" if len({c.model for c in cases}) == 1 else f"{best.name}, {best.folding}"
    said = ("" if name == "accuracy" else best.source) if source is None else source
    return Tile(title, shown(getattr(best, name)), said, where, best.anchor)


def tradeoffs(cases: Sequence[Case]) -> list[Tradeoff]:
    """Return accuracy against flash and against time, for each network that was run in several ways."""
    subjects: dict[str, list[Case]] = {}
    for case in cases:
        if case.ok and case.accuracy is not None:
            subjects.setdefault(case.subject, []).append(case)
    several = {subject: group for subject, group in subjects.items() if len(group) > 1}
    found = []
    for number, (subject, group) in enumerate(list(several.items())[:_MOST_SUBJECTS]):
        flash = _points(group, "flash", lambda case: f"{say.exact(case.flash)} of flash")
        time = _points(group, "ms", lambda case: f"{say.ms(case.ms)}, {case.time_source or 'source unknown'}")
        charts = (
            pareto.draw(flash, f"p{number}-size", "Accuracy against flash", "flash", say.size, fronts=False),
            pareto.draw(time, f"p{number}-time", "Accuracy against time", "one inference", say.ms, fronts=True),
        )
        found.append(Tradeoff(subject, tuple(chart for chart in charts if chart), len(several) - _MOST_SUBJECTS))
    return found


def _points(cases: Sequence[Case], name: str, figure: Any) -> list[pareto.Point]:
    known = [case for case in cases if (getattr(case, name) or 0) > 0]
    ranges = name == "ms" and len(known) <= _RANGES
    points = []
    for case in known:
        hint = [case.name, case.folding, f"accuracy {say.percent(case.accuracy, 2)}", figure(case)]
        low, high = (case.low, case.high) if ranges and case.time_source != "hardware" else (None, None)
        if low is not None and high is not None:
            hint.append(f"estimated {say.ms_range(low, high)}")
        if case.settings:
            hint.insert(2, ", ".join(case.settings))
        point = pareto.Point(
            x=getattr(case, name),
            y=case.accuracy or 0,
            colour=case.board,
            shape=case.method or "not folded",
            label=say.short_percent(case.sparsity) if case.sparsity is not None else "",
            hint="\n".join(hint),
            anchor=case.anchor,
            solid=case.time_source == "hardware" if name == "ms" else case.source == "hardware",
            low=low,
            high=high,
        )
        points.append(point)
    return points


def environment(cases: Sequence[Case]) -> tuple[list[tuple[str, str]], dict[int, list[tuple[str, str]]]]:
    """Return what all records have in common of their environments, and what only each one has, by row."""
    flat = {case.row: _flatten(case.environment) for case in cases}
    filled = [entries for entries in flat.values() if entries]
    common: dict[str, str] = {}
    if filled:
        common = {k: v for k, v in filled[0].items() if all(entries.get(k) == v for entries in filled)}
    own = {row: [(k, v) for k, v in entries.items() if k not in common] for row, entries in flat.items()}
    return list(common.items()), own


def _flatten(value: Any, name: str = "") -> dict[str, str]:
    if isinstance(value, dict):
        found: dict[str, str] = {}
        for key, inner in value.items():
            found |= _flatten(inner, f"{name}.{key}" if name else str(key))
        return found
    if value is None:
        return {}
    said = " ".join(str(item) for item in value) if isinstance(value, list) else str(value)
    return {name: said if len(said) <= _MOST_VALUE else said[:_MOST_VALUE] + "…"}
