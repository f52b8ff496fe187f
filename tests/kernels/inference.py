"""What a network does and costs on a simulated core, whichever it is."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foldtiny import reference
from foldtiny.aot import targets
from foldtiny.aot.compile import CompiledModel, compile_tflite
from tests.cortex_m4 import networks

Samples = Sequence[Sequence[NDArray[Any]]]


@dataclass(frozen=True, slots=True)
class Result:
    """One inference: outputs as bytes, instructions of ``model_invoke``, and those of each layer when profiled."""

    outputs: list[bytes]
    instructions: int
    layers: tuple[int, ...]


def unpack(
    raw: bytes, compiled: CompiledModel, samples: Samples, layout: str
) -> list[tuple[tuple[int, ...], list[bytes]]]:
    """Return the counters (in the struct module's ``layout``) and the outputs that a program wrote for each sample."""
    at, found = 0, []
    for _ in samples:
        counters = struct.unpack_from(layout, raw, at)
        at += struct.calcsize(layout)
        outputs = []
        for tensor in compiled.outputs:
            outputs.append(raw[at : at + tensor.bytes])
            at += tensor.bytes
        found.append((counters, outputs))
    assert at == len(raw)
    return found


def ticked(raw: bytes, compiled: CompiledModel, samples: Samples, *, profile: bool, tick: int) -> list[Result]:
    """Return what a bare program wrote that counts ticks of ``tick`` instructions: of all, then of each layer."""
    layout = f"<{1 + (len(compiled.layers) if profile else 0)}I"
    return [
        Result(outputs, counters[0] * tick, tuple(count * tick for count in counters[1:]))
        for counters, outputs in unpack(raw, compiled, samples, layout)
    ]


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one inference on a simulated core; ``exact`` says that outputs equal TFLite Micro's."""

    macs: int
    instructions: int
    ram_bytes: int
    constant_bytes: int
    exact: bool
    layers: tuple[tuple[str, str, int, int], ...]


def figures(
    name: str, optimize: str, target: str, infer: Callable[[CompiledModel, Samples], list[Result]]
) -> Figures | None:
    """Compile, run and compare one network; None where its file is missing. ``portable`` gives the plain kernels."""
    assert target in targets.SPECIALISTS
    data = networks.load(name)
    if data is None:
        return None
    samples = reference.random_inputs(data, 1, seed=7)
    expected = [np.asarray(a).tobytes() for a in reference.outputs(data, samples)[0]]
    compiled = compile_tflite(data, target=target, optimize=optimize)
    result = infer(compiled, samples)[0]
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
