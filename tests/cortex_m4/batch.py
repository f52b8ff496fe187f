"""Many layers in one image: each is described to ``kernels.c`` by its parameters and constants."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foldtiny.aot.layer import Kernel
from foldtiny.resources import root
from tests.cortex_m4 import simulator

CASES_AT = 0x21400000
ROUTINES = (
    "ft_gemm_half_relu",
    "ft_gemm_half_full",
    "ft_gemm_half_max",
    "ft_gemm_wide_relu",
    "ft_gemm_wide_full",
    "ft_gemm_wide_max",
)
CALLS = {
    "ft_cm4_fully_connected_s8(": 64,
    "ft_cm4_add_s8($params, $in0": 65,
    "ft_cm4_add_s8($params, $in1": 66,
    "ft_cm4_average_pool_2d_s8(": 67,
    "ft_cm4_max_pool_2d_s8(": 68,
    "ft_cm4_mean_s8(": 69,
    "ft_cm4_winograd_s8($params, ft_tiles_relu": 192,
    "ft_cm4_winograd_s8($params, ft_tiles_full": 193,
    "ft_cm4_winograd_5x5_s8($params, ft_squares_0_relu": 256,
    "ft_cm4_winograd_5x5_s8($params, ft_squares_0_full": 257,
    "ft_cm4_winograd_5x5_s8($params, ft_squares_2_relu": 258,
    "ft_cm4_winograd_5x5_s8($params, ft_squares_2_full": 259,
}
SWEEPS = [f"{kind}_{tail}_{e}" for kind in ("even", "two") for e in range(4, 20, 2) for tail in ("relu", "full")]
"""The numbers by which ``kernels.c`` knows the calls."""


@dataclass(frozen=True, slots=True)
class Case:
    """A kernel with its inputs and the outputs that it must give."""

    label: str
    kernel: Kernel
    inputs: tuple[NDArray[np.int8], ...]
    expected: NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one pass of a case did: 0 and 1 with the input at the end and the start of a memory, 2 in place."""

    guards: bool
    instructions: int
    output: NDArray[np.int8]


def _kind(kernel: Kernel) -> int:
    for index, name in enumerate(ROUTINES):
        if f" {name}," in kernel.call:
            return index
    for index, routine in enumerate(SWEEPS):
        if f" ft_sweep_{routine}," in kernel.call:
            return 128 + index
    return next(number for call, number in CALLS.items() if kernel.call.startswith(call))


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _describe(case: Case) -> bytes:
    kernel = case.kernel
    assert kernel.params is not None
    params: list[int] = []
    for value in kernel.params.fields.values():
        params += value if isinstance(value, tuple) else [int(value)]
    arrays = [_padded(np.ascontiguousarray(c.values).tobytes()) for c in kernel.constants.values()] + [b"", b""]
    inputs = [a.tobytes() for a in case.inputs] + [b""]
    return (
        struct.pack(
            "<9I",
            _kind(kernel),
            len(params),
            len(arrays[0]) // 4,
            len(arrays[1]) // 4,
            len(inputs[0]),
            len(inputs[1]),
            case.expected.size,
            kernel.scratch_bytes,
            1 if kernel.in_place else 0,
        )
        + np.array(params, np.int64).astype(np.int32).tobytes()
        + arrays[0]
        + arrays[1]
        + _padded(inputs[0])
        + _padded(inputs[1])
    )


def build(folder: Path) -> Path:
    """Build the image that runs cases."""
    kernels = root("firmware") / "kernels"
    return simulator.build(folder, "kernels.c", flags=[f"-I{kernels}", f"-I{kernels / 'cortex_m4'}"])


def run(elf: Path, cases: Sequence[Case]) -> list[list[Outcome]]:
    """Run the cases; returns the passes of each."""
    data = struct.pack("<I", len(cases)) + b"".join(map(_describe, cases))
    raw, at, results = simulator.run(elf, data, address=CASES_AT), 0, []
    for case in cases:
        passes = []
        for _ in range(3 if case.kernel.in_place else 2):
            guards, ticks = struct.unpack_from("<2I", raw, at)
            output = np.frombuffer(raw, np.int8, case.expected.size, at + 8)
            passes.append(Outcome(bool(guards), ticks * simulator.TICK_INSTRUCTIONS, output))
            at += 8 + case.expected.size
        results.append(passes)
    assert at == len(raw)
    return results


def failures(cases: Sequence[Case], results: Sequence[Sequence[Outcome]]) -> list[str]:
    """Return what went wrong, one line for each pass that did."""
    lines = []
    for case, passes in zip(cases, results, strict=True):
        for index, outcome in enumerate(passes):
            wrong = np.flatnonzero(outcome.output != case.expected.reshape(-1))
            if wrong.size or not outcome.guards:
                lines.append(
                    f"{case.label}, pass {index}: {wrong.size} of {case.expected.size} wrong (first {wrong[:5]}), "
                    f"guards {'intact' if outcome.guards else 'broken'}; {case.kernel.call}"
                )
    return lines
