"""Records as CSV, Markdown and LaTeX."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from foldtiny.report import columns

Records = Sequence[dict[str, Any]]

SIMULATED_NOTE = (
    "Simulated: a twin counts instructions exactly; its times take one instruction a cycle at the board's clock "
    "and are no hardware times."
)


def to_csv(records: Records) -> str:
    """Return one line per record, with plain numbers (bytes, milliseconds, fractions)."""
    lines = [columns.line(record) for record in records]
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(lines[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return stream.getvalue()


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of a table for people: its head, its unit, whether it is of numbers, and its text for a record."""

    head: str
    unit: str
    right: bool
    text: Callable[[dict[str, Any]], str]


def to_markdown(records: Records) -> str:
    """Return a table of the axes that vary and the figures, with what is the same for all above it."""
    shown, same = columns.varying(records)
    table = _columns(shown)
    lines = [f"{_same(same)}\n"] if same else []
    lines.append(_row([f"{one.head} ({one.unit})" if one.unit else one.head for one in table]))
    lines.append("|" + "|".join("--:" if one.right else "---" for one in table) + "|")
    lines += [_row([one.text(record) for one in table]) for record in _sorted(records)]
    lines += [f"\n{note}" for note in _notes(records)]
    return "\n".join(lines) + "\n"


def to_latex(records: Records) -> str:
    """Return a table for a paper, with booktabs; its caption says what all records share and where figures are from."""
    shown, same = columns.varying(records)
    table = _columns(shown)
    heads = [_tex(one.head) for one in table]
    units = [f"({_tex(one.unit)})" if one.unit else "" for one in table]
    body = [" & ".join(_tex(one.text(record)) for one in table) + r" \\" for record in _sorted(records)]
    caption = " ".join([_tex(f"{_same(same)}") if same else "Results of foldtiny.", *map(_tex, _notes(records))])
    return "\n".join(
        [
            r"% Needs \usepackage{booktabs} in the preamble.",
            r"\begin{table}",
            r"  \centering",
            rf"  \caption{{{caption}}}",
            rf"  \begin{{tabular}}{{{''.join('r' if one.right else 'l' for one in table)}}}",
            r"    \toprule",
            f"    {' & '.join(heads)} \\\\",
            f"    {' & '.join(units)} \\\\",
            r"    \midrule",
            *(f"    {line}" for line in body),
            r"    \bottomrule",
            r"  \end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def _sorted(records: Records) -> list[dict[str, Any]]:
    """Records come in the order in which cells ended; people read them by board and sparsity."""

    def place(record: dict[str, Any]) -> tuple[Any, ...]:
        cell = record["cell"]
        names = ("model", "method", "precision", "runtime")
        return (cell["board"], *(str(cell.get(name)) for name in names), cell.get("sparsity") or 0.0)

    return sorted(records, key=place)


def _columns(shown: Sequence[str]) -> list[_Column]:
    def axis(name: str) -> Callable[[dict[str, Any]], str]:
        return lambda record: "" if record["cell"].get(name) is None else f"{record['cell'][name]}"

    def figure(name: str, form: str, scale: float = 1.0) -> Callable[[dict[str, Any]], str]:
        def text(record: dict[str, Any]) -> str:
            value = columns.figures(record)[name]
            return "–" if value is None else format(value * scale if scale != 1.0 else value, form)

        return text

    def percent(name: str) -> Callable[[dict[str, Any]], str]:
        value = figure(name, ".2f", 100.0)
        return lambda record: f"{value(record)}%" if columns.figures(record)[name] is not None else "–"

    def removed(record: dict[str, Any]) -> str:
        value = record["cell"].get("sparsity")
        return "–" if value is None else f"{100 * value:.3g}%"

    def equal(record: dict[str, Any]) -> str:
        exact = (record["result"] or {}).get("bit_exact")
        return f"{exact['matching']}/{exact['checked']}" if exact else "–"

    def source(record: dict[str, Any]) -> str:
        return columns.figures(record)["source"] or "failed"

    named = {"sparsity": _Column("removed", "", True, removed)}
    return [
        *(named.get(name) or _Column(name, "", name == "seed", axis(name)) for name in shown),
        _Column("accuracy", "", True, percent("accuracy")),
        _Column("flash", "B", True, figure("flash_bytes", ",")),
        _Column("RAM", "B", True, figure("ram_bytes", ",")),
        _Column("instructions", "M", True, figure("instructions", ".3f", 1e-6)),
        _Column("time", "ms", True, figure("ms", ".3g")),
        _Column("p95", "ms", True, figure("ms_p95", ".3g")),
        _Column("equal", "", True, equal),
        _Column("source", "", False, source),
    ]


def _same(same: dict[str, Any]) -> str:
    def text(name: str, value: Any) -> str:
        return f"{100 * value:.3g}% removed" if name == "sparsity" else f"{name} {value}"

    return f"All records: {', '.join(text(name, value) for name, value in same.items())}."


def _notes(records: Records) -> list[str]:
    notes = [SIMULATED_NOTE] if any(columns.figures(record)["source"] == "simulated" for record in records) else []
    for record in records:
        if record["status"] != "ok":
            notes.append(f"Failed: {columns.title(record)}: {record['error']['message']}.")
    return notes


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(re.sub(r"\s+", " ", cell).replace("|", r"\|") for cell in cells) + " |"


_TEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "_": r"\_", "%": r"\%",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "–": "--", "×": r"$\times$", "→": r"$\rightarrow$",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': "''", "µ": r"$\mu$",
}  # fmt: skip


def _tex(text: str) -> str:
    """Escape what LaTeX would read as commands, and leave only characters that every engine takes."""
    escaped = "".join(_TEX.get(letter, letter) for letter in re.sub(r"\s+", " ", text))
    return "".join(letter if letter.isascii() and letter.isprintable() else "?" for letter in escaped)
