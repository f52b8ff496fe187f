"""The distance between an output and the input that it overwrites is exact: right to the byte, and no byte less."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis.strategies import SearchStrategy

from foldtiny.aot import compile_tflite, plan
from tests.kernels import cases_simple as simple
from tests.kernels import cases_weights as weights
from tests.kernels.case import Case
from tests.kernels.draw import draw_cases
from tests.kernels.harness import compare, run_host

KERNELS: dict[str, tuple[SearchStrategy[Case], int]] = {
    "conv_2d": (weights.conv_2d(), 150),
    "depthwise_conv_2d": (weights.depthwise_conv_2d(), 100),
    "fully_connected": (weights.fully_connected(), 60),
    "max_pool_2d": (simple.pool("MAX"), 50),
    "average_pool_2d": (simple.pool("AVERAGE"), 50),
    "mean": (simple.mean(), 60),
    "resize_nearest_neighbor": (simple.resize(), 50),
    "strided_slice": (simple.strided_slice(), 50),
    "transpose": (simple.transpose(), 50),
    "concatenation": (simple.concatenation(), 50),
    "softmax": (simple.softmax(), 30),
    "add": (simple.elementwise("ADD"), 40),
}


def plan_to_the_byte(monkeypatch: pytest.MonkeyPatch, distances: Callable[[int], int]) -> None:
    """Let tensors start at any byte (int8 code does not mind on this machine), at these distances from each other."""
    monkeypatch.setattr(plan, "ALIGNMENT", 1)
    reuses = plan._reuses

    def changed(*args: object) -> list[plan.Reuse]:
        found = reuses(*args)  # type: ignore[arg-type]
        return [r if r.distance is None else replace(r, distance=distances(r.distance), in_place=False) for r in found]

    monkeypatch.setattr(plan, "_reuses", changed)


def _overlapping(cases: Sequence[Case]) -> list[int]:
    """Return which cases have an input that starts some bytes inside its output."""
    return [
        i
        for i, case in enumerate(cases)
        if any(reuse.distance for reuse in compile_tflite(case.tflite, optimize="size").plan.reuses)
    ]


def test_inputs_are_overwritten_behind_the_last_byte_read_and_not_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count_cases: Callable[[str, int], None]
) -> None:
    drawn = {name: draw_cases(strategy, number) for name, (strategy, number) in KERNELS.items()}
    cases = [case for found in drawn.values() for case in found]
    names = [name for name, found in drawn.items() for _ in found]
    right, wrong = tmp_path / "right", tmp_path / "wrong"
    right.mkdir()
    wrong.mkdir()
    plan_to_the_byte(monkeypatch, lambda distance: distance)
    results = run_host(cases, right)
    count_cases("host", compare(cases, results))
    overlapping = _overlapping(cases)
    monkeypatch.undo()
    # One byte less, and outputs are wrong: the comparison above does see what it should.
    plan_to_the_byte(monkeypatch, lambda distance: distance - 1)
    damaged = run_host([cases[i] for i in overlapping], wrong)
    noticed = {names[i] for i, found in zip(overlapping, damaged, strict=True) if found != results[i]}
    assert noticed >= {"conv_2d", "depthwise_conv_2d", "max_pool_2d", "average_pool_2d", "transpose", "concatenation"}
    assert len(overlapping) > 150
