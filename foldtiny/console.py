"""What the user sees: stage lines, progress bars, tables, errors. Everything but results goes to stderr."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from foldtiny.errors import FoldtinyError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from foldtiny.boards import Board
    from foldtiny.device.doctor import Check
    from foldtiny.pipeline.monitor import Sighting
    from foldtiny.result import DeployResult, RamBytes


_WIDE = 120


class ConsoleReporter:
    """Draws a bar for the stage at work (on a terminal) and prints one line for each stage that ended."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console: Console = Console(stderr=True, highlight=False, emoji=False)
        self._bar: Progress | None = None
        self._task: Any = None
        self._stage = ""

    def __enter__(self) -> ConsoleReporter:
        return self

    def __exit__(self, *_: object) -> None:
        self._close_bar()

    def start(self, stage: str) -> None:
        """Show that a stage has begun."""
        self._close_bar()
        self._stage = stage
        # FORCE_COLOR (set in notebooks and CI) asks for colours, not for bars in a log.
        if not (self._console.is_terminal and sys.stderr.isatty()):
            # A log has no bars: one line says what is being waited for.
            self._console.print(f"[dim]…[/] {stage:<9} started", soft_wrap=True)
            return
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.fields[stage]:<9}"),
            BarColumn(bar_width=24),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
        )
        self._task = self._bar.add_task("", stage=stage, total=None)
        self._bar.start()

    def progress(self, label: str, fraction: float) -> None:
        """Move the bar."""
        if self._bar is not None:
            from rich.markup import escape

            self._bar.update(self._task, description=escape(label), completed=fraction, total=1.0)

    def done(self, stage: str, summary: str, seconds: float, reused: bool) -> None:
        """Replace the bar by the stage's line."""
        from rich.markup import escape

        self._close_bar()
        took = "[dim]reused[/]" if reused else f"[dim]{seconds:.1f} s[/]"
        self._console.print(f"[green]✓[/] [bold]{stage:<9}[/] {escape(summary)}  {took}", soft_wrap=True)

    def note(self, text: str) -> None:
        """Print a note."""
        from rich.markup import escape

        self._console.print(f"[yellow]•[/] {'':<9} {escape(text)}", soft_wrap=True)

    def _close_bar(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def print_error(error: FoldtinyError) -> None:
    """Print an error as one sentence with its way out, on stderr."""
    from rich.console import Console
    from rich.markup import escape

    console = Console(stderr=True, highlight=False, emoji=False)
    console.print(f"[bold red]error:[/] {escape(error.message)}", soft_wrap=True)
    if error.hint:
        console.print(f"       [bold]→[/] {escape(error.hint)}", soft_wrap=True)


def print_result(result: DeployResult) -> None:
    """Print a deployment as a table on stdout."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(
        title=escape(f"{result.model} on {result.board}: {result.source}, {result.device}"),
        title_justify="left",
        show_header=True,
    )
    table.add_column("")
    table.add_column("value", justify="right")
    table.add_column("detail", style="dim")
    for row in _rows(result):
        table.add_row(*map(escape, row))
    console = Console(highlight=False, emoji=False)
    console.print(table)
    console.print(f"Written to {result.artefacts['result']}", style="dim", soft_wrap=True, markup=False)


def print_search(search: dict[str, Any]) -> None:
    """Print which networks were tried against limits as a table on stdout."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    names = {"flash_bytes": ("flash", "B"), "ram_bytes": ("RAM", "B"), "ms": ("time", "ms")}
    limits = {key: search["limits"][key] for key in names if search["limits"][key] is not None}
    asked = [
        f"{names[key][0]} ≤ {limit:{'g' if key == 'ms' else ','}} {names[key][1]}" for key, limit in limits.items()
    ]
    table = Table(
        title=f"tried for {', '.join(asked)}", title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), min_width=60
    )
    for column in ("removed", "parameters", *(f"{names[key][0]} ({names[key][1]})" for key in limits)):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("built for", no_wrap=True)
    table.add_column("", no_wrap=True)
    for candidate in search["candidates"]:
        cells = [f"{candidate['removed']:.1%}", f"{candidate['parameters']:,}"]
        for key in limits:
            found = candidate[key]
            text = "-" if found is None else f"{found:,}" if isinstance(found, int) else f"{found:,.4g}"
            cells.append(f"> {text}" if candidate["at_least"] and found is not None else text)
        verdict = "[green]fits[/]" if candidate["fits"] else "too much"
        folded = ", folded" if candidate["weights"] == "folded" else ""
        table.add_row(*cells, candidate["optimize"], verdict + folded)
    console = Console(highlight=False, emoji=False, width=None if sys.stdout.isatty() else _WIDE)
    console.print(table)
    if "ms" in limits:
        console.print(f"time is {search['basis']}", style="dim", soft_wrap=True, markup=False)


