"""Bare programs on the simulated Xtensa core, built with the firmware's own flags and runtime; exact counts."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from foldtiny.aot.compile import CompiledModel
from foldtiny.resources import root
from tests.kernels.inference import Result, Samples, ticked

HERE = Path(__file__).parent
TICK_INSTRUCTIONS = 25
AVAILABLE = shutil.which("xtensa-lx106-elf-gcc") is not None and shutil.which("qemu-system-xtensa") is not None


def build(folder: Path, sources: Sequence[Path], flags: Sequence[str] = ()) -> Path:
    """Build an image from C files whose program is ``twin_main`` and whose inputs are ``inputs.bin`` of the folder."""
    firmware = root("firmware")
    platform = firmware / "platform"
    board: dict[str, Any] = json.loads((platform / "boards" / "esp-eye-sim.json").read_text(encoding="utf-8"))["build"]
    runtime = [firmware / "runtime" / f"fw_{name}.c" for name in ("integer", "freestanding", "float")]
    runtime += [firmware / "runtime" / "ports" / "port_xtensa_sim.c", HERE / "twin.c"]
    elf = folder / "image.elf"
    command = [
        board["toolchain"] + "gcc",
        *board["machine_flags"],
        *("-std=gnu11", "-O2", "-ffunction-sections", "-fdata-sections", "-Wall", "-Wextra"),
        *(f"-D{name}" for name in board["defines"]),
        *flags,
        *(f"-I{path}" for path in (folder, HERE / "include", platform / board["include"], firmware / "runtime")),
        *map(str, (*sources, *runtime)),
        *board["link_flags"],
        # Room for thousands of cases in one image; whether a network fits the board is tested elsewhere.
        *("-Wl,--gc-sections", "-Wl,--defsym=FW_FLASH_BYTES=0x1000000", "-Wl,--defsym=FW_RAM_BYTES=0x1000000"),
        f"-Wl,-T,{platform / 'ldscripts' / board['linker_script']}",
        *("-lgcc", "-o", str(elf)),
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return elf


def run(elf: Path, timeout_s: float = 300.0) -> bytes:
    """Run an image; returns what it wrote."""
    command = ["qemu-system-xtensa", "-M", "sim", "-cpu", "lx106", "-icount", "shift=0", "-display", "none"]
    command += ["-monitor", "none", "-semihosting", "-serial", "stdio", "-kernel", str(elf)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout_s, check=False)
    assert done.returncode == 0, f"the program ended with {done.returncode}: {done.stderr[-1000:]!r}"
    return done.stdout


def infer(folder: Path, compiled: CompiledModel, samples: Samples, *, profile: bool = False) -> list[Result]:
    """Run a compiled network on each sample."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in compiled.files.items():
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "inputs.bin").write_bytes(b"".join(np.asarray(a).tobytes() for sample in samples for a in sample))
    sources = [HERE / "network.c", *(folder / name for name in compiled.files if name.endswith(".c"))]
    raw = run(build(folder, sources, ["-DMODEL_PROFILE=1"] if profile else []))
    return ticked(raw, compiled, samples, profile=profile, tick=TICK_INSTRUCTIONS)
