"""10,000 damaged files: each ends in one sentence or in a program that stays within its memory and is right."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from foldtiny import reference
from foldtiny.aot import CompiledModel, TensorInfo, compile_tflite
from foldtiny.errors import CompileError
from tests.aot import networks
from tests.aot.mutate import mutants
from tests.kernels import cases_graphs as graphs
from tests.kernels.case import Case
from tests.kernels.draw import draw_cases
from tests.kernels.harness import run_host
from tests.kernels.test_kernels import FLOAT32, INT8

MUTANTS, PARTS = 10_000, 4
LONGEST_S = 10
TARGETS = (
    ("portable", "size"),
    ("cortex-m4", "speed"),
    ("portable", "speed"),
    ("cortex-m4", "size"),
    ("xtensa", "size"),
)


def originals() -> list[bytes]:
    """Networks of every operator, small so that most of a file is structure; and a few like those of the zoo."""
    cases = [case for strategy, _ in (*INT8.values(), *FLOAT32.values()) for case in draw_cases(strategy, 4, seed=5)]
    cases += draw_cases(graphs.graph(), 60, seed=5)
    return [case.tflite for case in cases] + [networks.lenet5(), networks.residual(), networks.separable()]


@contextmanager
def limited(seconds: int) -> Iterator[None]:
    """Fail where something hangs."""

    def ring(_number: int, _frame: object) -> None:
        raise TimeoutError(f"did not end within {seconds} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def compiled(data: bytes, target: str, optimize: str) -> CompiledModel | None:
    """Compile; None where the compiler says in one sentence why it does not."""
    with limited(LONGEST_S):
        try:
            return compile_tflite(data, target=target, optimize=optimize)
        except CompileError as error:
            assert error.message and error.hint and "\n" not in str(error)
            assert "internal error" not in error.message
            return None


@pytest.mark.parametrize("part", range(PARTS))
def test_damaged_files_end_in_code_or_in_one_sentence(part: int) -> None:
    good = 0
    for number, data in enumerate(mutants(originals(), MUTANTS // PARTS, seed=part)):
        try:
            good += compiled(data, *TARGETS[number % len(TARGETS)]) is not None
        except Exception as error:
            raise AssertionError(f"mutant {number} of part {part}: {error!r}") from error
    # Enough get past all checks, and enough do not.
    assert 0.1 < good / (MUTANTS // PARTS) < 0.9


def _values(info: TensorInfo, seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    if info.dtype == "float32":
        return generator.uniform(-4, 4, info.shape).astype(np.float32)
    return np.frombuffer(generator.bytes(info.bytes), info.dtype).reshape(info.shape)


def _runnable(model: CompiledModel) -> bool:
    """Tell whether a program is small enough to be run with all its memory watched."""
    return model.macs < 200_000 and model.plan.arena_bytes < 200_000


def test_programs_from_damaged_files_stay_within_their_memory(tmp_path: Path) -> None:
    cases: list[Case] = []
    for number, data in enumerate(mutants(originals(), 1000, seed=99)):
        model = compiled(data, "portable", "size")
        if model is None or not _runnable(model):
            continue
        cases.append(Case(f"mutant {number}", data, [[_values(info, number) for info in model.inputs]]))
    assert len(cases) > 100
    watched = cases[:160]
    flags = ("-O1", "-g0", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    results = run_host(watched, tmp_path, flags)
    assert _disagreements(watched, results) == []


def _disagreements(cases: list[Case], results: list[list[bytes]]) -> list[str]:
    """Return the int8 programs whose outputs differ from TFLite Micro's; it refuses some files that foldtiny takes."""
    wrong, compared = [], 0
    for case, found in zip(cases[:16], results, strict=False):
        try:
            expected = reference.outputs(case.tflite, case.samples)
        except CompileError:
            continue
        arrays = [array for sample in expected for array in sample]
        if any(array.dtype == np.float32 for array in arrays):
            continue
        compared += 1
        if [array.tobytes() for array in arrays] != found:
            wrong.append(case.label)
    assert compared > 5
    return wrong