def print_layers(layers: list[dict[str, Any]]) -> None:
    """Print what each layer costs as a table on stdout; times only where they were measured."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    from foldtiny.pipeline.profiles import rows

    columns, lines = rows(layers)
    table = Table(title="layers", title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for number, column in enumerate(columns):
        # Only the operators' names may be broken or cut, numbers never.
        names = number == 1
        table.add_column(column, justify="left" if names or not column else "right", no_wrap=not names)
    for line in lines:
        table.add_row(*line)
    # A file or a pipe has no width of its own.
    Console(highlight=False, emoji=False, width=None if sys.stdout.isatty() else _WIDE).print(table)


def _rows(result: DeployResult) -> list[tuple[str, str, str]]:
    rows: list[tuple[str, str, str]] = []
    parameters, accuracy, latency = result.parameters, result.accuracy, result.latency
    if result.sparsity is not None and parameters.folded is not None:
        detail = f"of {parameters.dense:,}: {result.sparsity:.1%} removed by {result.method} folding"
        rows.append(("parameters", f"{parameters.folded:,}", detail))
    if result.macs.folded is not None:
        dense = f"of {result.macs.dense:,}" if result.sparsity is not None else ""
        rows.append(("multiply-accumulates", f"{result.macs.folded:,}", dense))
    if accuracy.deployed is not None:
        before = ""
        if accuracy.dense is not None and accuracy.folded is not None:
            before = f"dense {accuracy.dense:.2%}, folded {accuracy.folded:.2%}; "
        detail = f"{before}{accuracy.images:,} images of {accuracy.dataset}"
        rows.append((f"accuracy ({result.precision})", f"{accuracy.deployed:.2%}", detail))
    flash, ram, exact = result.flash_bytes, result.ram_bytes, result.bit_exact
    other = flash.total - flash.model - flash.engine
    rows.append(
        (
            "flash",
            f"{flash.total:,} B",
            f"model {flash.model:,}, engine {flash.engine:,}, firmware {other:,}{_of(flash.limit)}",
        )
    )
    rows.append(
        (
            "RAM",
            f"{ram.total:,} B",
            f"static {ram.static:,} (tensors {_arena(ram)}), stack {ram.stack:,}{_of(ram.limit)}",
        )
    )
    if latency.instructions is not None:
        rows.append(("instructions", f"{latency.instructions:,}", f"one inference, {result.source}"))
    if latency.ms is not None:
        rows.append(("time", f"{latency.ms:.3g} ms", f"{latency.basis}; median of {latency.runs}"))
    if latency.estimated is not None:
        e = latency.estimated
        cost = f"{e.cycles_low / 1e6:.3g}–{e.cycles_high / 1e6:.3g} M cycles by the timing table"
        if e.wait_cycles_high:
            cost += f", and up to {e.wait_cycles_high / 1e6:.3g} M waiting for flash"
        rows.append(("estimated", f"{e.ms_low:.3g}–{e.ms_high:.3g} ms", cost))
    name = "bit-exact" if result.precision == "int8" else "equal"
    detail = f"outputs against {exact.reference}"
    if exact.tolerance:
        detail += f"; largest difference {exact.max_abs_difference:.1e}, allowed {exact.tolerance:.0e}"
    rows.append((name, f"{exact.matching}/{exact.checked}", detail))
    return rows


def print_fold(result: dict[str, Any]) -> None:
    """Print what folding did to each layer as a table on stdout, with what was left alone and why."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    report, accuracy = result["report"], result["accuracy"]
    table = Table()
    table.add_column("layer")
    for column in ("dense", "folded"):
        table.add_column(column, justify="right")
    for name, (dense, folded) in report["layers"].items():
        table.add_row(escape(name), f"{dense:,}", f"{folded:,}")
    table.add_section()
    table.add_row("parameters", f"{report['parameters_dense']:,}", f"{report['parameters_folded']:,}")
    table.add_row("multiply-accumulates", f"{report['macs_dense']:,}", f"{report['macs_folded']:,}")
    if accuracy:
        name = f"accuracy ({accuracy['images']:,} images)"
        table.add_row(name, f"{accuracy['dense']:.2%}", f"{accuracy['folded']:.2%}")
    console = Console(highlight=False, emoji=False)
    console.print(table)
    for skipped in report["skipped"]:
        console.print(f"left alone: {escape(skipped['name'])}: {escape(skipped['reason'])}", soft_wrap=True)
    for note in report["notes"]:
        console.print(escape(note), soft_wrap=True)


