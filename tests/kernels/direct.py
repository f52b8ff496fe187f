"""Runs the plain kernels on thousands of generated layers in one program: no C is generated for each layer.

The compiler reads and checks each network and chooses the kernel, its parameters and its constants as always; only
that these go to the kernel through a file instead of through ``model.c``. ``test_kernels.py`` compiles fewer layers all
the way.
"""

from __future__ import annotations

import re
import struct
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from foldtiny.aot import ops
from foldtiny.aot.fuse import fuse
from foldtiny.aot.layer import Kernel, Params
from foldtiny.aot.reader import read
from foldtiny.aot.site import Site
from foldtiny.resources import root
from tests.kernels.case import Case

_KERNELS = root("firmware") / "kernels"
_DRIVER = Path(__file__).with_name("direct.c")
_FLAGS = ("-std=c11", "-O1", "-g0", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
_DATA, _INPUT, _OUTPUT = 0, 1, 2
_TYPES = {"int8_t": "int8", "int16_t": "int16", "int32_t": "int32", "float": "float32"}
_LOOPS = 6


@dataclass(frozen=True)
class Described:
    """A case as the program takes it: how its kernel is called, and everything else as bytes."""

    call: str
    headers: tuple[str, ...]
    data: bytes
    out_bytes: int


@cache
def _structs() -> dict[str, list[tuple[str, int, str]]]:
    """Return (name, count, struct code) of each field of each parameter struct, in the order of the C header."""
    found = {}
    for path in sorted(_KERNELS.glob("*.h")):
        text = re.sub(r"//[^\n]*", "", path.read_text(encoding="utf-8"))
        for body, name in re.findall(r"typedef struct \{([^}]*)\} (\w+);", text):
            fields = []
            for kind, declarators in re.findall(r"(int32_t|float)\s+([^;]*);", body):
                for declarator in declarators.split(","):
                    field, _, size = declarator.strip().partition("[")
                    fields.append((field, _LOOPS if size else 1, "i" if kind == "int32_t" else "f"))
            found[name] = fields
    return found


def _struct_bytes(params: Params) -> bytes:
    fields = _structs()[params.ctype]
    unknown = set(params.fields) - {name for name, _, _ in fields}
    assert not unknown, f"{params.ctype} has no {unknown}"
    parts = []
    for name, count, code in fields:
        value = params.fields.get(name, 0)
        values = value if isinstance(value, tuple) else (value,) * count
        parts.append(struct.pack(f"<{count}{code}", *values))
    return b"".join(parts)


def describe(case: Case) -> Described:
    """Compile a network of one layer as far as its kernel."""
    graph = read(case.tflite, case.label)
    (layer,) = fuse(graph, [ops.parse(Site(graph, operator)) for operator in graph.operators]).layers
    kernel = layer.plain()
    out_bytes = graph.tensors[layer.outputs[0]].bytes
    names = re.findall(r"\$(\w+)", kernel.call)
    arguments = []
    for name in names:
        kind, position = (name[:-1], int(name[-1])) if name[-1].isdigit() else (name, 0)
        if kind == "in" and graph.tensors[layer.inputs[position]].data is None:
            column = graph.inputs.index(layer.inputs[position])
            content = b"".join(np.ascontiguousarray(sample[column]).tobytes() for sample in case.samples)
            arguments.append((_INPUT, len(content) // len(case.samples), content))
        elif kind == "out":
            arguments.append((_OUTPUT, out_bytes, b""))
        else:
            content = _constant(kernel, name) if kind != "in" else graph.tensors[layer.inputs[position]].data or b""
            arguments.append((_DATA, len(content), content))
    overlap, distance = _overlap(kernel, names, [kind for kind, _, _ in arguments], out_bytes)
    head = struct.pack("<5i", 0, len(arguments), len(case.samples), overlap, distance)
    body = b"".join(struct.pack("<2i", kind, size) + content for kind, size, content in arguments)
    return Described(kernel.call, kernel.headers, head + body, out_bytes * len(case.samples))


def _constant(kernel: Kernel, name: str) -> bytes:
    if name == "params":
        assert kernel.params is not None
        return _struct_bytes(kernel.params)
    constant = kernel.constants[name]
    return np.ascontiguousarray(constant.values, dtype=_TYPES[constant.ctype]).tobytes()


def _overlap(kernel: Kernel, names: Sequence[str], kinds: Sequence[int], out_bytes: int) -> tuple[int, int]:
    """Return the argument that the output may overwrite, and its distance; real numbers stay aligned."""
    for position, distance in kernel.overlap.items():
        argument = names.index(f"in{position}")
        aligned = distance % 4 == 0 or "f32" not in kernel.call
        if distance < out_bytes and aligned and kinds[argument] == _INPUT:
            return argument, distance
    return -1, 0


def run(cases: Sequence[Case], folder: Path) -> list[bytes]:
    """Run all cases; returns the output's bytes of each, samples in a row."""
    described = [describe(case) for case in cases]
    calls = list(dict.fromkeys(item.call for item in described))
    headers = sorted({header for item in described for header in item.headers})
    lines = [f'#include "{header}"' for header in headers]
    lines += ["", "static void call(int32_t number, void *const *a) {", "    switch (number) {"]
    for number, text in enumerate(calls):
        count = iter(range(len(text)))
        spelled = re.sub(r"\$\w+", lambda _: f"a[{next(count)}]", text)  # noqa: B023
        lines += [f"        case {number}:", f"            {spelled}", "            break;"]
    lines += ["        default:", "            exit(7);", "    }", "}", ""]
    (folder / "calls.h").write_text("\n".join(lines), encoding="utf-8")
    with (folder / "cases.bin").open("wb") as file:
        for item in described:
            file.write(struct.pack("<i", calls.index(item.call)) + item.data[4:])
    command = ["gcc", *_FLAGS, f"-I{_KERNELS}", "-I.", "-o", "program", str(_DRIVER), "-lm"]
    for step in (command, ["./program"]):
        done = subprocess.run(step, cwd=folder, capture_output=True, text=True, errors="replace", timeout=600)
        assert done.returncode == 0, _blame(done.stderr, cases)
    data, results, at = (folder / "outputs.bin").read_bytes(), [], 0
    for item in described:
        results.append(data[at : at + item.out_bytes])
        at += item.out_bytes
    assert at == len(data)
    return results


def _blame(said: str, cases: Sequence[Case]) -> str:
    """Return what the program said, and which case it was at."""
    numbers = re.findall(r"^case (\d+)$", said, re.MULTILINE)
    label = cases[int(numbers[-1])].label if numbers else "compiling"
    return f"{label}: " + re.sub(r"^case \d+\n", "", said, flags=re.MULTILINE)[-3000:]
