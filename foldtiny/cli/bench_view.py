"""What the user sees of a benchmark: a line for each cell that ended, a bar on a terminal, and a table at the end."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from foldtiny.bench.cell import Cell
from foldtiny.bench.records import Record
from foldtiny.bench.run import Summary

if TYPE_CHECKING:
    from rich.progress import Progress

_WIDE = 120


class BenchView:
    """Follows a run on stderr; see ``foldtiny.bench.run.Listener``."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(stderr=True, highlight=False, emoji=False)
        self._bar: Progress | None = None
        self._task: Any = None
        self._stages: dict[str, str] = {}

    def __enter__(self) -> BenchView:
        if self._console.is_terminal:
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

            columns = (BarColumn(24), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
            self._bar = Progress(*columns, console=self._console, transient=True)
            self._task = self._bar.add_task("", total=None)
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def started(self, cell: Cell) -> None:
        """Show that a cell has begun."""
        self.stage(cell, "start")
        if self._bar is None:
            self._console.print(f"… {cell.label} started", style="dim", soft_wrap=True, markup=False)

    def stage(self, cell: Cell, stage: str) -> None:
        """Show the stage that a cell is in."""
        self._stages[cell.label] = stage
        self._draw()

    def ended(self, cell: Cell, record: Record, done: int, total: int) -> None:
        """Print a line for a cell that has ended."""
        from rich.markup import escape

        self._stages.pop(cell.label, None)
        count = f"{done:>{len(str(total))}}/{total}"
        took = f"[dim]{record['seconds']:.1f} s[/]"
        if record["status"] == "ok":
            text = f"[green]✓[/] {count} [bold]{escape(cell.label)}[/]: {escape(_figures(record['result']))}  {took}"
        else:
            error = record["error"]
            text = f"[bold red]✗[/] {count} [bold]{escape(cell.label)}[/]: {escape(error['message'])}  {took}"
            text += f"\n  {'':>{len(count)}} → {escape(error['hint'])}" if error["hint"] else ""
        self._console.print(text, soft_wrap=True)
        if self._bar is not None:
            self._bar.update(self._task, completed=done, total=total)
        self._draw()

    def _draw(self) -> None:
        if self._bar is not None:
            from rich.markup import escape

            at_work = ", ".join(f"{label} ({stage})" for label, stage in self._stages.items())
            self._bar.update(self._task, description=escape(at_work))


def print_summary(summary: Summary) -> None:
    """Print the cells as a table on stdout, and where their records are."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table()
    table.add_column("cell", overflow="fold")
    for column in ("flash (B)", "RAM (B)", "M instructions", "ms", "accuracy", "equal"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("source", no_wrap=True)
    for record in summary.records:
        label = escape(Cell.from_dict(record["cell"]).label)
        if record["status"] != "ok":
            table.add_row(label, *[""] * 6, "[bold red]failed[/]")
            continue
        result = record["result"]
        latency, exact, accuracy = result["latency"], result["bit_exact"], result["accuracy"]["deployed"]
        table.add_row(
            label,
            f"{result['flash_bytes']['total']:,}",
            f"{result['ram_bytes']['total']:,}",
            f"{latency['instructions'] / 1e6:.3f}" if latency["instructions"] else "-",
            f"{latency['ms']:.3g}" if latency["ms"] is not None else "-",
            f"{accuracy:.2%}" if accuracy is not None else "-",
            f"{exact['matching']}/{exact['checked']}",
            result["source"],
        )
    # A file or a pipe has no width of its own.
    console = Console(highlight=False, emoji=False, width=None if sys.stdout.isatty() else _WIDE)
    console.print(table)
    ok = len(summary.records) - summary.failed
    total = len(summary.records)
    counts = f"{total} cell{'' if total == 1 else 's'}: {ok} ok, {summary.failed} failed"
    counts += f"; {summary.skipped} were recorded before" if summary.skipped else ""
    console.print(f"{counts}. Records: {summary.path}", soft_wrap=True, markup=False)
    if summary.failed:
        console.print("Run the failed ones again with --resume.", soft_wrap=True)


def _figures(result: dict[str, Any]) -> str:
    latency, exact = result["latency"], result["bit_exact"]
    parts = [f"flash {result['flash_bytes']['total']:,} B", f"RAM {result['ram_bytes']['total']:,} B"]
    if latency["instructions"]:
        parts.append(f"{latency['instructions'] / 1e6:.3f} M instructions")
    if latency["ms"] is not None:
        parts.append(f"{latency['ms']:.3g} ms")
    if result["accuracy"]["deployed"] is not None:
        parts.append(f"{result['accuracy']['deployed']:.2%}")
    return f"{', '.join(parts)}, {exact['matching']}/{exact['checked']} equal ({result['source']})"
