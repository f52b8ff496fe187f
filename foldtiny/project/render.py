"""Writes the PlatformIO project: templates, the model's C files, the firmware's sources, the simulated platform."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from foldtiny import __version__, resources
from foldtiny.boards import Board
from foldtiny.project import partitions, templates
from foldtiny.project.replace import replace_tree

if TYPE_CHECKING:
    from foldtiny.aot import CompiledModel
    from foldtiny.project.tflm import InterpretedModel, Library, SourceTree

_ROW = 16
_HEX = tuple(f"\\x{byte:02x}" for byte in range(256))
_TREE = "src/tflite-micro"
_MANIFEST = "lib/tflm/library.json"
_SHIPPED_SUFFIXES = {".c", ".h", ".cpp", ".py", ".json", ".ld"}


@dataclass(frozen=True, slots=True)
class Project:
    """A project on disk. ``environments`` maps ``hardware`` (or None) and ``simulated`` to PlatformIO's names."""

    directory: Path
    board: Board
    environments: dict[str, str | None]


def render(
    board: Board,
    compiled: CompiledModel | InterpretedModel,
    tflite: bytes,
    out: Path,
    *,
    title: str,
    runtime: str = "aot",
    class_names: Sequence[str] = (),
    build_flags: Sequence[str] = (),
    tree: SourceTree | None = None,
) -> Project:
    """Write a PlatformIO project that builds without foldtiny.

    The folder appears whole or not at all. A project that foldtiny wrote there before is replaced; files that the
    user added to it and the build folder are kept.

    Parameters
    ----------
    board : Board
    compiled : CompiledModel or InterpretedModel
        The C files, and the tensors to describe.
    tflite : bytes
        The model file, which goes in as a C array.
    out : Path
        The project's folder.
    title : str
        What the model is called in comments and in the README.
    build_flags : sequence of str
        Further compiler flags for all environments, such as ``-DMODEL_PROFILE``.
    tree : SourceTree, optional
        TFLite Micro's sources, which go into the project. Without them PlatformIO fetches TFLite Micro for a project of
        the runtime ``tflm``, which then builds for the real board only.

    Raises
    ------
    ProjectError
        If ``out`` holds something else, or files of the project that were changed by hand.
    FoldtinyError
        If it cannot be written.
    """
    files = {
        path: text.encode()
        for path, text in _rendered(board, compiled, tflite, title, runtime, class_names, build_flags, tree)
    }
    files |= {f"src/model/{name}": text.encode() for name, text in compiled.files.items()}
    files |= dict(_copied(resources.root("firmware") / "runtime", "src/runtime"))
    files |= dict(_copied(resources.root("firmware") / "platform", "platform"))
    if tree is not None:
        files |= {f"{_TREE}/{path}": content for path, content in tree.files.items()}
    hardware = board.hardware.environment if board.hardware else None
    if library := _library(board, runtime, tree):
        files[_MANIFEST] = library.manifest(f"../../{_packages(board)}", compiled.operators).encode()
    if board.hardware:
        own = resources.root("boards") / "platformio" / f"{board.hardware.board}.json"
        if own.is_file():
            files[f"boards/{own.name}"] = own.read_bytes()
    replace_tree(out, files)
    return Project(out, board, {"hardware": hardware, "simulated": board.simulator.environment})


def _rendered(
    board: Board,
    compiled: CompiledModel | InterpretedModel,
    tflite: bytes,
    title: str,
    runtime: str,
    class_names: Sequence[str],
    build_flags: Sequence[str],
    tree: SourceTree | None,
) -> Iterator[tuple[str, str]]:
    names = {"platformio.ini": "platformio.ini.j2", "README.md": "project_readme.md.j2"}
    names |= {f"src/{name}": f"{name}.j2" for name in ("fw_config.h", "main.c", "model_data.h", "model_data.c")}
    if board.hardware:
        names["src/main.cpp"] = "main.cpp.j2"
        if board.hardware.partitions:
            names[board.hardware.partitions] = "partitions.csv.j2"
    packages = {package for group in board.simulator.packages.values() for package in group}
    if runtime == "tflm" and board.simulator.cxx is not None:
        packages |= set(board.simulator.cxx.packages)
    library = _library(board, runtime, tree)
    values = {
        "board": board,
        "compiled": compiled,
        "tflite": tflite,
        "title": _one_line(title),
        "runtime": _one_line(runtime),
        "class_names": [_one_line(name) for name in class_names],
        "build_flags": list(build_flags),
        "packages": sorted(packages),
        "partitions": _partitions(board, compiled, tflite, runtime),
        "tree": tree,
        "interpreter": tree or library,
        "fetched": library.packages if library else (),
        "sources": _packages(board) if library else _TREE,
        "profile": "-DMODEL_PROFILE" in build_flags,
        "rows": _array_rows(tflite),
        "version": __version__,
    }
    environment = templates.environment()
    for path, template in names.items():
        yield path, environment.get_template(template).render(values)


def _library(board: Board, runtime: str, tree: SourceTree | None) -> Library | None:
    """Return the TFLite Micro that PlatformIO fetches for the real board, where the project needs it."""
    from foldtiny.project.tflm import LIBRARIES

    if runtime != "tflm" or tree is not None or board.hardware is None or board.hardware.tflm is None:
        return None
    return LIBRARIES[board.hardware.tflm]


def _packages(board: Board) -> str:
    """Return where PlatformIO puts what a real board's project depends on."""
    assert board.hardware is not None
    return f".pio/libdeps/{board.hardware.environment}"


def _partitions(
    board: Board, compiled: CompiledModel | InterpretedModel, tflite: bytes, runtime: str
) -> list[tuple[str, str, str, int, int]]:
    """Return the partition table of a board that has one."""
    if board.hardware is None or board.hardware.partitions is None or board.limits.flash_bytes is None:
        return []
    constants = len(tflite) if runtime == "tflm" else sum(layer.constant_bytes for layer in compiled.layers)
    return partitions.rows(constants, board.limits.flash_bytes)


def _one_line(text: str) -> str:
    """Make a text safe inside comments: one line, and nothing that ends or continues a C comment."""
    printable = "".join(character if character.isprintable() else " " for character in text)
    return printable.replace("*/", "* /").replace("\\", "/").replace('"', "'").strip() or "model"


def _array_rows(data: bytes) -> list[str]:
    """Return a C array's bytes as string literals: compilers read megabytes of them in no time, unlike numbers."""
    starts = range(0, len(data), _ROW)
    return ['"' + "".join(_HEX[byte] for byte in data[start : start + _ROW]) + '"' for start in starts]


def _copied(source: Path, target: str) -> Iterator[tuple[str, bytes]]:
    for path in sorted(source.rglob("*")):
        if path.is_file() and path.suffix in _SHIPPED_SUFFIXES:
            yield f"{target}/{path.relative_to(source).as_posix()}", path.read_bytes()
