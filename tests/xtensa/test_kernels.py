"""The Xtensa kernels against TFLite Micro's: as plain C on the host, and as they are on the simulated core."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis.strategies import SearchStrategy

from foldtiny.aot import compile_tflite
from foldtiny.aot.xtensa import cost, depthwise_planes, winograd
from tests.kernels import cases_graphs as graphs
from tests.kernels import cases_simple as simple
from tests.kernels import cases_weights as weights
from tests.kernels.case import Case
from tests.kernels.draw import draw_cases
from tests.kernels.harness import compare, run_host, split, write_program
from tests.xtensa import twin
from tests.xtensa.cases import convolution, depthwise

OPERATORS = {
    "conv_2d": (weights.conv_2d(), 80),
    "convolution": (convolution(), 90),
    "depthwise": (depthwise(), 80),
    "fully_connected": (weights.fully_connected(), 60),
    "add": (simple.elementwise("ADD"), 40),
    "graph": (graphs.graph(), 40),
}
SANITISERS = ("-O1", "-g0", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


def _specialised(cases: Sequence[Case]) -> int:
    """Return how many layers the kernels of this target took."""
    models = [compile_tflite(case.tflite, target="xtensa") for case in cases]
    return sum("plain C" not in layer.kernel for model in models for layer in model.layers)


@pytest.mark.parametrize("name", OPERATORS)
def test_kernels_equal_the_reference_on_the_host(name: str, tmp_path: Path) -> None:
    strategy, number = OPERATORS[name]
    cases = draw_cases(strategy, number)
    assert _specialised(cases) >= number / 4
    optimize = "speed" if name == "add" else "size"
    assert compare(cases, run_host(cases, tmp_path, SANITISERS, target="xtensa", optimize=optimize)) >= number * 0.9


def test_winograd_equals_the_reference_on_the_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(winograd, "_pays", lambda layer: True)
    cases = draw_cases(convolution((3, 5), plain=True), 50)
    models = [compile_tflite(case.tflite, target="xtensa") for case in cases]
    assert sum("Winograd" in layer.kernel for model in models for layer in model.layers) >= 30
    assert compare(cases, run_host(cases, tmp_path, SANITISERS, target="xtensa", optimize="speed")) == 50


@pytest.mark.parametrize(
    ("name", "strategy", "taken"),
    [
        ("convolution", convolution(), 30),
        ("depthwise", depthwise(), 20),
        ("depthwise in bands", depthwise(), 20),
        ("fully connected", weights.fully_connected(), 8),
    ],
)
def test_several_products_in_one_equal_the_reference_on_the_host(
    name: str,
    strategy: SearchStrategy[Case],
    taken: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(winograd, "_pays", lambda layer: False)
    monkeypatch.setattr(cost, "pairs", lambda layer, fixes: 0)
    monkeypatch.setattr(cost, "pairs_pay", lambda products, fixes: True)
    if name == "depthwise in bands":
        for limit in ("SCRATCH_BYTES", "BAND_BYTES", "BAND_ROWS"):
            monkeypatch.setattr(depthwise_planes, limit, 2)
    cases = draw_cases(strategy, 40, seed=3)
    models = [compile_tflite(case.tflite, target="xtensa") for case in cases]
    assert sum("products" in layer.kernel for model in models for layer in model.layers) >= taken
    if name == "convolution":
        ways = [model.files["model.c"] for model in models]
        assert all(
            any(way in text for text in ways) for way in (".ordered = 1", ".fixes = 2", ".line = {2", ".line = {0")
        )
    assert compare(cases, run_host(cases, tmp_path, SANITISERS, target="xtensa", optimize="speed")) == 40


@pytest.mark.skipif(not twin.AVAILABLE, reason="needs gcc-xtensa-lx106 and qemu-system-xtensa")
@pytest.mark.parametrize("optimize", ["size", "speed"])
def test_kernels_equal_the_reference_on_the_twin(
    optimize: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(winograd, "_pays", lambda layer: True)
    monkeypatch.setattr(cost, "pairs", lambda layer, fixes: 0)
    monkeypatch.setattr(cost, "pairs_pay", lambda products, fixes: True)
    cases = [
        case
        for strategy, number in OPERATORS.values()
        for case in draw_cases(strategy, number // (3 if optimize == "size" else 12))
    ]
    if optimize == "speed":
        cases += draw_cases(convolution((3, 5), plain=True), 30)
        cases += draw_cases(convolution(), 24, seed=1) + draw_cases(depthwise(), 24, seed=1)
    models = write_program(cases, tmp_path, target="xtensa", optimize=optimize)
    program = tmp_path / "program.c"
    program.write_text(program.read_text(encoding="utf-8").replace("int main(", "int twin_main("), encoding="utf-8")
    image = twin.build(tmp_path, [program], ["-Wno-missing-field-initializers"])
    assert compare(cases, split(cases, models, twin.run(image))) == len(cases)
