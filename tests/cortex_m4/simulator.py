"""Bare programs on the simulated Cortex-M4F: built with the firmware's own flags, run under QEMU, exact counts."""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from foldtiny.aot.compile import CompiledModel
from tests.kernels.inference import Result, Samples, ticked

HERE = Path(__file__).parent
MACHINE = ("-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16")
FLAGS = ("-std=gnu11", "-O2", "-ffunction-sections", "-fdata-sections", "-Wall", "-Wextra", "-Wconversion", "-Werror")
TICK_INSTRUCTIONS = 40
"""Instructions in one tick of the 25 MHz timer at one nanosecond each."""

AVAILABLE = shutil.which("arm-none-eabi-gcc") is not None and shutil.which("qemu-system-arm") is not None


def build(folder: Path, program: str, files: Mapping[str, str] = {}, flags: Sequence[str] = ()) -> Path:
    """Build ``program`` (a C file of this folder) with generated files; returns the ELF file."""
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    sources = [HERE / "image.c", HERE / program, *(folder / n for n in files if n.endswith((".c", ".S")))]
    elf = folder / "image.elf"
    done = subprocess.run(
        ["arm-none-eabi-gcc", *MACHINE, *FLAGS, *flags, f"-I{folder}", f"-I{HERE}", "-nostartfiles"]
        + ["--specs=nano.specs", "-Wl,--gc-sections", "-T", str(HERE / "image.ld"), *map(str, sources), "-o", str(elf)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise AssertionError(done.stderr)
    return elf


def run(elf: Path, data: bytes, *, address: int = 0x21000000, timeout_s: float = 300.0) -> bytes:
    """Run an image with ``data`` loaded at an address; returns what it wrote to the UART."""
    loaded, written = elf.with_suffix(".in"), elf.with_suffix(".out")
    loaded.write_bytes(data)
    done = subprocess.run(
        ["qemu-system-arm", "-M", "mps2-an386", "-icount", "shift=0", "-display", "none", "-monitor", "none"]
        + ["-semihosting", "-serial", f"file:{written}", "-kernel", str(elf)]
        + ["-device", f"loader,file={loaded},addr={address:#x},force-raw=on"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    if done.returncode:
        raise AssertionError(f"the program stopped with a fault ({done.returncode}): {done.stderr}")
    return written.read_bytes()


def infer(folder: Path, compiled: CompiledModel, samples: Samples, *, profile: bool = False) -> list[Result]:
    """Run a network compiled for ``cortex-m4`` on each sample."""
    elf = build(folder, "network.c", compiled.files, ["-DMODEL_PROFILE=1"] if profile else [])
    data = struct.pack("<I", len(samples)) + b"".join(np.asarray(a).tobytes() for s in samples for a in s)
    return ticked(run(elf, data), compiled, samples, profile=profile, tick=TICK_INSTRUCTIONS)
