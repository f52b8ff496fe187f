"""``foldtiny table2``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from foldtiny.cli.app import app
from foldtiny.cli.options import Data, Json
from foldtiny.errors import UsageError

if TYPE_CHECKING:
    from foldtiny.table2 import Table

Values = list[str] | None


@app.command(epilog="Example: foldtiny table2 --boards nano33ble --sparsity 0.25 -o build/table2")
def table2(
    boards: Annotated[Values, typer.Option(help="Which of the poster's boards. Several: a,b or repeated.")] = None,
    sparsity: Annotated[Values, typer.Option(help="Which of 0.1, 0.25, 0.5, 0.7. Several: a,b or repeated.")] = None,
    port: Annotated[
        Values,
        typer.Option(
            help="auto (connected boards, else their simulated twins), sim, or BOARD=PORT, once for each board; ports "
            "as for deploy."
        ),
    ] = None,
    data: Data = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for the table (JSON, CSV, Markdown) and all that is built.")
    ] = Path("build/table2"),
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Do every stage again, even if its result could be reused.")
    ] = False,
    as_json: Json = False,
) -> None:
    """The poster's Table 2: its figures, ours in its configuration, and ours as deployed."""
    from foldtiny.console import ConsoleReporter, print_json
    from foldtiny.table2 import Table2Request, run

    request = Table2Request(
        boards=tuple(_split(boards)),
        sparsities=tuple(_fraction(text) for text in _split(sparsity)),
        ports=tuple(_split(port)),
        data=data,
        output=output,
        reuse=not fresh,
    )
    with ConsoleReporter() as reporter:
        table = run(request, reporter)
    if as_json:
        print_json(table.to_dict())
    else:
        _print(table, output)
    if not table.complete:
        raise typer.Exit(1)


def _split(values: Values) -> list[str]:
    return [part.strip() for value in values or () for part in value.split(",") if part.strip()]


def _fraction(text: str) -> float:
    """Read 0.25, 25% or 25."""
    try:
        value = float(text.removesuffix("%"))
    except ValueError:
        raise UsageError(
            f"--sparsity is '{text}' (expected a fraction of the parameters)", "write it like --sparsity 0.25"
        ) from None
    return value / 100 if text.endswith("%") or value >= 1 else value


def _print(table: Table, output: Path) -> None:
    import itertools

    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table as Grid

    from foldtiny import boards
    from foldtiny.table2 import text

    console = Console(highlight=False, emoji=False)
    for name, group in itertools.groupby(table.cells, key=lambda cell: cell.board):
        cells = list(group)
        grid = Grid(
            title=boards.get(name).title,
            title_justify="left",
            box=SIMPLE_HEAD,
            show_edge=False,
            padding=0,  # the box has a space between columns
            pad_edge=False,
        )
        grid.add_column("removed", no_wrap=True)
        for cell in cells:
            grid.add_column(text.heading(cell), justify="right", no_wrap=True)
        for line in text.lines(cells):
            if line.first:
                grid.add_row(f"[bold]{escape(line.group)}[/]")
            # "does not fit: 3.4 M > 0.94 M" in two lines, so that four columns fit 80 characters.
            grid.add_row(f" {escape(line.label)}", *(escape(said).replace(": ", ":\n") for said in line.texts))
        console.print(grid)
        console.print()
    for said in text.errors(table.cells):
        console.print(f"[bold red]failed:[/] {escape(said)}")
    for note in table.notes:
        console.print(f"• {escape(note)}")
    console.print(f"• poster: {escape(table.citation)}", style="dim")
    console.print(f"Written to {output}: table2.json, table2.csv, table2.md", style="dim", soft_wrap=True, markup=False)
