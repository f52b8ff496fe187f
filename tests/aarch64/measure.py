"""What the benchmark prints and the baseline test compares: instructions and RAM of one network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from foldtiny import reference
from foldtiny.aot import targets
from foldtiny.aot.compile import compile_tflite
from tests.aarch64 import twin
from tests.cortex_m4 import networks


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one inference under QEMU; ``exact`` says that outputs equal TFLite Micro's."""

    macs: int
    instructions: int
    ram_bytes: int
    constant_bytes: int
    exact: bool
    layers: tuple[tuple[str, str, int, int], ...]


def measure(folder: Path, name: str, optimize: str, target: str = "aarch64") -> Figures | None:
    """Compile, run and compare one network; None where its file is missing. ``portable`` gives the plain kernels."""
    assert target in targets.SPECIALISTS
    data = networks.load(name)
    if data is None:
        return None
    samples = reference.random_inputs(data, 1, seed=7)
    expected = [np.asarray(a).tobytes() for a in reference.outputs(data, samples)[0]]
    compiled = compile_tflite(data, target=target, optimize=optimize)
    # The plain kernels get all that the compiler can do for them; the firmware is built with -O2.
    level = "-O3" if target == "portable" else "-O2"
    result = twin.infer(folder, compiled, samples, ("-std=gnu11", level))[0]
    return Figures(
        macs=compiled.macs,
        instructions=result.instructions,
        ram_bytes=compiled.plan.arena_bytes,
        constant_bytes=sum(layer.constant_bytes for layer in compiled.layers),
        exact=result.outputs == expected,
        layers=tuple(
            ("+".join(layer.operators), layer.kernel, layer.macs, count)
            for layer, count in zip(compiled.layers, result.layers, strict=True)
        ),
    )
