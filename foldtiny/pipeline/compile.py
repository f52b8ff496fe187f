"""``foldtiny.compile``: a .tflite for a board, as C in memory or as a project on disk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from foldtiny import boards
from foldtiny.pipeline import steps

if TYPE_CHECKING:
    from foldtiny.aot import CompiledModel


def compile_for(
    tflite: bytes | Path,
    board: str,
    *,
    optimize: str = "auto",
    profile: bool = False,
    fuse: bool = True,
    title: str = "model",
    output: Path | None = None,
) -> CompiledModel:
    """Compile a .tflite file to C for a board; called as ``foldtiny.compile``.

    Parameters
    ----------
    tflite : bytes or Path
        An int8 or float32 network: the content of a .tflite file, or where it is.
    board : str
        A name that ``foldtiny boards`` lists; its processor decides the kernels.
    optimize : {"auto", "speed", "size"}
        ``auto`` is for speed where it fits the board's flash and RAM, otherwise for size.
    profile : bool
        Have the firmware measure each layer.
    fuse : bool
        False leaves each operator a layer of its own and each tensor whole, for comparison.
    title : str
        What to call the network in the project.
    output : Path, optional
        Folder for a PlatformIO project; nothing is written without it.

    Returns
    -------
    CompiledModel
        ``files`` (C sources by name), ``plan`` (arena and lower bound in bytes, where each tensor lies), ``layers``,
        ``macs``, ``inputs``, ``outputs``.

    Raises
    ------
    CompileError
        If the file is damaged or uses something that is not supported.
    DataError
        If the file cannot be read.
    UsageError
        If the board or ``optimize`` is unknown.
    """
    from foldtiny.pipeline.request import DeployRequest

    known = boards.get(board)
    DeployRequest(board=board, optimize=optimize).check()
    content = steps.read_tflite(tflite) if isinstance(tflite, Path) else tflite
    compiled, chosen = steps.compile_model(content, known, optimize, profile, fuse)
    if output is not None:
        steps.write_project(compiled, chosen, content, known, output, title=title, profile=profile)
    return compiled
