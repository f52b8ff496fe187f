"""The reference interpreters, run in a process of their own.

TFLite Micro and LiteRT are C++: a network that they dislike can abort the process. Each batch therefore runs in one
child process, ``python -m foldtiny.reference FOLDER``; networks, inputs and outputs travel as files in a temporary
folder (plain .npz, nothing pickled).
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foldtiny.errors import CompileError

Arrays = list[NDArray[np.generic]]

_BACKENDS = ("tflm", "litert-ref")
_ARENA = "tflm-arena"
_ARENA_TOTAL = re.compile(r"Arena allocation total (\d+) bytes")
_MISSING = re.compile(r"(?:Didn't find op for builtin opcode|Failed to get registration from op code)[ ']+([A-Z0-9_]+)")
_TYPES = {"FLOAT32": "float32", "INT32": "int32", "UINT8": "uint8", "INT16": "int16", "INT8": "int8", "INT64": "int64"}


def outputs(tflite: bytes, inputs: Sequence[Sequence[NDArray[Any]]], backend: str = "tflm") -> list[Arrays]:
    """Run a network on each sample.

    Parameters
    ----------
    tflite : bytes
        The network.
    inputs : sequence of samples
        Each sample holds one array for each network input, in its own type and layout.
    backend : str
        ``tflm`` (TFLite Micro's reference kernels) or ``litert-ref`` (LiteRT's).

    Returns
    -------
    list of list of arrays
        For each sample the network's outputs, in their own type and layout.

    Raises
    ------
    CompileError
        If the interpreter refuses the network or crashes.
    """
    return run_batch([(tflite, inputs)], backend)[0]


def run_batch(
    jobs: Sequence[tuple[bytes, Sequence[Sequence[NDArray[Any]]]]], backend: str = "tflm", timeout_s: float = 600.0
) -> list[list[Arrays]]:
    """Run many networks in one child process; see ``outputs``."""
    if backend not in _BACKENDS:
        raise CompileError(f"reference '{backend}' is not known (allowed: {', '.join(_BACKENDS)})", "choose another")
    with tempfile.TemporaryDirectory(prefix="foldtiny-reference-") as name:
        folder = Path(name)
        _write_jobs(folder, jobs, backend)
        _run_child(folder, backend, timeout_s)
        return _read_results(folder, len(jobs))


def arena_bytes(tflite: bytes) -> int:
    """Return the arena that TFLite Micro's interpreter uses on this machine, as its recording allocator counts it.

    Structures with pointers are larger here than on a 32-bit board, and optimised kernels may want scratch memory that
    the reference kernels do not.

    Raises
    ------
    CompileError
        If the interpreter refuses the network or crashes.
    """
    with tempfile.TemporaryDirectory(prefix="foldtiny-reference-") as name:
        folder = Path(name)
        _write_jobs(folder, [(tflite, [])], _ARENA)
        said = _run_child(folder, _ARENA, 60.0)
    found = _ARENA_TOTAL.search(said)
    if found is None:
        raise CompileError("TFLite Micro's Python package does not tell the size of the arena", "install it again")
    return int(found[1])


def _run_child(folder: Path, backend: str, timeout_s: float) -> str:
    """Run the jobs in a folder in a process of their own and return what it said on stderr."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "foldtiny.reference", str(folder)],
            capture_output=True,
            text=True,
            errors="replace",
            env=environment,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise CompileError(
            f"the reference interpreter ({backend}) did not finish in {timeout_s:.0f} s", "run fewer samples"
        ) from error
    if done.returncode != 0:
        raise _failure(backend, done.stderr, done.returncode)
    return done.stderr


def random_inputs(tflite: bytes, count: int, seed: int = 0) -> list[Arrays]:
    """Return seeded random samples: all of an integer's range, real numbers from -1 to 1."""
    generator = np.random.default_rng(seed)
    shapes = [(dtype, shape) for dtype, shape, _, _ in _interface(tflite, "input")]
    samples = []
    for _ in range(count):
        sample: Arrays = []
        for dtype, shape in shapes:
            if dtype == "float32":
                sample.append(generator.uniform(-1.0, 1.0, shape).astype(np.float32))
            else:
                limits = np.iinfo(dtype)
                sample.append(generator.integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True))
        samples.append(sample)
    return samples


