"""``foldtiny report`` as one function: read, hold against conditions, write."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from foldtiny.errors import UsageError
from foldtiny.report import export, gates, junit
from foldtiny.report.gates import Violation
from foldtiny.report.schema import load
from foldtiny.resources import write_atomic

FORMATS = ("html", "markdown", "csv", "latex", "junit")
_SUFFIXES = {".html": "html", ".htm": "html", ".md": "markdown", ".csv": "csv", ".tex": "latex", ".xml": "junit"}


@dataclass(frozen=True, slots=True)
class Report:
    """What a report came to. ``text`` is what belongs on stdout, empty where it went to a file."""

    records: tuple[dict[str, Any], ...]
    violations: tuple[Violation, ...]
    conditions: int
    compared: int | None
    written: Path | None
    text: str

    @property
    def summary(self) -> str:
        """One line about all of it."""
        failed = sum(record["status"] != "ok" for record in self.records)
        parts = [_many(len(self.records), "record") + (f", {failed} of them failed" if failed else "")]
        parts += [_many(self.conditions, "condition")] if self.conditions else []
        parts += [f"{self.compared} compared with the baseline"] if self.compared is not None else []
        parts += [_many(len(self.violations), "violation")] if self.conditions or self.compared is not None else []
        return "; ".join(parts) + (f". Written to {self.written}" if self.written else "")

    def to_dict(self) -> dict[str, Any]:
        """Return the report's outcome as plain JSON values."""
        return {
            "records": len(self.records),
            "failed": sum(record["status"] != "ok" for record in self.records),
            "conditions": self.conditions,
            "compared": self.compared,
            "violations": [dataclasses.asdict(violation) for violation in self.violations],
            "written": str(self.written) if self.written else None,
        }


def report(
    paths: Sequence[Path],
    output: Path | None = None,
    format: str | None = None,
    fail_if: Sequence[str] = (),
    baseline: Path | None = None,
    max_regression: str = "0%",
) -> Report:
    """Read records, check conditions and write the report.

    Parameters
    ----------
    paths : sequence of Path
        Files of records.
    output : Path, optional
        File to write.
    format : str, optional
        One of ``FORMATS``; otherwise by the name of ``output``, and Markdown on stdout.
    fail_if : sequence of str
        See ``gates.parse``.
    baseline : Path, optional
        Earlier records.
    max_regression : str
        See ``gates.parse_percent``.

    Raises
    ------
    UsageError
        If an option is wrong, or nothing can be compared with the baseline.
    DataError
        If a file is not one of records.
    """
    if not paths:
        raise UsageError("no file of records is named", "give one that `foldtiny bench` wrote, or a result.json")
    conditions = [gates.parse(text) for text in fail_if]
    most = gates.parse_percent(max_regression)
    kind = _format(output, format)
    records = load(paths)
    checking = bool(conditions) or baseline is not None
    violations = gates.check(records, conditions) if checking else []
    compared = None
    if baseline is not None:
        worse, compared = gates.compare(records, load([baseline]), most)
        violations += worse
        if not compared and any(record["status"] == "ok" for record in records):
            raise UsageError(
                f"no record has a counterpart in {baseline} (same axes, same source)", "give the right --baseline"
            )
    text = ""
    if kind == "html":
        from foldtiny.report import html

        assert output is not None
        html.write(records, output)
    elif output is not None or format is not None or not checking:
        text = _text(kind, records, violations)
        if output is not None:
            write_atomic(output, text)
            text = ""
    return Report(tuple(records), tuple(violations), len(conditions), compared, output, text)


def _many(count: int, thing: str) -> str:
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def _format(output: Path | None, format: str | None) -> str:
    if format is None:
        if output is None:
            return "markdown"
        format = _SUFFIXES.get(output.suffix.lower())
        if format is None:
            raise UsageError(
                f"--output is {output}, whose ending says no format (known: {', '.join(_SUFFIXES)})", "add --format"
            )
    if format not in FORMATS:
        raise UsageError(f"--format is '{format}' (allowed: {', '.join(FORMATS)})", "choose one of these")
    if format == "html" and output is None:
        raise UsageError("--format html needs a file", "name it with -o report.html")
    return format


def _text(kind: str, records: Sequence[dict[str, Any]], violations: Sequence[Violation]) -> str:
    if kind == "junit":
        return junit.to_junit(records, violations)
    writers = {"csv": export.to_csv, "markdown": export.to_markdown, "latex": export.to_latex}
    return writers[kind](records)
