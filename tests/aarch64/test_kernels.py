"""The NEON kernels against TFLite Micro's, and whole networks, under QEMU."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.aarch64 import twin
from tests.aarch64.measure import measure
from tests.cortex_m4 import networks
from tests.kernels import cases_graphs as graphs
from tests.kernels import cases_simple as simple
from tests.kernels import cases_weights as weights
from tests.kernels.draw import draw_cases
from tests.kernels.harness import WARNINGS, compare, split, write_program
from tests.xtensa.cases import convolution, depthwise

pytestmark = pytest.mark.skipif(not twin.AVAILABLE, reason="needs gcc-aarch64-linux-gnu and qemu-user")

OPERATORS = {
    "conv_2d": (weights.conv_2d(), 60),
    "convolution": (convolution(), 80),
    "depthwise": (depthwise(), 70),
    "fully_connected": (weights.fully_connected(), 60),
    "add": (simple.elementwise("ADD"), 60),
    "graph": (graphs.graph(), 40),
}
BASELINE = Path(__file__).parents[2] / "benchmarks" / "baseline_aarch64.json"
ALLOWED = 1.02


@pytest.mark.parametrize("name", OPERATORS)
def test_kernels_equal_the_reference(name: str, tmp_path: Path) -> None:
    strategy, number = OPERATORS[name]
    cases = draw_cases(strategy, number)
    optimize = "speed" if name == "add" else "size"
    models = write_program(cases, tmp_path, target="aarch64", optimize=optimize)
    assert sum("NEON" in layer.kernel for model in models for layer in model.layers) >= number / 4
    # Undefined behaviour ends the program; there is no library to describe it.
    flags = [*WARNINGS, "-Wno-missing-field-initializers", "-O1", "-fsanitize=undefined"]
    program = twin.build(tmp_path, [tmp_path / "program.c"], [*flags, "-fsanitize-undefined-trap-on-error"])
    twin.run(program)
    assert compare(cases, split(cases, models, (tmp_path / "outputs.bin").read_bytes())) == len(cases)


@pytest.mark.parametrize("optimize", ["size", "speed"])
@pytest.mark.parametrize("name", networks.NAMES)
def test_networks_equal_tflite_micro_and_no_network_got_slower(tmp_path: Path, name: str, optimize: str) -> None:
    figures = measure(tmp_path, name, optimize)
    if figures is None:
        pytest.skip(f"{name} is not on this machine")
    known = json.loads(BASELINE.read_text(encoding="utf-8"))[f"{name} {optimize}"]
    assert figures.exact
    assert figures.instructions <= known["instructions"] * ALLOWED, "update with benchmarks/aarch64.py --update"
    assert figures.ram_bytes <= known["ram_bytes"]