def quantise_images(tflite: bytes, images: NDArray[np.float32]) -> list[Arrays]:
    """Turn images [n, c, h, w] in [0, 1] into samples of a network with one image input [1, h, w, c].

    Raises
    ------
    CompileError
        If the network does not take such images.
    """
    found = _interface(tflite, "input")
    if len(found) != 1:
        raise CompileError(f"the network has {len(found)} inputs (allowed for images: 1)", "give the inputs as arrays")
    dtype, shape, scale, zero_point = found[0]
    nhwc = np.ascontiguousarray(np.transpose(images, (0, 2, 3, 1)), dtype=np.float32)
    if int(np.prod(shape)) != int(np.prod(nhwc.shape[1:])):
        raise CompileError(
            f"images of {list(nhwc.shape[1:])} (height, width, channels) do not fit the network's input {list(shape)}",
            "give images of the network's size",
        )
    if dtype != "float32":
        limits = np.iinfo(dtype)
        nhwc = np.clip(np.round(nhwc / np.float32(scale)) + zero_point, limits.min, limits.max)
    return [[image.reshape(shape).astype(dtype)] for image in nhwc]


def logits(tflite: bytes, results: Sequence[Arrays]) -> NDArray[np.float32]:
    """Turn each sample's first output into real numbers, one row for each sample."""
    dtype, _, scale, zero_point = _interface(tflite, "output")[0]
    rows = [np.asarray(sample[0]).reshape(-1) for sample in results]
    values = np.stack(rows).astype(np.float32) if rows else np.zeros((0, 0), np.float32)
    if dtype != "float32" and scale:
        values = (values - zero_point) * np.float32(scale)
    return values


def evaluate_tflite(tflite: bytes, images: NDArray[np.float32], backend: str = "tflm") -> NDArray[np.float32]:
    """Return the network's real-valued outputs [n, classes] for images [n, c, h, w] in [0, 1]."""
    return logits(tflite, outputs(tflite, quantise_images(tflite, images), backend))


def _interface(tflite: bytes, side: str) -> list[tuple[str, tuple[int, ...], float, int]]:
    """Return (type, shape, scale, zero point) of each input or output."""
    from ai_edge_litert import schema_py_generated as schema

    names = {code: name for name, code in vars(schema.TensorType).items() if isinstance(code, int)}
    try:
        graph = schema.Model.GetRootAsModel(tflite, 0).Subgraphs(0)
        count, get = (graph.InputsLength(), graph.Inputs) if side == "input" else (graph.OutputsLength(), graph.Outputs)
        found = []
        for position in range(count):
            tensor = graph.Tensors(get(position))
            quantisation = tensor.Quantization()
            known = quantisation is not None and quantisation.ScaleLength() > 0
            scale = float(quantisation.Scale(0)) if known else 0.0
            zero = int(quantisation.ZeroPoint(0)) if known and quantisation.ZeroPointLength() else 0
            shape = tuple(int(tensor.Shape(axis)) for axis in range(tensor.ShapeLength()))
            found.append((_TYPES[names[tensor.Type()]], shape, scale, zero))
        return found
    except Exception as error:
        # Accessors of a damaged flatbuffer can raise anything.
        raise CompileError(
            f"the network's {side}s cannot be read ({type(error).__name__})", "give an intact .tflite file"
        ) from error


def _write_jobs(folder: Path, jobs: Sequence[tuple[bytes, Sequence[Sequence[NDArray[Any]]]]], backend: str) -> None:
    sizes = []
    for index, (tflite, samples) in enumerate(jobs):
        (folder / f"{index}.tflite").write_bytes(tflite)
        arrays = {f"{s}_{i}": np.asarray(a) for s, sample in enumerate(samples) for i, a in enumerate(sample)}
        np.savez(folder / f"{index}.in.npz", **arrays)  # type: ignore[arg-type]
        sizes.append((len(samples), len(samples[0]) if samples else 0))
    (folder / "job.json").write_text(json.dumps({"backend": backend, "sizes": sizes}), encoding="utf-8")


