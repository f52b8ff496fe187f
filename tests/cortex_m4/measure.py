"""What the benchmark prints and the baseline test compares: instructions, RAM and flash of one network."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from foldtiny import reference
from foldtiny.aot.compile import compile_tflite
from tests.cortex_m4 import networks, simulator


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one inference on the simulated Cortex-M4; ``exact`` says that outputs equal TFLite Micro's."""

    macs: int
    instructions: int
    ram_bytes: int
    weights_bytes: int
    engine_bytes: int
    exact: bool
    layers: tuple[tuple[str, str, int, int], ...]


def measure(folder: Path, name: str, optimize: str) -> Figures | None:
    """Compile, run and compare one network; None where its file is missing."""
    data = networks.load(name)
    if data is None:
        return None
    samples = reference.random_inputs(data, 1, seed=7)
    expected = [np.asarray(a).tobytes() for a in reference.outputs(data, samples)[0]]
    compiled = compile_tflite(data, target="cortex-m4", optimize=optimize)
    plain, profiled = folder / "plain", folder / "profiled"
    for path in (plain, profiled):
        path.mkdir(parents=True, exist_ok=True)
    result = simulator.infer(plain, compiled, samples)[0]
    layers = simulator.infer(profiled, compiled, samples, profile=True)[0].layers
    weights, engine = _flash(plain / "image.elf")
    return Figures(
        macs=compiled.macs,
        instructions=result.instructions,
        ram_bytes=compiled.plan.arena_bytes,
        weights_bytes=weights,
        engine_bytes=engine,
        exact=result.outputs == expected,
        layers=tuple(
            ("+".join(layer.operators), layer.kernel, layer.macs, count)
            for layer, count in zip(compiled.layers, layers, strict=True)
        ),
    )


def _flash(elf: Path) -> tuple[int, int]:
    """Return the bytes of constants, and those of kernels, calls and tables (the arena is RAM)."""
    listing = subprocess.run(
        ["arm-none-eabi-nm", "-S", str(elf)], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    weights = engine = 0
    for line in listing:
        fields = line.split()
        if len(fields) != 4 or fields[2] in "bB":
            continue
        size, symbol = int(fields[1], 16), fields[3]
        if symbol.startswith("model_weights_"):
            weights += size
        elif symbol.startswith(("model_", "ft_")):
            engine += size
    return weights, engine
