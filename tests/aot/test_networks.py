"""Whole networks: byte for byte what TFLite Micro computes, and clean C for every compiler that foldtiny uses."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from foldtiny import reference
from foldtiny.aot import compile_tflite
from tests.aot import networks
from tests.kernels import cases_weights as weights
from tests.kernels.case import Case
from tests.kernels.draw import draw_cases
from tests.kernels.harness import WARNINGS, compare, run_host

NETWORKS = {"lenet5": networks.lenet5, "residual": networks.residual, "separable": networks.separable}
COMPILERS = {
    "host": ["gcc", "-O2"],
    "arm": ["arm-none-eabi-gcc", "-mcpu=cortex-m4", "-mthumb", "-O2"],
    "arm-small": ["arm-none-eabi-gcc", "-mcpu=cortex-m4", "-mthumb", "-Os"],
    "xtensa": ["xtensa-lx106-elf-gcc", "-ffreestanding", "-mlongcalls", "-Os"],
    "aarch64": ["aarch64-linux-gnu-gcc", "-O2"],
}


@pytest.mark.parametrize("optimize", ["size", "speed"])
def test_int8_networks_are_bit_exact(optimize: str, tmp_path: Path) -> None:
    models = {name: build() for name, build in NETWORKS.items()}
    cases = [Case(name, data, reference.random_inputs(data, 16, seed=1)) for name, data in models.items()]
    assert compare(cases, run_host(cases, tmp_path, ("-O2",), optimize=optimize)) == len(NETWORKS)


def test_float32_networks_agree_to_the_last_digits(tmp_path: Path) -> None:
    models = {name: build("float32") for name, build in NETWORKS.items()}
    cases = [Case(name, data, reference.random_inputs(data, 8, seed=1)) for name, data in models.items()]
    assert compare(cases, run_host(cases, tmp_path, ("-O2",)), tolerance=1e-5) == len(NETWORKS)


@pytest.mark.parametrize("path", networks.shared_models(), ids=lambda path: path.stem)
def test_published_models_are_bit_exact_on_32_inputs(path: Path, tmp_path: Path) -> None:
    data = path.read_bytes()
    case = Case(path.stem, data, reference.random_inputs(data, 32, seed=7))
    assert compare([case], run_host([case], tmp_path, ("-O2",), optimize="speed")) == 1


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("name", NETWORKS)
def test_generated_code_compiles_without_a_warning(name: str, compiler: str, tmp_path: Path) -> None:
    command = COMPILERS[compiler]
    if not shutil.which(command[0]):
        pytest.skip(f"needs {command[0]}")
    for optimize in ("size", "speed"):
        model = compile_tflite(NETWORKS[name](), optimize=optimize, profile=True)
        for file, text in model.files.items():
            (tmp_path / file).write_text(text, encoding="utf-8")
        for source in ("model.c", "weights.c"):
            done = subprocess.run(
                [*command, *WARNINGS, "-c", source, "-o", "out.o"], cwd=tmp_path, capture_output=True, text=True
            )
            assert done.returncode == 0, done.stderr[:2000]


def test_convolution_and_pooling_become_one_layer_that_saves_the_unpooled_map() -> None:
    model = compile_tflite(networks.lenet5())
    assert model.operators.count("MAX_POOL_2D") == 2
    assert [layer.operators for layer in model.layers[:2]] == [("CONV_2D", "MAX_POOL_2D")] * 2
    # The pooled map (14 x 14 x 4) overwrites the input (28 x 28), which starts 96 bytes later: the input's rows 24
    # to 27 are needed for the last row of outputs, whose end lies at 784 bytes. The map itself starts 16 bytes after
    # the next layer's output. Unpooled it would be 28 x 28 x 4.
    assert (model.plan.arena_bytes, model.plan.lower_bound_bytes) == (16 + 96 + 784, 96 + 784)
    # 28*28*4 outputs of 25 products, 10*10*8 of 100, and the dense layers.
    assert model.macs == 78_400 + 80_000 + 200 * 32 + 32 * 16 + 16 * 10


def test_the_interface_says_what_the_application_needs() -> None:
    data = networks.lenet5()
    model = compile_tflite(data)
    assert (model.inputs[0].dtype, model.inputs[0].shape, model.inputs[0].zero_point) == ("int8", (1, 28, 28, 1), -128)
    assert (model.outputs[0].shape, model.outputs[0].scale) == ((1, 10), 1 / 256)
    header = model.files["model.h"]
    for line in (
        f'#define MODEL_HASH "{model.model_hash}"',
        "#define MODEL_INPUT_COUNT 1",
        "#define MODEL_OUTPUT_COUNT 1",
        f"#define MODEL_ARENA_BYTES {model.plan.arena_bytes}",
        f"#define MODEL_LAYER_COUNT {len(model.layers)}",
        "void model_init(void);",
        "void *model_input(int index);",
        "const void *model_output(int index);",
        "void model_invoke(void);",
        "void model_profile_layer(int layer);",
        "const char *model_layer_name(int layer);",
    ):
        assert line in header


def test_the_same_file_gives_the_same_code() -> None:
    first, second = (compile_tflite(networks.residual()) for _ in range(2))
    assert first.files == second.files


def test_symbols_tell_weights_model_and_kernels_apart(tmp_path: Path) -> None:
    """The footprint report counts flash by these prefixes."""
    model = compile_tflite(networks.residual(), optimize="size")
    for file, text in model.files.items():
        (tmp_path / file).write_text(text, encoding="utf-8")
    symbols: Callable[[str], list[str]] = lambda source: [  # noqa: E731
        line.split()[-1]
        for line in subprocess.run(
            f"gcc -O1 -c {source} -o out.o && nm out.o", shell=True, cwd=tmp_path, capture_output=True, text=True
        ).stdout.splitlines()
        if " U " not in line
    ]
    weights, code = symbols("weights.c"), symbols("model.c")
    assert weights and all(symbol.startswith("model_weights_") for symbol in weights)
    assert code and all(symbol.startswith(("model_", "ft_")) for symbol in code)
    assert "model_arena" in code


def test_what_a_network_remembers_lasts_and_is_cleared_by_model_init(tmp_path: Path) -> None:
    (case,) = draw_cases(weights.svdf(), 1, seed=8)
    model = compile_tflite(case.tflite, optimize="size")
    (state,) = (t for t in model.plan.tensors if "MODEL_STATE" in model.files["model.c"] and t.first < 0 and t.last > 0)
    assert state.last == len(model.layers)
    # The program initialises the network once: the second half starts from what the first one left.
    repeated = replace(case, samples=[*case.samples, *case.samples])
    (found,) = run_host([repeated], tmp_path)
    first, second = found[: len(case.samples)], found[len(case.samples) :]
    assert first == [array.tobytes() for sample in reference.outputs(case.tflite, case.samples) for array in sample]
    assert first != second
    assert f"MODEL_STATE{state.tensor}[i] = 0;" in model.files["model.c"]
