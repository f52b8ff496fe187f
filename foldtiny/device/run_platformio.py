"""Runs PlatformIO on a project: output to a log, no longer than allowed in silence, gone when foldtiny is gone."""

from __future__ import annotations

import selectors
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from foldtiny import resources
from foldtiny.device import child, platformio
from foldtiny.errors import BuildError, reason
from foldtiny.project import Project

# Downloads of a tool chain say nothing for a while; a build or an upload never does for this long.
SILENCE_LIMIT_S = 600.0


class Stalled(Exception):
    """PlatformIO said nothing for too long and was ended; the log tells what it said before."""


def run(
    project: Project,
    environment: str,
    log: Path,
    *arguments: str,
    simulated: bool,
    on_line: Callable[[str], None] | None = None,
    silence_limit_s: float = SILENCE_LIMIT_S,
    variables: Mapping[str, str] | None = None,
) -> int:
    """Run ``pio run`` for one environment and return its exit status.

    Parameters
    ----------
    project : Project
    environment : str
    log : Path
        Where the output goes.
    *arguments : str
        Further arguments, such as ``-t upload``.
    simulated : bool
        Whether this is a twin's build, which uses foldtiny's own PlatformIO folder; real boards use the user's.
    on_line : callable, optional
        Called with each line of output.
    silence_limit_s : float
        How long PlatformIO may say nothing.
    variables : mapping, optional
        Further environment variables.

    Raises
    ------
    BuildError
        If it cannot be run at all.
    Stalled
        If it hangs.
    """
    resources.make_dir(log.parent)
    core = platformio.ensure_core() if simulated else None
    # PlatformIO changes into the project, where a relative path would mean another folder.
    platforms = (project.directory / ".pio" / "platforms").resolve() if simulated else None
    environ = platformio.environment(core, platforms) | dict(variables or {})
    if simulated and (project.directory / "src" / "tflite-micro").is_dir():
        # It takes minutes to compile, and is the same in many projects.
        environ["PLATFORMIO_BUILD_CACHE_DIR"] = str(resources.cache_dir() / "platformio" / "objects")
    command = platformio.command("run", "-d", str(project.directory), "-e", environment, "-j", "2", *arguments)
    try:
        return _follow(command, environ, log, on_line, silence_limit_s)
    except OSError as error:
        raise BuildError(
            f"the build in {project.directory} cannot run: {reason(error)}",
            "free some space or choose another folder",
        ) from error


def _follow(
    command: Sequence[str],
    environment: Mapping[str, str],
    log: Path,
    on_line: Callable[[str], None] | None,
    silence_limit_s: float,
) -> int:
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
            preexec_fn=child.die_with_parent(),
        )
        try:
            for line in _lines(process, silence_limit_s):
                stream.write(line)
                if on_line is not None:
                    on_line(line.decode("utf-8", "replace"))
            return process.wait()
        except BaseException:
            child.stop(process)
            raise
        finally:
            if process.stdout is not None:
                process.stdout.close()


def _lines(process: subprocess.Popen[bytes], silence_limit_s: float) -> Iterator[bytes]:
    """Yield lines of output; a progress bar's carriage return ends a line too."""
    assert process.stdout is not None
    pending = b""
    heard = time.monotonic()
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while True:
            if not selector.select(max(0.0, heard + silence_limit_s - time.monotonic())):
                raise Stalled
            piece = process.stdout.read1()  # type: ignore[attr-defined]
            heard = time.monotonic()
            if not piece:
                break
            *ended, pending = (pending + piece.replace(b"\r", b"\n")).split(b"\n")
            yield from (line + b"\n" for line in ended)
    if pending:
        yield pending + b"\n"
