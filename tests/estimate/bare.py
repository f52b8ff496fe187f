"""Cycles of a bare test image (tests/cortex_m4): the run that counted instructions, once more with the plugin."""

from __future__ import annotations

import subprocess
from pathlib import Path

from foldtiny.device.cycles import blocks
from foldtiny.device.cycles.estimate import total
from foldtiny.device.cycles.program import Program


def cycles(elf: Path, address: int = 0x21000000) -> tuple[int, int, int]:
    """Return instructions, fewest and most cycles of the first ``model_invoke``; inputs lie beside the image."""
    return total(Program(elf), counts(elf, address).blocks)


def counts(elf: Path, address: int = 0x21000000) -> blocks.Counts:
    """Return what the first ``model_invoke`` runs and reads."""
    program, out = Program(elf), elf.with_suffix(".blocks")
    command = ["qemu-system-arm", "-M", "mps2-an386", "-display", "none", "-monitor", "none", "-semihosting"]
    command += ["-serial", "null", "-kernel", str(elf), "-plugin", blocks.plugin(program, out)]
    loaded = elf.with_suffix(".in")
    if loaded.is_file():
        command += ["-device", f"loader,file={loaded},addr={address:#x},force-raw=on"]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, timeout=300)
    return blocks.read(out)
