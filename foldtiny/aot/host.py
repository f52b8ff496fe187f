"""Runs a compiled network on this machine: the same C as on the board, built with the host's compiler.

Integer arithmetic is the same everywhere, so an int8 network gives the very bytes that the board gives, thousands of
images in seconds. The network runs in a process of its own.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from foldtiny import _host_compiler
from foldtiny.aot.compile import CompiledModel
from foldtiny.aot.reader import STATEFUL
from foldtiny.errors import CompileError

Arrays = list[npt.NDArray[Any]]

# Without contraction, so that float32 results do not depend on whether this machine has fused multiply-add.
_FLAGS = ("-std=c11", "-O3", "-ffp-contract=off")

_MAIN = """\
#include <stdio.h>
#include "model.h"

int main(void) {
    model_init();
    for (;;) {
        for (int i = 0; i < MODEL_INPUT_COUNT; i++) {
            if (fread(model_input(i), 1, model_inputs[i].bytes, stdin) != model_inputs[i].bytes) {
                return 0;
            }
        }
        model_invoke();
        for (int i = 0; i < MODEL_OUTPUT_COUNT; i++) {
            if (fwrite(model_output(i), 1, model_outputs[i].bytes, stdout) != model_outputs[i].bytes) {
                return 1;
            }
        }
    }
}
"""


def run(
    compiled: CompiledModel,
    samples: Sequence[Sequence[npt.NDArray[Any]]],
    progress: Callable[[str, float], None] | None = None,
    timeout_s: float = 1800.0,
) -> list[Arrays]:
    """Run a network compiled for the target ``portable`` on each sample.

    Parameters
    ----------
    compiled : CompiledModel
        From ``compile_tflite(..., target="portable")``.
    samples : sequence of samples
        Each holds one array for each network input, in its own type and layout.

    Returns
    -------
    list of list of arrays
        For each sample the network's outputs.

    Raises
    ------
    CompileError
        If there is no C compiler, or the generated program fails.
    """
    compiler = _host_compiler.find()
    if compiler is None:
        raise CompileError("there is no C compiler for this machine", f"install one with: {_host_compiler.INSTALL}")
    with tempfile.TemporaryDirectory(prefix="foldtiny-host-") as name:
        folder = Path(name)
        program = _build(compiler, compiled, folder)
        results: list[Arrays] = []
        # In slices, so that progress can be shown and memory stays small; each starts without a memory of the last.
        stateful = not set(STATEFUL).isdisjoint(compiled.operators)
        step = max(1, len(samples) if stateful else len(samples) // 20)
        for start in range(0, len(samples), step):
            results += _run_slice(program, compiled, samples[start : start + step], timeout_s)
            if progress:
                progress("running on this machine", len(results) / len(samples))
    return results


def _build(compiler: str, compiled: CompiledModel, folder: Path) -> Path:
    for file, text in {**compiled.files, "main.c": _MAIN}.items():
        (folder / file).write_text(text, "utf-8")
    sources = [str(path) for path in sorted(folder.glob("*.c"))]
    program = folder / "model"
    done = subprocess.run(
        [compiler, *_FLAGS, "-o", str(program), *sources, "-lm"], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        said = next((line for line in done.stderr.splitlines() if "error" in line), done.stderr.strip())
        raise CompileError(
            f"the generated C does not build with {compiler}: {said}", "check that compiler and C library are installed"
        )
    return program


def _run_slice(
    program: Path, compiled: CompiledModel, samples: Sequence[Sequence[npt.NDArray[Any]]], timeout_s: float
) -> list[Arrays]:
    data = b"".join(array.tobytes() for sample in samples for array in sample)
    try:
        done = subprocess.run([program], input=data, capture_output=True, timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired as error:
        raise CompileError(f"the network did not finish within {timeout_s:.0f} s", "run fewer images") from error
    expected = len(samples) * sum(info.bytes for info in compiled.outputs)
    if done.returncode != 0 or len(done.stdout) != expected:
        raise CompileError(
            f"the network ended with status {done.returncode} after {len(done.stdout):,} of {expected:,} output bytes",
            "this is a bug in foldtiny: please report it with the model",
        )
    results, at = [], 0
    for _ in samples:
        sample: Arrays = []
        for info in compiled.outputs:
            values = np.frombuffer(done.stdout[at : at + info.bytes], dtype=info.dtype)
            sample.append(values.reshape(info.shape))
            at += info.bytes
        results.append(sample)
    return results
