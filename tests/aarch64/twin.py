"""Linux programs for the Cortex-A57, run by QEMU with the plugin that counts their instructions."""

from __future__ import annotations

import itertools
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from foldtiny.aot.compile import CompiledModel
from foldtiny.device import counter
from foldtiny.resources import root
from tests.kernels.inference import Result, Samples, unpack

HERE = Path(__file__).parent
AVAILABLE = shutil.which("aarch64-linux-gnu-gcc") is not None and shutil.which("qemu-aarch64") is not None


def build(folder: Path, sources: Sequence[Path], flags: Sequence[str]) -> Path:
    """Build a program."""
    program = folder / "program"
    command = ["aarch64-linux-gnu-gcc", "-mcpu=cortex-a57", "-static", *flags, f"-I{folder}"]
    command += [f"-I{root('firmware') / 'runtime'}", "-o", str(program), *map(str, sources), "-lm"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return program


def run(program: Path, data: bytes = b"", *, count: bool = False) -> bytes:
    """Run a program in its folder; returns what it wrote to standard output."""
    plugin = ["-plugin", str(counter.plugin())] if count else []
    done = subprocess.run(
        ["qemu-aarch64", "-cpu", "cortex-a57", *plugin, str(program)],
        cwd=program.parent,
        input=data,
        capture_output=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"the program ended with {done.returncode}: {done.stderr[-1000:]!r}"
    return done.stdout


def infer(
    folder: Path,
    compiled: CompiledModel,
    samples: Samples,
    flags: Sequence[str] = ("-std=gnu11", "-O2"),
) -> list[Result]:
    """Run a compiled network on each sample."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in compiled.files.items():
        (folder / name).write_text(text, encoding="utf-8")
    sources = [HERE / "network.c", *(folder / name for name in compiled.files if name.endswith(".c"))]
    program = build(folder, sources, [*flags, "-DMODEL_PROFILE=1"])
    raw = run(program, b"".join(np.asarray(a).tobytes() for sample in samples for a in sample), count=True)
    return [
        Result(outputs, marks[-1] - marks[0], tuple(after - before for before, after in itertools.pairwise(marks)))
        for marks, outputs in unpack(raw, compiled, samples, f"<{len(compiled.layers) + 1}Q")
    ]
