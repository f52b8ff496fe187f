"""Outputs may overwrite inputs as far as the Xtensa kernels say, to the byte; half that distance is too little."""

from __future__ import annotations

from pathlib import Path

import pytest

from foldtiny.aot import compile_tflite
from foldtiny.aot.xtensa import winograd
from tests.kernels import cases_simple as simple
from tests.kernels import cases_weights as weights
from tests.kernels.draw import draw_cases
from tests.kernels.harness import compare, run_host
from tests.kernels.test_overlap import plan_to_the_byte
from tests.xtensa.cases import convolution, depthwise

KERNELS = {
    "conv_2d": (weights.conv_2d(), 30),
    "convolution": (convolution(), 40),
    "winograd": (convolution((3, 5), plain=True), 40),
    "depthwise": (depthwise(), 40),
    "fully_connected": (weights.fully_connected(), 15),
    "add": (simple.elementwise("ADD"), 10),
}


def test_inputs_are_overwritten_behind_the_last_byte_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = {name: draw_cases(strategy, number) for name, (strategy, number) in KERNELS.items()}
    names = [name for name, found in drawn.items() for _ in found]
    cases = [case for found in drawn.values() for case in found]
    results = {}
    for folder, distances in (("right", lambda d: d), ("wrong", lambda d: d // 2)):
        (tmp_path / folder).mkdir()
        monkeypatch.setattr(winograd, "_pays", lambda layer: True)
        plan_to_the_byte(monkeypatch, distances)
        results[folder] = run_host(cases, tmp_path / folder, target="xtensa", optimize="speed")
        monkeypatch.undo()
    compare(cases, results["right"])
    noticed = {name for name, a, b in zip(names, results["right"], results["wrong"], strict=True) if a != b}
    # The rows of a depthwise convolution are copied ahead: its distance is mostly 0.
    assert noticed >= {"convolution", "winograd"}
    monkeypatch.setattr(winograd, "_pays", lambda layer: True)
    kernels = [compile_tflite(case.tflite, target="xtensa").layers[0].kernel for case in drawn["winograd"]]
    assert sum("Winograd" in kernel for kernel in kernels) >= 20
