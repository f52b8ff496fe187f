"""Run the command line; the one place that turns errors into text and an exit code."""

from __future__ import annotations

import signal
import sys

import typer

from foldtiny.cli.app import app
from foldtiny.errors import FoldtinyError, reason

INTERRUPTED = 130


def main() -> None:
    """Run the command line; the one place that turns errors into text and an exit code."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        code = app(args=arguments, prog_name="foldtiny", standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except Exception as error:
        if debug:
            raise
        code = _explain(error)
    # Typer returns the exit code of what it ended itself, such as --help or an interrupted command.
    if code == INTERRUPTED:
        sys.stderr.write("\nstopped; finished stages are kept and will be reused\n")
    sys.exit(code if isinstance(code, int) else 0)


def _interrupt(_number: int, _frame: object) -> None:
    """End as on Ctrl-C, so that children are stopped and temporary files removed."""
    raise KeyboardInterrupt


def _explain(error: Exception) -> int:
    """Print one sentence about an error and return the exit code."""
    from foldtiny.console import print_error

    if isinstance(error, OSError):
        name = f" {error.filename}" if error.filename else " a file or device"
        error = FoldtinyError(f"cannot use{name}: {reason(error)}")
    if isinstance(error, FoldtinyError):
        print_error(error)
        return error.exit_code
    # Typer's own errors (a missing option, an unknown command) know how to show themselves.
    show = getattr(error, "show", None)
    if show is not None:
        show()
        return int(getattr(error, "exit_code", 2))
    kind = f"foldtiny failed unexpectedly: {type(error).__name__}: {error}"
    print_error(FoldtinyError(kind, "this is a bug: please report it with what the same command prints with --debug"))
    return 1
