"""Boards and sparsities side by side, as in the poster's Table 2, with its figures where it has the cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from foldtiny.report import poster
from foldtiny.report import text as say
from foldtiny.report.case import Case

_MOST = 8


@dataclass(frozen=True, slots=True)
class Entry:
    """A figure: what was found, where it is from, the poster's figure, and how many times smaller ours is."""

    value: str
    source: str
    paper: str = ""
    factor: str = ""
    exact: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A sparsity on one board; ``method`` where there are several."""

    sparsity: str
    method: str
    anchor: str
    failed: str
    time: tuple[Entry, ...]
    ram: Entry
    flash: Entry
    accuracy: str


@dataclass(frozen=True, slots=True)
class Board:
    """The lines of one board."""

    board: str
    device: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Matrix:
    """All boards for one network folded and compiled in one way."""

    title: str
    paper: bool
    boards: tuple[Board, ...]


def build(cases: Sequence[Case], parameters: dict[int, float | None]) -> list[Matrix]:
    """Return a matrix for each network that was folded to two sparsities or more, or that the poster has.

    Parameters
    ----------
    cases : sequence of Case
    parameters : dict
        The parameters of the dense network, by the cases' ``row``.
    """
    groups: dict[tuple[object, ...], list[Case]] = {}
    for case in cases:
        if case.sparsity is not None:
            key = (case.model, case.precision, case.runtime, case.settings)
            groups.setdefault(key, []).append(case)
    # A failed run has no result that says how many parameters the network has; its neighbours know.
    found = []
    for group in groups.values():
        known = next((parameters[case.row] for case in group if parameters.get(case.row)), None)
        printed = {c.row: poster.find(c.board, known, c.sparsity) for c in group}
        levels = {round(c.sparsity or 0, 3) for c in group}
        if len(levels) < 2 and not any(printed.values()):
            continue
        one = group[0]
        methods = list(dict.fromkeys(case.method for case in group if case.method))
        words = (one.model, " / ".join(methods[:4]), one.precision, one.runtime, *one.settings)
        title = ", ".join(word for word in words if word)
        names = list(dict.fromkeys(case.board for case in group))
        boards = tuple(_board(name, [c for c in group if c.board == name], printed, len(methods) > 1) for name in names)
        found.append(Matrix(title, any(printed.values()), boards))
    return found[:_MOST]


def _board(name: str, cases: Sequence[Case], printed: dict[int, poster.Printed | None], methods: bool) -> Board:
    ordered = sorted(_settled(cases), key=lambda case: (case.sparsity or 0, case.method, case.row))
    device = next((case.device for case in ordered if case.device), "")
    return Board(name, device, tuple(_line(case, printed[case.row], methods) for case in ordered))


def _settled(cases: Sequence[Case]) -> list[Case]:
    """Return the last record of each sparsity, method and source; failures only of what never ended well."""
    last = {(case.sparsity, case.method, case.source): case for case in cases if case.ok}
    done = {(sparsity, method) for sparsity, method, _ in last}
    failures = {(c.sparsity, c.method): c for c in cases if not c.ok and (c.sparsity, c.method) not in done}
    return [*last.values(), *failures.values()]


def _line(case: Case, paper: poster.Printed | None, methods: bool) -> Line:
    times = [Entry(say.ms(case.ms), case.time_source)] if case.ms is not None else []
    if case.low is not None and case.high is not None and case.time_source != "hardware":
        times.append(Entry(say.ms_range(case.low, case.high), "estimated"))
    if paper and times:
        # The most cautious figure there is stands against what the poster measured.
        slowest = case.high if times[-1].source == "estimated" else case.ms
        last = times[-1]
        times[-1] = Entry(last.value, last.source, f"{paper.ms:,} ms", say.factor(paper.ms, slowest))
    elif paper:
        times = [Entry("–", "", f"{paper.ms:,} ms")]
    return Line(
        sparsity=say.short_percent(case.sparsity),
        method=case.method if methods else "",
        anchor=case.anchor,
        failed=case.error,
        time=tuple(times),
        ram=_bytes(case.ram, case.source, paper.ram if paper else None),
        flash=_bytes(case.flash, case.source, paper.flash if paper else None),
        accuracy=say.percent(case.accuracy, 2),
    )


def _bytes(value: float | None, source: str, paper: float | None) -> Entry:
    printed = f"{paper / 1024:.1f} K" if paper and paper < 1024 * 1024 else f"{paper / 1024**2:.1f} M" if paper else ""
    return Entry(
        say.size(value), source if value is not None else "", printed, say.factor(paper, value), say.exact(value)
    )
