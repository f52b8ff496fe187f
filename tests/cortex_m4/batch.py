"""Many layers in one image: each is described to ``kernels.c`` by its parameters and constants."""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foldtiny.aot.layer import Kernel, Params
from foldtiny.resources import root
from tests.cortex_m4 import simulator

CASES_AT = 0x21400000
ROUTINES = (
    "ft_gemm_half_relu",
    "ft_gemm_half_full",
    "ft_gemm_half_first",
    "ft_gemm_wide_relu",
    "ft_gemm_wide_full",
    "ft_gemm_wide_first",
)
WINDOWS = ("half", "wide", "weave", "3x9", "line_half", "line_wide")
STEPS = ("shared_8", "shared_16", "shared_32", "shared_loop", "exact_4", "exact_7", "exact_8", "exact_16", "exact_32")
SHARED = [f"{steps}_{e}" for steps in STEPS for e in (8, 10, 12, 14, 16)]
ENDS = (8, 10, 12, 14, 16)
EIGHT = [f"eight_{e}" for e in ENDS]
FOUR = [f"four_{steps}_{e}" for steps in ("8", "16", "any") for e in ENDS]
STRASSEN = [f"strassen_{steps}_{e}" for steps in ("16", "32", "any") for e in ENDS]
COLOUR = [f"colour_{e}" for e in ENDS]
CALLS = {
    "ft_cm4_fully_connected_s8($params, ft_rows_half,": 62,
    "ft_cm4_fully_connected_s8($params, ft_rows_wide,": 63,
    "ft_cm4_long_vectors_s8(": 64,
    "ft_cm4_three_pixels_s8($params, ft_three_relu,": 310,
    "ft_cm4_three_pixels_s8($params, ft_three_full,": 311,
    "ft_cm4_add_s8($params, ft_cm4_add_relu, $in0": 65,
    "ft_cm4_add_s8($params, ft_cm4_add_full, $in0": 66,
    "ft_cm4_add_s8($params, ft_cm4_add_relu, $in1": 67,
    "ft_cm4_add_s8($params, ft_cm4_add_full, $in1": 68,
    "ft_cm4_average_pool_2d_s8(": 69,
    "ft_cm4_max_pool_2d_s8(": 70,
    "ft_cm4_mean_s8(": 71,
    "ft_cm4_winograd_s8($params, ft_tiles_relu": 192,
    "ft_cm4_winograd_s8($params, ft_tiles_full": 193,
    "ft_cm4_winograd_5x5_s8($params, ft_squares_0_relu": 256,
    "ft_cm4_winograd_5x5_s8($params, ft_squares_0_full": 257,
    "ft_cm4_winograd_5x5_s8($params, ft_squares_2_relu": 258,
    "ft_cm4_winograd_5x5_s8($params, ft_squares_2_full": 259,
}
SWEEPS = [f"{kind}_{tail}_{e}" for kind in ("one", "two") for e in range(4, 20, 2) for tail in ("relu", "full")]
SWEEPS += [f"edge_relu_{e}" for e in range(4, 20, 2)]
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
        for number, windows in enumerate(WINDOWS):
            if f" {name}, " in kernel.call and f" ft_cm4_windows_{windows}," in kernel.call:
                return index + number * len(ROUTINES)
    for first, names in ((300, EIGHT), (320, FOUR), (340, STRASSEN), (360, COLOUR)):
        for index, name in enumerate(names):
            if f" ft_{name}," in kernel.call:
                return first + index
    for index, routine in enumerate(SHARED):
        for number, windows in enumerate(WINDOWS):
            if f" ft_gemm_{routine}, " in kernel.call and f" ft_cm4_windows_{windows}," in kernel.call:
                return 512 + index + number * len(SHARED)
    for index, routine in enumerate(SWEEPS):
        for first, name in ((128, "sweep"), (400, "fast")):
            if f" ft_{name}_{routine}," in kernel.call:
                return first + index
    return next(number for call, number in CALLS.items() if kernel.call.startswith(call))


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


@cache
def _layouts() -> dict[str, list[tuple[str, str]]]:
    """Return (type, name) of each field of the structs in the headers, as they stand."""
    layouts = {}
    for header in (root("firmware") / "kernels").rglob("*.h"):
        for body, name in re.findall(r"typedef struct \{([^{}]*)\} (\w+);", header.read_text(encoding="utf-8")):
            fields = re.findall(r"^\s*(int32_t|int16_t|float) ([\w, ]+);", body, re.MULTILINE)
            layouts[name] = [(kind, field.strip()) for kind, names in fields for field in names.split(",")]
    return layouts


def _struct(params: Params) -> bytes:
    """Return a parameter struct as the compiler lays it out; what is not named is zero."""
    known, data = dict(params.fields), b""
    for kind, name in _layouts()[params.ctype]:
        data += {"int32_t": _int32, "int16_t": _int16, "float": _float}[kind](known.pop(name, 0))
    assert not known, f"{params.ctype} has no {', '.join(known)}"
    return data


def _int32(value: Any) -> bytes:
    return struct.pack("<i", int(value))


def _int16(value: Any) -> bytes:
    return struct.pack("<h", int(value))


def _float(value: Any) -> bytes:
    return struct.pack("<f", float(value))


def _describe(case: Case) -> bytes:
    kernel = case.kernel
    assert kernel.params is not None
    params = _padded(_struct(kernel.params))
    arrays = [_padded(np.ascontiguousarray(c.values).tobytes()) for c in kernel.constants.values()] + [b"", b""]
    inputs = [a.tobytes() for a in case.inputs] + [b""]
    return (
        struct.pack(
            "<9I",
            _kind(kernel),
            len(params) // 4,
            len(arrays[0]) // 4,
            len(arrays[1]) // 4,
            len(inputs[0]),
            len(inputs[1]),
            case.expected.size,
            kernel.scratch_bytes,
            1 if kernel.in_place else 0,
        )
        + params
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