def _read_results(folder: Path, count: int) -> list[list[Arrays]]:
    results = []
    for index in range(count):
        with np.load(folder / f"{index}.out.npz", allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        samples: list[Arrays] = []
        for name in sorted(arrays, key=lambda n: tuple(int(part) for part in n.split("_"))):
            if int(name.split("_")[0]) == len(samples):
                samples.append([])
            samples[-1].append(arrays[name])
        results.append(samples)
    return results


def _failure(backend: str, text: str, code: int) -> CompileError:
    missing = _MISSING.search(text)
    if missing:
        return CompileError(
            f"operator {missing.group(1)} is not known to the reference interpreter ({backend})",
            "build the network without it",
        )
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    how = f"crashed (signal {-code})" if code < 0 else "refused the network"
    reason = f": {lines[-1][:200]}" if lines else ""
    return CompileError(f"the reference interpreter ({backend}) {how}{reason}", "check the .tflite file")


def _tflm_interpreter(data: bytes) -> tuple[Any, int]:
    """Return an interpreter with more than enough memory, and the number of outputs."""
    from tflite_micro.python.tflite_micro import runtime

    schema = runtime.schema_fb
    graph = schema.Model.GetRootAsModel(data, 0).Subgraphs(0)
    # Room for all tensors at once, generously: activations are at most 8 bytes an element, plus scratch buffers.
    elements = 0
    for position in range(graph.TensorsLength()):
        tensor = graph.Tensors(position)
        size = 1
        for axis in range(tensor.ShapeLength()):
            size *= max(1, tensor.Shape(axis))
        elements += size
    arena = min(1 << 30, 16 * elements + 4096 * graph.TensorsLength() + (1 << 17))
    return runtime.Interpreter.from_bytes(data, arena_size=arena), int(graph.OutputsLength())


def _tflm_runner(data: bytes) -> Any:
    interpreter, outputs = _tflm_interpreter(data)

    def run(sample: Arrays, count: int) -> Arrays:
        for index, array in enumerate(sample):
            interpreter.set_input(array, index)
        interpreter.invoke()
        return [np.array(interpreter.get_output(i)) for i in range(count)]

    return run, outputs


def _litert_runner(data: bytes) -> Any:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_content=data, experimental_op_resolver_type=OpResolverType.BUILTIN_REF, num_threads=1
    )
    interpreter.allocate_tensors()
    places = [detail["index"] for detail in interpreter.get_input_details()]
    results = [detail["index"] for detail in interpreter.get_output_details()]

    def run(sample: Arrays, count: int) -> Arrays:
        for place, array in zip(places, sample, strict=True):
            interpreter.set_tensor(place, array)
        interpreter.invoke()
        return [np.array(interpreter.get_tensor(place)) for place in results]

    return run, len(results)


def _progress(folder: Path) -> Iterator[tuple[int, bytes, list[Arrays]]]:
    for index, (samples, inputs) in enumerate(json.loads((folder / "job.json").read_text(encoding="utf-8"))["sizes"]):
        with np.load(folder / f"{index}.in.npz", allow_pickle=False) as stored:
            batch = [[stored[f"{s}_{i}"] for i in range(inputs)] for s in range(samples)]
        yield index, (folder / f"{index}.tflite").read_bytes(), batch


def _child(folder: Path) -> None:
    """Run the jobs in a folder: the other side of ``run_batch``."""
    backend = json.loads((folder / "job.json").read_text(encoding="utf-8"))["backend"]
    if backend == _ARENA:
        for _, data, _ in _progress(folder):
            _tflm_interpreter(data)[0].print_allocations()
        return
    start = _tflm_runner if backend == "tflm" else _litert_runner
    for index, data, batch in _progress(folder):
        # Should the interpreter abort, the last words name the network.
        with contextlib.suppress(OSError):
            (folder / "current").write_text(str(index), encoding="utf-8")
        run, count = start(data)
        results = {}
        for s, sample in enumerate(batch):
            results.update({f"{s}_{i}": array for i, array in enumerate(run(sample, count))})
        np.savez(folder / f"{index}.out.npz", **results)


if __name__ == "__main__":
    _child(Path(sys.argv[1]))
