"""TFLite Micro's packages as PlatformIO fetches them, from a folder, on the twin of another environment."""

from __future__ import annotations

from pathlib import Path

from foldtiny.boards import Board
from foldtiny.device import run_platformio
from foldtiny.project import Project, render
from foldtiny.project.tflm import LIBRARIES, interpret
from tests.firmware.test_firmware import STUBS
from tests.project import tflm_tree

_MOVED = {
    "third_party/flatbuffers/include/": "pico-tflmicro/src/",
    "third_party/cmsis_nn/": "cmsis-nn/",
    "tensorflow/": "pico-tflmicro/src/tensorflow/",
    "signal/": "pico-tflmicro/src/signal/",
}


def stand_in(folder: Path) -> Path:
    """Write packages laid out like those for a Cortex-M, with the stand-in's interpreter; return the folder."""
    plain = "tensorflow/lite/micro/kernels/relu.cc"  # the package has optimised kernels in the place of plain ones
    for name, text in tflm_tree.FILES.items():
        new = next((name.replace(old, new, 1) for old, new in _MOVED.items() if name.startswith(old)), None)
        if new is None or name == plain:
            continue
        path = folder / new
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for name in ("pico-tflmicro", "cmsis-nn"):
        (folder / name / "CMakeLists.txt").write_text("")  # by which PlatformIO knows the top of a package
    return folder


def build(board: Board, twin: Board, tflite: bytes, packages: Path, out: Path) -> Path:
    """Build the project of a real board with its packages from a folder, for a twin; return the ELF file.

    The environment, its dependencies and the library's manifest are those of the real board; only the platform, the
    core (of which the kernels want the macro ARDUINO, and a clock) and the port file are the twin's.
    """
    assert board.hardware is not None and board.hardware.tflm is not None
    render(board, interpret(tflite), tflite, out, title="Fetched", runtime="tflm")
    ini = (out / "platformio.ini").read_text()
    changes = {
        f"platform = {board.hardware.platform}": "platform = symlink://platform\nboard_build.cxx = yes",
        f"board = {board.hardware.board}": f"board = {twin.simulator.board}",
        f"framework = {board.hardware.framework}": "",
        "-<main.c>": "-<main.cpp>",
        board.hardware.port: twin.simulator.port,
        "    -Isrc\n": f"    -Isrc\n    -I{STUBS}\n    -DARDUINO=10812\n",
    }
    changes |= dict.fromkeys(board.hardware.build_flags, "")
    for package in LIBRARIES[board.hardware.tflm].packages:
        changes[package.requirement] = f"{package.name}=file://{packages / package.name}"
    for old, new in changes.items():
        assert old in ini, old
        ini = ini.replace(old, new)
    (out / "platformio.ini").write_text(ini)
    name = board.hardware.environment
    log = out / "build.log"
    project = Project(out, replace_name(twin, board), {"hardware": name, "simulated": name})
    status = run_platformio.run(project, name, log, simulated=True)
    assert status == 0, log.read_text()[-3000:]
    return out / ".pio" / "build" / name / "firmware.elf"


def replace_name(twin: Board, board: Board) -> Board:
    """Return the twin under the name that the firmware of the board gives."""
    return twin.model_copy(update={"name": board.name})
