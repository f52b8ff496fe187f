"""``foldtiny report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from foldtiny.cli.app import app
from foldtiny.cli.options import Json


@app.command(epilog="Example: foldtiny report records.jsonl -o report.html")
def report(
    records: Annotated[
        list[Path] | None, typer.Argument(help="Files of records, or a result.json of deploy.", show_default=False)
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File to write; stdout otherwise.")] = None,
    format: Annotated[
        str | None, typer.Option("--format", help="html, markdown, csv, latex, junit; else by the file's name.")
    ] = None,
    fail_if: Annotated[
        list[str] | None, typer.Option(help='A condition such as "flash>900k" or "esp-eye: accuracy<90%"; repeatable.')
    ] = None,
    baseline: Annotated[Path | None, typer.Option(help="Earlier records that figures must not be worse than.")] = None,
    max_regression: Annotated[
        str, typer.Option(help="With --baseline: how much worse a figure may be, as a share of the old one.")
    ] = "0%",
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of a record.")] = False,
    as_json: Json = False,
) -> None:
    """Turn records into a page, a table or a file for CI, and fail where they break a condition."""
    from foldtiny.console import print_json
    from foldtiny.report import make
    from foldtiny.report.schema import json_schema

    if schema:
        print_json(json_schema())
        return
    done = make.report(records or [], output, format, fail_if or [], baseline, max_regression)
    if as_json:
        print_json(done.to_dict())
    elif done.text:
        typer.echo(done.text, nl=False)
    for violation in done.violations:
        typer.echo(f"✗ {violation.text}", err=True)
    if done.written or not done.text:
        typer.echo(done.summary, err=True)
    if done.violations:
        raise typer.Exit(1)
