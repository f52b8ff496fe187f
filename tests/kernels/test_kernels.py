"""Every kernel against TFLite Micro's, on generated networks: byte for byte in int8, closely in float32."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis.strategies import SearchStrategy

from tests.kernels import cases_graphs as graphs
from tests.kernels import cases_moves as moves
from tests.kernels import cases_simple as simple
from tests.kernels import cases_weights as weights
from tests.kernels.case import Case
from tests.kernels.draw import draw_cases
from tests.kernels.harness import compare, run_cortex_m4, run_host

INT8: dict[str, tuple[SearchStrategy[Case], int]] = {
    "conv_2d": (weights.conv_2d(), 120),
    "depthwise_conv_2d": (weights.depthwise_conv_2d(), 90),
    "fully_connected": (weights.fully_connected(), 90),
    "max_pool_2d": (simple.pool("MAX"), 50),
    "average_pool_2d": (simple.pool("AVERAGE"), 50),
    "mean": (simple.mean(), 60),
    "add": (simple.elementwise("ADD"), 60),
    "sub": (simple.elementwise("SUB"), 50),
    "mul": (simple.elementwise("MUL"), 50),
    "softmax": (simple.softmax(), 50),
    "relu": (simple.unary("RELU"), 25),
    "relu6": (simple.unary("RELU6"), 25),
    "logistic": (simple.unary("LOGISTIC"), 25),
    "quantize": (simple.unary("QUANTIZE"), 25),
    "quantize_from_uint8": (simple.bytes_edge("uint8", "int8"), 20),
    "quantize_to_uint8": (simple.bytes_edge("int8", "uint8"), 20),
    "pad": (simple.pad("PAD"), 25),
    "padv2": (simple.pad("PADV2"), 25),
    "concatenation": (simple.concatenation(), 300),
    "split": (simple.split(), 300),
    "split_v": (moves.split_v(), 60),
    "squeeze_expand_dims": (moves.shapes_only(), 40),
    "transpose": (simple.transpose(), 25),
    "strided_slice": (simple.strided_slice(), 25),
    "hard_swish": (simple.hard_swish(), 30),
    "resize_nearest_neighbor": (simple.resize(), 25),
    "transpose_conv": (weights.transpose_conv(), 50),
    "svdf": (weights.svdf(), 150),
}
"""Each int8 kernel: its generator and how many cases are compiled all the way; ``test_direct.py`` has many more.

The calls of CONCATENATION and SPLIT are different for each layer, so that they are here.
"""

FLOAT32: dict[str, tuple[SearchStrategy[Case], int]] = {
    "conv_2d": (weights.conv_2d("float32"), 40),
    "depthwise_conv_2d": (weights.depthwise_conv_2d("float32"), 40),
    "fully_connected": (weights.fully_connected("float32"), 40),
    "max_pool_2d": (simple.pool("MAX", "float32"), 25),
    "average_pool_2d": (simple.pool("AVERAGE", "float32"), 25),
    "mean": (simple.mean("float32"), 25),
    "add": (simple.elementwise("ADD", "float32"), 25),
    "softmax": (simple.softmax("float32"), 25),
    "relu": (simple.unary("RELU", "float32"), 10),
    "relu6": (simple.unary("RELU6", "float32"), 10),
    "pad": (simple.pad("PAD", "float32"), 15),
    "logistic": (simple.unary("LOGISTIC", "float32"), 15),
    "concatenation": (simple.concatenation("float32"), 15),
    "split": (simple.split("float32"), 15),
    "split_v": (moves.split_v("float32"), 15),
    "squeeze_expand_dims": (moves.shapes_only("float32"), 10),
    "transpose": (simple.transpose("float32"), 15),
    "strided_slice": (simple.strided_slice("float32"), 15),
    "resize_nearest_neighbor": (simple.resize("float32"), 15),
    "sub": (simple.elementwise("SUB", "float32"), 15),
    "mul": (simple.elementwise("MUL", "float32"), 15),
    "quantize": (simple.edges("QUANTIZE"), 20),
    "dequantize": (simple.edges("DEQUANTIZE"), 20),
}

Counter = Callable[[str, int], None]


@pytest.mark.parametrize("name", INT8)
def test_int8_kernel_equals_the_reference_on_the_host(name: str, tmp_path: Path, count_cases: Counter) -> None:
    strategy, number = INT8[name]
    cases = draw_cases(strategy, number)
    compared = compare(cases, run_host(cases, tmp_path))
    assert compared >= number * 0.9
    count_cases("host", compared)


def test_float32_kernels_agree_with_the_reference_on_the_host(tmp_path: Path, count_cases: Counter) -> None:
    cases = [case for strategy, number in FLOAT32.values() for case in draw_cases(strategy, number)]
    compared = compare(cases, run_host(cases, tmp_path), tolerance=1e-5)
    assert compared >= 280
    count_cases("host", compared)


@pytest.mark.parametrize("optimize", ["size", "speed"])
def test_networks_of_several_layers_equal_the_reference(optimize: str, tmp_path: Path, count_cases: Counter) -> None:
    """What fusion, aliases, in-place kernels and the memory plan do must not show."""
    cases = draw_cases(graphs.graph(), 150 if optimize == "size" else 30)
    count_cases("host", compare(cases, run_host(cases, tmp_path, optimize=optimize)))


@pytest.mark.parametrize("optimize", ["size", "speed"])
def test_kernels_have_no_undefined_behaviour(optimize: str, tmp_path: Path, count_cases: Counter) -> None:
    cases = [case for strategy, _ in INT8.values() for case in draw_cases(strategy, 5)]
    cases += [case for strategy, _ in FLOAT32.values() for case in draw_cases(strategy, 2)]
    flags = ("-O1", "-g0", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    count_cases("host", compare(cases, run_host(cases, tmp_path, flags, optimize=optimize), tolerance=1e-5))


@pytest.mark.skipif(
    not (shutil.which("arm-none-eabi-gcc") and shutil.which("qemu-system-arm")),
    reason="needs gcc-arm-none-eabi and qemu-system-arm",
)
@pytest.mark.parametrize("optimize", ["size", "speed"])
def test_layers_equal_the_reference_on_the_simulated_cortex_m4(
    optimize: str, tmp_path: Path, count_cases: Counter
) -> None:
    """The Cortex-M4's own kernels where they serve, plain C where not, tensors overlapping as planned."""
    cases = [case for strategy, _ in INT8.values() for case in draw_cases(strategy, 12, seed=2)]
    cases += [case for strategy, _ in FLOAT32.values() for case in draw_cases(strategy, 2, seed=2)]
    cases += draw_cases(graphs.graph(), 40, seed=2)
    compared = compare(cases, run_cortex_m4(cases, tmp_path, target="cortex-m4", optimize=optimize), tolerance=1e-5)
    assert compared >= 360
    count_cases("simulated Cortex-M4", compared)
