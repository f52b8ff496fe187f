"""Flashing a board that PlatformIO cannot reach from here, with a command that the matrix names."""

from __future__ import annotations

import dataclasses
import shlex
import subprocess

from foldtiny.bench.cell import command
from foldtiny.boards import Board
from foldtiny.errors import FlashError, UsageError, reason
from foldtiny.pipeline import DeployRequest, deploy
from foldtiny.pipeline.model import model_directory
from foldtiny.progress import Reporter

# Erasing and writing a whole flash over a slow line.
TIME_LIMIT_S = 600.0
_PLACES = "{firmware}, {elf}, {project}, {environment}, {port}"


def build_and_upload(template: str, board: Board, request: DeployRequest, reporter: Reporter) -> str:
    """Build the firmware, run the command that puts it on the board, and return all commands as one line.

    Parameters
    ----------
    template : str
        A command, run without a shell, with places for ``{firmware}`` (.bin, .hex or .elf), ``{elf}``, ``{project}``,
        ``{environment}`` and ``{port}``.
    board : Board
    request : DeployRequest
        The deployment that comes afterwards.
    reporter : Reporter

    Raises
    ------
    UsageError
        If the command has an unknown place.
    FlashError
        If the command fails or takes too long.
    FoldtinyError
        If the firmware cannot be built.
    """
    build = dataclasses.replace(request, dry_run=True, flash=False)
    project = model_directory(request) / f"{board.name}-{request.runtime}" / "project"
    environment = board.hardware.environment if board.hardware else board.simulator.environment
    built = project / ".pio" / "build" / environment
    _fill(template, {})  # a mistake is better found before minutes of building
    deploy(build, reporter)
    names = (built / "firmware.bin", built / "firmware.hex")
    elf = built / "firmware.elf"
    places = {
        "firmware": str(next((path for path in names if path.is_file()), elf)),
        "elf": str(elf),
        "project": str(project),
        "environment": environment,
        "port": request.port,
    }
    words = _fill(template, places)
    reporter.start("upload")
    _run(words, board.name)
    return f"{command(build)} && {shlex.join(words)} && {command(request)}"


def _fill(template: str, places: dict[str, str]) -> list[str]:
    known = {name.strip("{}"): "" for name in _PLACES.split(", ")}
    try:
        words = shlex.split(template)
        return [word.format(**{**known, **places}) for word in words]
    except (KeyError, IndexError, ValueError) as error:
        raise UsageError(f"upload is '{template}', which cannot be filled in (places: {_PLACES})", "mend it") from error


def _run(words: list[str], board: str) -> None:
    try:
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=TIME_LIMIT_S,
            check=False,
        )
    except OSError as error:
        raise FlashError(f"the upload command of {board} cannot run: {reason(error)}", f"it is: {words[0]}") from error
    except subprocess.TimeoutExpired as error:
        raise FlashError(
            f"the upload command of {board} took more than {TIME_LIMIT_S:g} s", f"it was: {shlex.join(words)}"
        ) from error
    if done.returncode != 0:
        last = next((line.strip() for line in reversed(done.stdout.splitlines()) if line.strip()), "it said nothing")
        raise FlashError(
            f"the upload command of {board} ended with status {done.returncode}: {last}", f"it was: {shlex.join(words)}"
        )
