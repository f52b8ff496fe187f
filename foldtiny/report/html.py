"""One page that shows records: it needs nothing from the network, and no JavaScript to be read."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foldtiny import __version__
from foldtiny.report import case as cases_
from foldtiny.report import detail, facts, matrix, overview
from foldtiny.report import text as say
from foldtiny.report.case import Case
from foldtiny.report.charts import pareto
from foldtiny.resources import write_atomic

if TYPE_CHECKING:
    import jinja2

_PAGE = Path(__file__).resolve().parent / "page"
# Each opened record brings tens of kilobytes of drawings; a page for a phone must not have hundreds of them.
MOST_DETAILS = 40
_OPEN = 1


def write(records: list[dict[str, Any]], path: Path) -> None:
    """Write a page with all records: tables, trade-offs, and for each what its layers and memory look like.

    Parameters
    ----------
    records : list of dict
        As ``foldtiny bench`` writes them; fields that are missing are left out of the page.
    path : Path
        The page; it is either whole or not there.

    Raises
    ------
    FoldtinyError
        If the file cannot be written.
    """
    write_atomic(path, render(records))


def render(records: Sequence[dict[str, Any]]) -> str:
    """Return the page."""
    from markupsafe import Markup

    script = (_PAGE / "report.js").read_text("utf-8")
    page = (
        _templates()
        .get_template("report.html.j2")
        .render(
            **_values(records),
            style=Markup((_PAGE / "report.css").read_text("utf-8")),
            script=Markup(script),
            script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
            version=__version__,
        )
    )
    return say.clean(page)


@cache
def _templates() -> jinja2.Environment:
    import jinja2
    from markupsafe import Markup

    found = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_PAGE),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=True,
    )
    found.filters |= {name: getattr(say, name) for name in ("size", "exact", "ms", "percent")}
    found.globals |= {"plural": say.plural, "svg": Markup, "range_text": say.ms_range}
    return found


def _values(records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    found = [cases_.read(record, row) for row, record in enumerate(records, start=1)]
    good = [case for case in found if case.ok]
    shown = _chosen(good)
    common, own = overview.environment(found)
    parameters = {case.row: say.number(say.dig(case.result, "parameters", "dense")) for case in found}
    starts = sorted(case.started for case in found if case.started)
    return {
        "title": _title(found),
        "cases": found,
        "good": good,
        "failed": [case for case in found if not case.ok],
        "tiles": overview.tiles(found),
        "matrices": matrix.build(found, parameters),
        "tradeoffs": overview.tradeoffs(found),
        "details": [_detail(case, own) for case in shown],
        "opened": {case.anchor for case in shown},
        "left_out": len(good) - len(shown),
        "open": len(shown) <= _OPEN,
        "environment": common,
        "commands": list(dict.fromkeys(case.command for case in found if case.command)),
        "when": starts[0][:10] if starts and starts[0][:10] == starts[-1][:10] else _days(starts),
        "used": [s for s in cases_.SOURCES if any(_uses(case, s) for case in good)],
        "unlabelled": any(case.ok and case.accuracy is None for case in found),
    }


def _detail(case: Case, own: dict[int, list[tuple[str, str]]]) -> tuple[Any, ...]:
    return case, detail.columns(case), facts.facts(case), facts.stages(case), own.get(case.row, [])


def _chosen(good: Sequence[Case]) -> list[Case]:
    """Return the records to show in full: all, or where they are too many, the best trade-offs and the first ones."""
    if len(good) <= MOST_DETAILS:
        return list(good)
    best: set[str] = set()
    for name in ("flash", "ms"):
        groups: dict[tuple[str, str], list[Case]] = {}
        for case in good:
            if case.accuracy is not None and getattr(case, name):
                groups.setdefault((case.subject, case.board), []).append(case)
        for group in groups.values():
            points = [pareto.Point(getattr(c, name), c.accuracy or 0, "", "", "", "", c.anchor) for c in group]
            best |= {point.anchor for point in pareto.front(points)}
    front = [case for case in good if case.anchor in best]
    if len(front) > MOST_DETAILS:  # from one end to the other
        front = [front[round(i * (len(front) - 1) / (MOST_DETAILS - 1))] for i in range(MOST_DETAILS)]
    rest = [case for case in good if case.anchor not in best]
    kept = {case.row for case in [*front, *rest][:MOST_DETAILS]}
    return [case for case in good if case.row in kept]


def _title(found: Sequence[Case]) -> str:
    models = list(dict.fromkeys(case.model for case in found))
    boards = list(dict.fromkeys(case.board for case in found))
    if len(found) == 1:
        return found[0].name
    if not found:
        return "No records"
    what = models[0] if len(models) == 1 else say.plural(len(models), "network")
    return f"{what} on {boards[0] if len(boards) == 1 else say.plural(len(boards), 'board')}"


def _days(starts: Sequence[str]) -> str:
    return f"{starts[0][:10]} to {starts[-1][:10]}" if starts else ""


def _uses(case: Case, source: str) -> bool:
    return source in (case.source, case.time_source) or (source == "estimated" and case.low is not None)
