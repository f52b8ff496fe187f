"""Builds a Linux board's program on the board itself, where this machine has no compiler for it and the board has."""

from __future__ import annotations

import io
import json
import shlex
import shutil
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path

from foldtiny import resources
from foldtiny.boards import Board
from foldtiny.device import build, footprint, ssh
from foldtiny.device.footprint import Footprint
from foldtiny.errors import BuildError, LinkError
from foldtiny.project import Project

Progress = Callable[[str, float], None]

# As the twin's build script has them (firmware/platform/builder/main.py).
_FLAGS = ("-std=gnu11", "-O2", "-g", "-ffunction-sections", "-fdata-sections", "-Wl,--gc-sections",
          "-Isrc", "-Isrc/model", "-Isrc/runtime")  # fmt: skip
_FOLDER = ".foldtiny/build"


def wanted(board: Board, port: str | None) -> bool:
    """Say whether the program has to be built on the board: it is reached over SSH, and no compiler is here."""
    over_ssh = port is not None and port.startswith(f"{ssh.SCHEME}://")
    return over_ssh and shutil.which(board.simulator.compiler) is None


def compile_there(
    project: Project, url: str, elf: Path, flags: Sequence[str] = (), *, progress: Progress | None = None
) -> Footprint:
    """Send a project's sources to the board, compile them there and bring the program back.

    Parameters
    ----------
    project : Project
    url : str
        The board's SSH address.
    elf : Path
        Where the program goes on this machine.
    flags : sequence of str
        Further compiler flags, such as ``-DMODEL_PROFILE``.

    Raises
    ------
    BuildError
        If the board has no compiler either, or the sources do not compile there.
    LinkError
        If the board cannot be reached.
    """
    board = project.board
    if progress is not None:
        progress(f"building on {url}", 0.1)
    try:
        program = ssh.run(url, _script(board, flags), _sources(project))
    except LinkError as error:
        said = error.message.partition("cannot be used: ")[2]
        if not said:
            raise
        if "not found" in said:
            packages = board.simulator.packages[board.simulator.compiler]
            raise BuildError(
                f"neither this machine ({board.simulator.compiler}) nor the board at {url} (gcc) has a compiler",
                f"install one here with: apt-get install {' '.join(packages)}",
            ) from error
        raise BuildError(
            f"the program does not build on the board at {url}: {said}", f"the sources lie there in {_FOLDER}"
        ) from error
    resources.write_atomic(elf, program)
    elf.chmod(0o755)
    measured = footprint.read(elf)
    build.check_limits(board, measured)
    return measured


def _script(board: Board, flags: Sequence[str]) -> str:
    path = resources.root("firmware") / "platform" / "boards" / f"{board.simulator.board}.json"
    settings = json.loads(path.read_text(encoding="utf-8"))["build"]
    options = shlex.join([*_FLAGS, *settings["machine_flags"], *settings["link_flags"], *flags])
    libraries = " ".join(f"-l{name}" for name in settings["libraries"])
    return (
        f"rm -rf {_FOLDER} && mkdir -p {_FOLDER} && cd {_FOLDER} && tar xzf - && "
        f"gcc {options} $(find src -name '*.c') {libraries} -o firmware >&2 && cat firmware && "
        f"cd ../.. && rm -rf {_FOLDER}"
    )


def _sources(project: Project) -> bytes:
    """Pack what is compiled: all of ``src`` but the ports to other boards and the entry of Arduino cores."""
    packed = io.BytesIO()
    source = project.directory / "src"
    with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=6) as archive:
        for path in sorted(source.rglob("*")):
            port = path.parent.name == "ports" and path.name != project.board.simulator.port
            if path.suffix in (".c", ".h") and not port:
                archive.add(path, f"src/{path.relative_to(source).as_posix()}")
    return packed.getvalue()
