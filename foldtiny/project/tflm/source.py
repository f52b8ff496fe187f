"""A local tree of TFLite Micro's sources, checked, and the part of it that a project needs."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from foldtiny.errors import UsageError, reason

HOW = (
    "in a checkout of github.com/tensorflow/tflite-micro run tensorflow/lite/micro/tools/project_generation/"
    "create_tflm_tree.py and give the folder that it writes with --tflm-source"
)
"""How to get such a tree."""

_MICRO = "tensorflow/lite/micro"
_KERNELS = f"{_MICRO}/kernels"
_NEEDED = (f"{_MICRO}/micro_interpreter.h", "third_party/flatbuffers/include/flatbuffers/flatbuffers.h")
# Kernels for one processor, and what makes the interpreter's headers use them. The others need a vendor's library.
_OPTIMISED = {"cmsis_nn": ("CMSIS_NN", "ARM_NN_ENABLE_F16=0", "ARM_NN_ENABLE_F32=0"),
              "esp_nn": ("ESP_NN", "CONFIG_NN_OPTIMIZED=1")}  # fmt: skip
_DEFINES = ("TF_LITE_STATIC_MEMORY", "TF_LITE_DISABLE_X86_NEON")
_SOURCES = {".c", ".cc", ".cpp", ".S"}
_HEADERS = {".h", ".hpp", ".inc"}
_INCLUDES = (
    ".", "third_party/flatbuffers/include", "third_party/gemmlowp", "third_party/ruy", "third_party/kissfft",
    "third_party/cmsis", "third_party/cmsis/CMSIS/Core/Include", "third_party/cmsis_nn", "third_party/cmsis_nn/Include",
    "third_party/esp_nn/include", "third_party/esp_nn/src/common",
    "third_party/esp-nn/include", "third_party/esp-nn/src/common",
)  # fmt: skip
# Sound processing in front of a network, tests and examples: nothing that an interpreter needs.
_LEFT_OUT = {"signal", "kissfft", "examples", "testing", "tests", "test", "test_app", "benchmarks", "tools", "python"}
# Clock and console belong to the firmware.
_OURS = {"micro_time", "debug_log"}
_OTHER_CHIPS = ("_esp32s3", "_esp32p4")
# What the interpreter's own tests are made with; some of it wants a heap.
_FOR_TESTS = ("test_", "mock_", "fake_", "kernel_runner")
_MOST_BYTES = 64 << 20
# Where a kernel hands itself out: `TFLMRegistration Register_CONV_2D() {`.
_REGISTERS = re.compile(rb"\bRegister_([A-Z0-9_]+)\s*\(\s*\)\s*\{")


@dataclass(frozen=True, slots=True)
class SourceTree:
    """The sources to build, by their path in the tree; ``kernels`` is what the optimised ones are called, if any."""

    files: Mapping[str, bytes]
    includes: tuple[str, ...]
    defines: tuple[str, ...]
    kernels: str | None

    @property
    def sha256(self) -> str:
        """A hash over all names and contents."""
        digest = hashlib.sha256()
        for name, content in sorted(self.files.items()):
            digest.update(f"{name}\0{len(content)}\0".encode() + content)
        return digest.hexdigest()

    def only(self, operators: Sequence[str]) -> SourceTree:
        """Return the tree without the kernels of other operators, which would only take time to compile.

        Where an operator's kernel is not found under its own name, everything is kept.
        """
        given = {
            path: {name.decode() for name in _REGISTERS.findall(content)}
            for path, content in self.files.items()
            if path.startswith(f"{_KERNELS}/") and PurePosixPath(path).suffix in _SOURCES
        }
        used = {path for path, names in given.items() if any(n.startswith(tuple(operators)) for n in names)}
        found = {name for path in used for name in given[path]}
        if not set(operators) <= found:
            return self
        dropped = {path for path, names in given.items() if names and path not in used}
        return replace(self, files={path: text for path, text in self.files.items() if path not in dropped})


def read_tree(folder: Path) -> SourceTree:
    """Read a tree as TFLite Micro's own ``create_tflm_tree.py`` writes it, or one laid out like it.

    Where the tree has optimised kernels beside the reference kernels (Espressif's esp-tflite-micro has), those of the
    same name replace them.

    Raises
    ------
    UsageError
        If it is not such a tree, or cannot be read.
    """
    for needed in _NEEDED:
        if not (folder / needed).is_file():
            raise UsageError(f"--tflm-source {folder} is not a tree of TFLite Micro: it has no {needed}", HOW)
    kernels = _optimised(folder)
    shadowed = set()
    if kernels is not None:
        names = {path.stem for path in (folder / _KERNELS / kernels).iterdir() if path.suffix in _SOURCES}
        shadowed = {f"{_KERNELS}/{name}" for name in names}
    files: dict[str, bytes] = {}
    size = 0
    try:
        for path, name in _walk(folder):
            if _wanted(name, shadowed):
                files[str(name)] = path.read_bytes()
                size += len(files[str(name)])
                if size > _MOST_BYTES:
                    raise UsageError(f"--tflm-source {folder} holds more than {_MOST_BYTES >> 20} MiB of sources", HOW)
    except OSError as error:
        raise UsageError(f"--tflm-source {folder} cannot be read: {reason(error)}", "check its permissions") from error
    return SourceTree(files, tuple(i for i in _INCLUDES if (folder / i).is_dir()), defines(kernels), kernels)


def defines(kernels: str | None) -> tuple[str, ...]:
    """Return the macros to compile TFLite Micro with, for one kind of optimised kernels or none."""
    return _DEFINES + (_OPTIMISED[kernels] if kernels else ())


def _optimised(folder: Path) -> str | None:
    found = sorted(
        path.name
        for path in (folder / _KERNELS).iterdir()
        if path.is_dir() and any(file.suffix in _SOURCES for file in path.iterdir()) and path.name not in _LEFT_OUT
    )
    if len(found) > 1:
        raise UsageError(
            f"--tflm-source {folder} holds kernels for several processors ({', '.join(found)}), as a checkout does", HOW
        )
    if found and found[0] not in _OPTIMISED:
        raise UsageError(
            f"--tflm-source {folder} holds kernels for {found[0]} (allowed: {', '.join(_OPTIMISED)}, or none)", HOW
        )
    return found[0] if found else None


def _walk(folder: Path) -> Iterator[tuple[Path, PurePosixPath]]:
    for top in ("tensorflow", "third_party", "signal"):
        for path in sorted((folder / top).rglob("*")):
            yield path, PurePosixPath(path.relative_to(folder).as_posix())


def _wanted(name: PurePosixPath, shadowed: set[str]) -> bool:
    if name.name.startswith("LICENSE"):
        return True
    if name.suffix in _HEADERS:
        return True
    if name.suffix not in _SOURCES or _LEFT_OUT & set(name.parts) or name.stem in _OURS:
        return False
    if name.stem.endswith(("_test", *_OTHER_CHIPS)) or name.stem.startswith(_FOR_TESTS):
        return False
    return str(name.with_suffix("")) not in shadowed
