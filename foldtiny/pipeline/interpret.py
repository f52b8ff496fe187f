"""The runtime ``tflm``: what it needs, checked before anything is done, and its half of the compile stage."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from foldtiny.errors import MeasureError, UsageError
from foldtiny.pipeline import profiles
from foldtiny.stages import StageOutput

if TYPE_CHECKING:
    from foldtiny.boards import Board
    from foldtiny.device.hello import Hello
    from foldtiny.device.target import Target
    from foldtiny.pipeline.request import DeployRequest
    from foldtiny.project.tflm import SourceTree


def sources(request: DeployRequest, board: Board, target: Target) -> SourceTree | None:
    """Return TFLite Micro's sources as far as they are needed, or None.

    Raises
    ------
    UsageError
        If they are needed and not given, or what is given is something else.
    BuildError
        If the C++ compiler of the board's twin is missing.
    """
    from foldtiny.project.tflm import read_tree

    require(request, board, target)
    return read_tree(request.tflm_source) if request.runtime == "tflm" and request.tflm_source is not None else None


def require(request: DeployRequest, board: Board, target: Target) -> None:
    """Make sure that the runtime can be had for a board, without reading anything; see :func:`sources`."""
    from foldtiny.device import cxx
    from foldtiny.project.tflm import source

    if request.runtime != "tflm":
        return
    twin = target.port is None or board.hardware is None
    if twin:
        cxx.require(board)
    if request.tflm_source is not None:
        return
    if twin:
        raise UsageError(
            f"--runtime tflm on {'the simulated ' if target.port is None else 'a '}{board.name} "
            "needs the sources of TFLite Micro",
            source.HOW,
        )
    if board.hardware is not None and board.hardware.tflm is None:
        raise UsageError(
            f"the file of the board {board.name} names no TFLite Micro (tflm), so --runtime tflm needs its sources",
            source.HOW,
        )


def interpret_project(
    content: bytes,
    board: Board,
    directory: Path,
    *,
    title: str,
    tree: SourceTree | None,
    arena_bytes: int | None = None,
    class_names: tuple[str, ...] = (),
    profile: bool = False,
) -> StageOutput:
    """Write the PlatformIO project that runs a .tflite file with TFLite Micro; see ``steps.compile_project``.

    Parameters
    ----------
    tree : SourceTree or None
        TFLite Micro's sources; None has PlatformIO fetch what the board's file says.
    arena_bytes : int or None
        The interpreter's memory; None estimates it.
    """
    from foldtiny import project
    from foldtiny.project import tflm

    model = tflm.interpret(content, name=title, profile=profile, arena_bytes=arena_bytes)
    rendered = project.render(
        board,
        model,
        content,
        directory,
        title=title,
        runtime="tflm",
        class_names=class_names,
        build_flags=("-DMODEL_PROFILE",) if profile else (),
        tree=tree.only(model.operators) if tree else None,
    )
    if tree is not None:
        kernels = tree.kernels or "reference kernels"
    else:
        fetched = board.hardware.tflm if board.hardware else None
        kernels = tflm.LIBRARIES[fetched].title if fetched else ""
    result = {
        "model_hash": model.model_hash,
        "operators": list(model.operators),
        "macs": model.macs,
        "arena_bytes": model.arena_bytes,
        "target": board.target,
        "optimize": "",
        "environments": rendered.environments,
        "layers": profiles.describe(model.layers),
        "memory": {},
        "interpreter": {"kernels": kernels, "sources": tree.sha256 if tree else None},
    }
    summary = (
        f"TFLite Micro ({kernels}): {len(model.operators)} operators, {model.macs:,} multiply-accumulates, "
        f"arena of {model.arena_bytes:,} B → {directory}"
    )
    files = [path for path in sorted(directory.rglob("*")) if path.is_file() and ".pio" not in path.parts]
    return StageOutput(result, summary, files)


def check(board: Board, runtime: str, hello: Hello) -> None:
    """Refuse a firmware with the other runtime, or one whose interpreter could not start.

    Raises
    ------
    MeasureError
        If it runs the network otherwise than asked, or reports that its interpreter uses no memory: it did not accept
        the network, or had too little room for it.
    """
    if hello.runtime != runtime:
        raise MeasureError(
            f"the firmware on the {board.name} runs the network with {hello.runtime}, not with {runtime}",
            f"give --runtime {hello.runtime}, or leave out --no-flash",
        )
    if hello.runtime == "tflm" and hello.arena_bytes == 0:
        raise MeasureError(
            f"TFLite Micro did not start on the {board.name}: its arena is too small, or its version lacks an operator",
            "give it more memory than the compile stage said with --tflm-arena",
        )
