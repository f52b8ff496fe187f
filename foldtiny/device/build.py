"""Builds a project with PlatformIO and measures the image."""

from __future__ import annotations

import re
import shutil
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from foldtiny.boards import Board
from foldtiny.device import footprint, run_platformio, upstream
from foldtiny.device.footprint import Footprint
from foldtiny.errors import BuildError
from foldtiny.project import Project

Progress = Callable[[str, float], None]

_SMALLER = "raise --sparsity and use --precision int8, or give a smaller .tflite"
_SIZE_ERROR = re.compile(r"The (program|data) size \((\d+) bytes\) is greater than maximum allowed \((\d+) bytes\)")
_OVERFLOW = re.compile(r"region `(FLASH|RAM)' overflowed by (\d+) bytes")
_COMPILER_ERROR = re.compile(
    r"(?:: (?:fatal )?error: )|(?:undefined reference to)|(?:\bld: (?!warning))|^Error: |^\S*Error: "
)


class TooLargeError(BuildError):
    """An image that does not fit the board.

    Parameters
    ----------
    board : Board
    memory : str
        ``flash`` or ``RAM`` (which includes the reserved stack).
    needed, limit : int
        Bytes.
    """

    def __init__(self, board: Board, memory: str, needed: int, limit: int) -> None:
        what = "flash" if memory == "flash" else "RAM, stack included"
        super().__init__(f"the firmware needs {needed:,} B of {what}; {board.name} has {limit:,} B", _SMALLER)
        self.memory = memory
        self.needed = needed
        self.limit = limit


@dataclass(frozen=True, slots=True)
class Firmware:
    """A built image: the ELF file, what is flashed (the same file where nothing else exists), and its footprint."""

    elf: Path
    binary: Path
    footprint: Footprint
    environment: str
    log: Path


def build(project: Project, environment: str, *, progress: Progress | None = None) -> Firmware:
    """Build one environment of a project.

    Parameters
    ----------
    project : Project
    environment : str
        One of ``project.environments``.
    progress : callable, optional
        Called with a label and a fraction from 0 to 1.

    Raises
    ------
    BuildError
        If a compiler is missing, the code does not compile, or the image does not fit the board.
    """
    board = project.board
    simulated = environment == board.simulator.environment
    if simulated:
        require_compiler(board)
    else:
        upstream.require(board)
    log = project.directory / ".pio" / f"foldtiny-{environment}.log"
    status = _run(project, environment, log, simulated, progress)
    if status != 0:
        raise explain(board, log)
    folder = project.directory / ".pio" / "build" / environment
    elf = folder / "firmware.elf"
    measured = footprint.read(elf)
    check_limits(board, measured)
    binary = next((path for path in (folder / "firmware.bin", folder / "firmware.hex") if path.is_file()), elf)
    return Firmware(elf, binary, measured, environment, log)


def require_compiler(board: Board) -> None:
    """Make sure that the compiler of the board's twin is installed.

    Raises
    ------
    BuildError
        If it is not; the hint names the packages.
    """
    compiler = board.simulator.compiler
    if shutil.which(compiler) is None:
        raise BuildError(
            f"{compiler}, the compiler for {board.name}, is not installed",
            f"install it with: apt-get install {' '.join(board.simulator.packages[compiler])}",
        )


def check_limits(board: Board, measured: Footprint) -> None:
    """Hold an image against the board's flash and RAM.

    Raises
    ------
    BuildError
        If it does not fit.
    """
    needs = (
        ("flash", measured.flash_total, board.limits.flash_bytes),
        ("RAM", measured.ram_static + measured.stack_reserved, board.limits.ram_bytes),
    )
    for memory, needed, limit in needs:
        if limit is not None and needed > limit:
            raise TooLargeError(board, memory, needed, limit)


def _run(project: Project, environment: str, log: Path, simulated: bool, progress: Progress | None) -> int:
    sources = sum(1 for path in (project.directory / "src").rglob("*.c*") if path.suffix in (".c", ".cc", ".cpp"))
    done = 0

    def follow(line: str) -> None:
        nonlocal done
        if progress is not None and line.startswith("Compiling"):
            done += 1
            progress(f"building {environment}", min(0.95, done / max(1, sources)))
        elif progress is not None and "Manager: Installing" in line:
            progress(line.strip(), 0.0)

    try:
        status = run_platformio.run(project, environment, log, simulated=simulated, on_line=follow)
    except run_platformio.Stalled:
        raise BuildError(
            f"the build of {environment} said nothing for {run_platformio.SILENCE_LIMIT_S:g} s and was ended",
            f"repeat the command; the whole log is in {log}",
        ) from None
    if progress is not None:
        progress(f"building {environment}", 1.0)
    return status


def explain(board: Board, log: Path) -> BuildError:
    """Turn the log of a failed build into one sentence."""
    text = log.read_text(encoding="utf-8", errors="replace")
    if archive := upstream.archive_failed(board, text):
        return archive
    if upstream.download_failed(text):
        return upstream.unreachable(board)
    limits = {"FLASH": ("flash", board.limits.flash_bytes), "RAM": ("RAM", board.limits.ram_bytes)}
    over: dict[str, int] = {}
    for region, excess in _OVERFLOW.findall(text):
        over[region] = max(over.get(region, 0), int(excess))
    for region, excess in over.items():
        memory, limit = limits[region]
        if limit is not None:
            return TooLargeError(board, memory, limit + excess, limit)
    size = _SIZE_ERROR.search(text)
    if size:
        return TooLargeError(board, "flash" if size[1] == "program" else "RAM", int(size[2]), int(size[3]))
    lines = deque((line.strip() for line in text.splitlines() if line.strip()), maxlen=None)
    first = next((line for line in lines if _COMPILER_ERROR.search(line)), lines[-1] if lines else "no output")
    return BuildError(f"the firmware for {board.name} does not build: {first}", f"the whole log is in {log}")
