"""The kernels' inner loops go into the ESP32's instruction RAM: all of them, and little enough."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from foldtiny import aot, boards
from tests.aot import networks

# ESP-IDF's own code in IRAM leaves about 64 KB of 128 KB to an Arduino program without radio.
_ROOM_BYTES = 8 * 1024
_COMPILE = ["xtensa-lx106-elf-gcc", "-std=gnu11", "-O2", "-ffreestanding", "-mlongcalls", "-mtext-section-literals",
            "-ffunction-sections"]  # fmt: skip


def _sections(folder: Path, network: bytes, *flags: str) -> tuple[int, set[str]]:
    """Compile a network; return the bytes of code for instruction RAM and the names of the functions elsewhere."""
    for name, text in aot.compile_tflite(network, target="xtensa", optimize="speed").files.items():
        (folder / name).write_text(text)
    include = Path(__file__).parents[2] / "firmware" / "platform" / "include" / "freestanding"
    subprocess.run([*_COMPILE, *flags, f"-I{include}", "-c", "model.c", "-o", "model.o"], cwd=folder, check=True)
    headers = subprocess.run(
        ["xtensa-lx106-elf-objdump", "-h", "model.o"], cwd=folder, capture_output=True, text=True, check=True
    ).stdout
    hot = sum(int(size, 16) for size in re.findall(r"^ *\d+ \.iram1\.ft_hot\S* +([0-9a-f]+)", headers, re.M))
    return hot, set(re.findall(r"^ *\d+ \.text\.(ft_\w+)", headers, re.M))


@pytest.mark.parametrize("make", [networks.lenet5, networks.residual, networks.separable])
def test_inner_loops_lie_in_instruction_ram(tmp_path: Path, make: object) -> None:
    network = make()  # type: ignore[operator]
    hot, elsewhere = _sections(tmp_path, network, "-DFT_HOT_IN_IRAM")
    assert 256 < hot <= _ROOM_BYTES
    assert not {name for name in elsewhere if name.startswith("ft_xt_")}
    assert _sections(tmp_path, network)[0] == 0  # the twin's build has no such memory


def test_only_the_esp_eye_asks_for_it() -> None:
    asking = {
        board.name
        for board in boards.load_all().values()
        if board.hardware and "-DFT_HOT_IN_IRAM" in board.hardware.build_flags
    }
    assert asking == {"esp-eye"}
