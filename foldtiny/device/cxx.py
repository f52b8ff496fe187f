"""The C++ compiler of a board's twin, which only the runtime ``tflm`` needs."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from foldtiny.boards import Board
from foldtiny.errors import BuildError, UsageError


def require(board: Board) -> None:
    """Make sure that C++ can be compiled for the board's twin.

    Raises
    ------
    UsageError
        If there is no C++ library for the twin's processor.
    BuildError
        If the compiler or its library is not installed; the hint names the packages.
    """
    if board.simulator.cxx is None:
        raise UsageError(
            f"--runtime tflm needs C++, which the simulated {board.name} ({board.simulator.title}) has no library for",
            "use --runtime aot, a real board, or the twin of another one",
        )
    missing = lacking(board)
    if missing is not None:
        raise BuildError(
            f"{missing}, which --runtime tflm needs for the simulated {board.name}, is not installed",
            f"install it with: apt-get install {' '.join(board.simulator.cxx.packages)}",
        )


def lacking(board: Board) -> str | None:
    """Return what is missing to compile C++ for the board's twin, or None."""
    assert board.simulator.cxx is not None
    compiler = board.simulator.cxx.compiler
    if shutil.which(compiler) is None:
        return compiler
    # A compiler without its library (a package of its own for bare metal) prints the bare name back.
    asked = [compiler, "-print-file-name=libstdc++.a"]
    found = subprocess.run(asked, capture_output=True, text=True, timeout=20, check=False).stdout.strip()
    return None if Path(found).is_absolute() else f"the C++ library of {compiler}"