def _arena(ram: RamBytes) -> str:
    return f"{ram.planned:,}" if ram.used is None else f"{ram.used:,} of an arena of {ram.planned:,}"


def _of(limit: int | None) -> str:
    return f"; limit {limit:,}" if limit else ""


def print_boards(boards: list[Board], connected: dict[str, list[str]]) -> None:
    """Print the known boards as a table on stdout; ``connected`` gives the ports on which each could be."""
    from rich.console import Console
    from rich.table import Table

    table = Table()
    for column in ("board", "core", "flash (B)", "RAM (B)"):
        table.add_column(column, no_wrap=True)
    table.add_column("simulated by", overflow="fold")
    table.add_column("connected", overflow="fold")
    for board in boards:
        limits = board.limits
        table.add_row(
            board.name,
            f"{board.core}\n{board.clock_hz / 1e6:g} MHz",
            f"{limits.flash_bytes:,}" if limits.flash_bytes else "-",
            f"{limits.ram_bytes:,}" if limits.ram_bytes else "-",
            board.simulator.title,
            "\n".join(connected[board.name]) or "-",
        )
    Console(emoji=False).print(table)


def print_checks(checks: list[Check]) -> None:
    """Print the doctor's findings on stdout, the mending command under each that is not ok."""
    from rich.console import Console
    from rich.markup import escape

    console = Console(highlight=False, emoji=False)
    marks = {"ok": "[green]✓ ok  [/]", "warn": "[yellow]! warn[/]", "fail": "[bold red]✗ fail[/]"}
    for check in checks:
        console.print(f"{marks[check.status]} [bold]{escape(check.name):<22}[/] {escape(check.found)}", soft_wrap=True)
        if check.mend:
            console.print(f"       {'':<22} → {escape(check.mend)}", soft_wrap=True)
    bad = sum(check.status != "ok" for check in checks)
    console.print(f"{len(checks)} checks, {bad} to look at" if bad else f"{len(checks)} checks, all ok")


def print_sighting(sighting: Sighting, *, as_json: bool = False) -> None:
    """Print what a board saw in a picture, on stdout: one line, at once."""
    from rich.console import Console
    from rich.markup import escape

    if as_json:
        import json

        sys.stdout.write(json.dumps(sighting.to_dict(), sort_keys=True) + "\n")
        sys.stdout.flush()
        return
    mark = {None: " ", True: "[green]✓[/]", False: "[red]✗[/]"}[sighting.right]
    time = f"{sighting.milliseconds:.3g} ms{' simulated' if sighting.simulated else ''}"
    was = f", it is {escape(sighting.expected)}" if sighting.right is False and sighting.expected else ""
    bar = "█" * round(20 * sighting.confidence)
    Console(highlight=False, emoji=False).print(
        f"{mark} [bold]{escape(sighting.name):<14}[/] {sighting.confidence:6.1%} {bar:<20} {time}  "
        f"[dim]{escape(sighting.picture)}{was}[/]",
        soft_wrap=True,
    )


def ask(question: str) -> bool:
    """Ask on the terminal; anything but yes is no, Ctrl-C and no terminal too."""
    import typer

    try:
        return typer.confirm(question, err=True)
    except typer.Abort:
        return False


def print_json(value: Any) -> None:
    """Print one JSON object on stdout."""
    import json

    sys.stdout.write(json.dumps(value, indent=2, sort_keys=True) + "\n")
