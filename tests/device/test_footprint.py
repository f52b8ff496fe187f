"""Footprints of images laid out as the cores of real boards lay them out."""

from __future__ import annotations

import subprocess
from pathlib import Path

from foldtiny.device import footprint

# Sections as in images of arduino-esp32 (constants in flash, but flagged writable; code in instruction RAM; external
# RAM) and of ArduinoCore-mbed (.heap takes all RAM that is left).
_SOURCE = """
#define IN(name, flags) __attribute__((section(name ",\\"" flags "\\",@progbits#"), used))
#define ZERO(name) __attribute__((section(name ",\\"aw\\",@nobits#"), used))
IN(".flash.rodata", "aw") char model_weights_conv[70000] = {1};
IN(".dram0.data", "aw") char table[300] = {1};
ZERO(".dram0.bss") char model_arena[5000];
ZERO(".ext_ram.bss") char picture[100000];
ZERO(".heap") char heap[200000];
IN(".iram0.text", "awx") char code[1000] = {1};
void _start(void) {}
"""


def test_esp32_and_mbed_sections(tmp_path: Path) -> None:
    (tmp_path / "image.c").write_text(_SOURCE)
    flags = ["-nostdlib", "-static", "-no-pie", "-Wl,--build-id=none", "-fno-asynchronous-unwind-tables"]
    elf = tmp_path / "image.elf"
    subprocess.run(["gcc", *flags, str(tmp_path / "image.c"), "-o", str(elf)], check=True)
    found = footprint.read(elf)
    assert found.ram_static == 300 + 5000
    assert found.ram_arena == 5000
    assert found.ram_data == 300
    assert sum(part["bytes"] for part in found.flash_parts) == found.flash_total
    assert found.flash_model == 70000
    assert 71_300 <= found.flash_total < 71_500
    memory = {symbol.name: symbol.memory for symbol in found.symbols}
    assert (memory["model_weights_conv"], memory["table"], memory["model_arena"]) == ("flash", "ram", "ram")
    assert memory["picture"] == "other"
