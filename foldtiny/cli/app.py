"""The command line's root, and what every command shares."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from foldtiny import __version__
from foldtiny.errors import UsageError

app = typer.Typer(
    name="foldtiny",
    help="Fold a trained network, quantise it, compile it to C and run it on a microcontroller.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)


def _version(value: bool) -> None:
    if value:
        typer.echo("\n".join(_versions()))
        raise typer.Exit


def _versions() -> Iterator[str]:
    """Yield what a bug report needs, a line each."""
    import platform

    from foldtiny import boards
    from foldtiny.bench import environment
    from foldtiny.device.versions import program_version

    yield f"foldtiny {__version__}"
    yield f"Python {platform.python_version()} on {environment.host()['system']}"
    for package, version in environment.packages().items():
        yield f"{package} {version or 'missing'}"
    for program in sorted({tool for board in boards.load_all().values() for tool in board.simulator.packages}):
        yield f"{program}: {program_version(program)}"


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print what a bug report needs.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    pass


@contextmanager
def stage(name: str) -> Iterator[Callable[[str, float], None]]:
    from foldtiny.console import ConsoleReporter

    with ConsoleReporter() as reporter:
        reporter.start(name)
        yield reporter.progress


def finish(as_json: bool, done: Any) -> None:
    if as_json:
        from foldtiny.console import print_json

        print_json(done.result)
    else:
        typer.echo(done.summary)


def parse_shape(text: str | None) -> tuple[int, int, int] | None:
    """Turn ``3x96x96`` into ``(3, 96, 96)``.

    Raises
    ------
    UsageError
        If it is not three positive whole numbers.
    """
    if text is None:
        return None
    parts = text.lower().replace(",", "x").split("x")
    if len(parts) != 3 or not all(part.strip().isdigit() and int(part) > 0 for part in parts):
        raise UsageError(
            f"--input-shape is '{text}' (expected channels x height x width)", "write it like --input-shape 3x96x96"
        )
    channels, height, width = (int(part) for part in parts)
    return channels, height, width
