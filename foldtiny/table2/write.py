"""The table as files: JSON for programs, CSV for spreadsheets, Markdown for people."""

from __future__ import annotations

import csv
import io
import itertools
import json
from pathlib import Path

from foldtiny import boards
from foldtiny.resources import write_atomic
from foldtiny.table2 import text
from foldtiny.table2.cells import Table

COLUMNS = (
    *("board", "sparsity", "configuration", "ms", "ram_k", "flash_m", "fits", "accuracy", "instructions", "source"),
    *("ms_source", "ram_source", "flash_source", "accuracy_source", "error"),
)


def write(table: Table, folder: Path) -> None:
    """Write ``table2.json``, ``table2.csv`` and ``table2.md`` into a folder, each whole or not at all."""
    write_atomic(folder / "table2.json", json.dumps(table.to_dict(), indent=2, sort_keys=True) + "\n")
    write_atomic(folder / "table2.csv", as_csv(table))
    write_atomic(folder / "table2.md", as_markdown(table))


def as_csv(table: Table) -> str:
    """Return three lines for each cell: the paper's figures and ours in both configurations."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for cell in table.cells:
        content = cell.to_dict()
        for configuration in ("paper", "poster_config", "deployed"):
            figures = content[configuration] or {}
            row = {name: figures.get(name) for name in COLUMNS}
            row |= {f"{name.removesuffix('_k').removesuffix('_m')}_source": said for name, said in _sources(figures)}
            row |= {"board": cell.board, "sparsity": cell.sparsity, "configuration": configuration}
            row["error"] = cell.errors.get(configuration)
            writer.writerow(row)
    return stream.getvalue()


def _sources(figures: dict[str, object]) -> list[tuple[str, object]]:
    said = figures.get("sources")
    return list(said.items()) if isinstance(said, dict) else []


def as_markdown(table: Table) -> str:
    """Return a table for each board, with notes and sources."""
    out = ["# The poster's Table 2, and ours", ""]
    for board, group in itertools.groupby(table.cells, key=lambda cell: cell.board):
        cells = list(group)
        out += [f"## {boards.get(board).title}", ""]
        out += [f"| | parameters removed: | {' | '.join(text.heading(cell) for cell in cells)} |"]
        out += ["|---|---|" + "---:|" * len(cells)]
        for line in text.lines(cells):
            name = f"**{line.group}**" if line.first else ""
            out.append(f"| {name} | {line.label} | {' | '.join(line.texts)} |")
        out += ["", *(f"- {said}" for said in text.sources(cells)), ""]
    failed = text.errors(table.cells)
    out += ["## Failed", "", *(f"- {said}" for said in failed), ""] if failed else []
    out += ["## Notes", "", *(f"- {note}" for note in table.notes)]
    out += [f"- poster: {table.citation}", "", f"Made by `foldtiny table2`, foldtiny {table.foldtiny}."]
    return "\n".join(out) + "\n"
