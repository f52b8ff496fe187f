"""The command line: parse, call one function, print. Everything heavy is imported inside the command that needs it.

One file for each family of commands; importing it registers them, in the order in which ``--help`` lists them.
"""

from __future__ import annotations

from foldtiny.cli import deploy, bench, report, table2, boards, steps, figures  # isort: skip
from foldtiny.cli.app import app, parse_shape
from foldtiny.cli.main import main

__all__ = ["app", "bench", "boards", "deploy", "figures", "main", "parse_shape", "report", "steps", "table2"]
