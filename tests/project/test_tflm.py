"""The runtime tflm: the operators that are registered, the arena, what is taken of a tree, and the project."""

from __future__ import annotations

import ast
import configparser
import json
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from platformio.builder.tools.piobuild import SRC_BUILD_EXT
from platformio.fs import match_src_files
from platformio.package.meta import PackageSpec

from foldtiny import boards, reference
from foldtiny.device import platformio
from foldtiny.errors import CompileError, UsageError
from foldtiny.project import render
from foldtiny.project.tflm import LIBRARIES, interpret, read_tree
from foldtiny.project.tflm.operators import methods
from tests.aot.tflite_builder import Builder
from tests.project import tflm_tree

RELU = tflm_tree.network()


def _two_operators() -> bytes:
    build = Builder()
    a, b, c, d = (build.tensor((1, 8), scale=0.5, zero=0) for _ in range(4))
    for name, source, result in (("RELU", a, b), ("RELU6", b, c), ("RELU", c, d)):
        build.operator(name, [source], [result])
    return build.build([a], [d])


@pytest.mark.parametrize(
    ("operator", "method"),
    # Methods of tflite::MicroMutableOpResolver (micro_mutable_op_resolver.h).
    [
        ("CONV_2D", "AddConv2D"),
        ("DEPTHWISE_CONV_2D", "AddDepthwiseConv2D"),
        ("AVERAGE_POOL_2D", "AddAveragePool2D"),
        ("RELU6", "AddRelu6"),
        ("L2_NORMALIZATION", "AddL2Normalization"),
        ("SPLIT_V", "AddSplitV"),
        ("SELECT_V2", "AddSelectV2"),
        ("PADV2", "AddPadV2"),
        ("BATCH_MATMUL", "AddBatchMatMul"),
        ("SPACE_TO_BATCH_ND", "AddSpaceToBatchNd"),
        ("UNIDIRECTIONAL_SEQUENCE_LSTM", "AddUnidirectionalSequenceLSTM"),
    ],
)
def test_names_of_the_resolvers_methods(operator: str, method: str) -> None:
    assert methods([operator]) == (method,)


def test_exactly_the_operators_used_are_registered_once() -> None:
    source = interpret(_two_operators()).files["model.cpp"]
    assert re.findall(r"resolver->(\w+)\(\)", source) == ["AddRelu", "AddRelu6"]
    assert "MicroMutableOpResolver<2>" in source


def test_an_operator_that_the_interpreter_lacks() -> None:
    with pytest.raises(CompileError) as caught:
        methods(["RELU", "CUSTOM Mine"])
    assert re.fullmatch(
        r"operator CUSTOM Mine is not known to TFLite Micro \(allowed: ABS, ADD, .*, ZEROS_LIKE\); "
        r"build the network from these operators and export it again",
        str(caught.value),
    )


def test_arena_is_what_the_interpreter_used_here_and_a_margin() -> None:
    used = reference.arena_bytes(RELU)
    model = interpret(RELU)
    assert 2 * tflm_tree.LENGTH <= used <= model.arena_bytes - 1024 < used + 16
    assert f"#define MODEL_ARENA_ALLOCATED {model.arena_bytes}u" in model.files["model.h"]
    assert interpret(RELU, arena_bytes=4711).arena_bytes == 4711


def test_arena_has_room_for_a_convolutions_columns() -> None:
    build = Builder()
    x = build.tensor((1, 6, 6, 8), scale=0.5)
    w = build.tensor((4, 3, 3, 8), scale=[0.1] * 4, zero=[0] * 4, data=np.ones((4, 3, 3, 8), np.int8))
    b = build.tensor((4,), "int32", scale=[0.05] * 4, zero=[0] * 4, data=np.zeros(4, np.int32))
    y = build.tensor((1, 4, 4, 4), scale=0.5)
    build.operator(
        "CONV_2D", [x, w, b], [y], padding=1, strideH=1, strideW=1, dilationHFactor=1, dilationWFactor=1,
    )  # fmt: skip
    file = build.build([x], [y])
    # CMSIS-NN: two columns of 3 x 3 x 8 values of 16 bits.
    assert interpret(file).arena_bytes >= reference.arena_bytes(file) + 2 * 2 * 3 * 3 * 8 + 1024


def test_tree_gives_what_an_interpreter_needs(tmp_path: Path) -> None:
    tree = read_tree(tflm_tree.write(tmp_path / "tree"))
    sources = {Path(name).name for name in tree.files if name.endswith((".c", ".cc", ".S"))}
    assert sources == {"arm_relu.c", "micro_interpreter.cc", "relu.cc", "softmax.cc"}
    assert "tensorflow/lite/micro/kernels/cmsis_nn/relu.cc" in tree.files
    assert "tensorflow/lite/micro/kernels/relu.cc" not in tree.files
    assert "third_party/flatbuffers/LICENSE.txt" in tree.files
    assert tree.kernels == "cmsis_nn" and {"CMSIS_NN", "TF_LITE_STATIC_MEMORY"} <= set(tree.defines)
    assert {".", "third_party/flatbuffers/include", "third_party/cmsis_nn/Include"} <= set(tree.includes)
    assert "third_party/gemmlowp" not in tree.includes  # this tree has none
    changed = tflm_tree.write(tmp_path / "tree") / "tensorflow/lite/micro/micro_interpreter.cc"
    changed.write_text(changed.read_text() + "\n")
    assert read_tree(tmp_path / "tree").sha256 != tree.sha256


def test_kernels_of_other_operators_are_left_out(tmp_path: Path) -> None:
    tree = read_tree(tflm_tree.write(tmp_path))
    dropped = set(tree.files) - set(tree.only(["RELU"]).files)
    assert dropped == {"tensorflow/lite/micro/kernels/softmax.cc"}
    # An operator whose kernel is not found by its name: nothing is left out.
    assert tree.only(["RELU", "TANH"]) == tree


def test_what_is_not_a_tree(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        read_tree(tmp_path)
    assert str(caught.value) == (
        f"--tflm-source {tmp_path} is not a tree of TFLite Micro: it has no tensorflow/lite/micro/micro_interpreter.h; "
        "in a checkout of github.com/tensorflow/tflite-micro run tensorflow/lite/micro/tools/project_generation/"
        "create_tflm_tree.py and give the folder that it writes with --tflm-source"
    )
    kernels = tflm_tree.write(tmp_path) / "tensorflow/lite/micro/kernels"
    (kernels / "xtensa").mkdir()
    (kernels / "xtensa" / "conv.cc").write_text("")
    with pytest.raises(UsageError, match=r"kernels for several processors \(cmsis_nn, xtensa\), as a checkout does"):
        read_tree(tmp_path)
    (kernels / "cmsis_nn").rename(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match=r"holds kernels for xtensa \(allowed: cmsis_nn, esp_nn, or none\)"):
        read_tree(tmp_path)


def _ini(folder: Path) -> configparser.ConfigParser:
    ini = configparser.ConfigParser(interpolation=None)
    ini.read(folder / "platformio.ini")
    return ini


@pytest.mark.parametrize("name", ["esp-eye", "nano33ble", "nucleo-l4r5zi"])
def test_project_for_a_real_board_has_tflite_micro_fetched(tmp_path: Path, name: str) -> None:
    board = boards.get(name)
    assert board.hardware is not None and board.hardware.tflm is not None
    library = LIBRARIES[board.hardware.tflm]
    render(board, interpret(RELU), RELU, tmp_path / "p", title="Relu", runtime="tflm")
    ini = _ini(tmp_path / "p")
    # The twin would need sources: the project does not offer what it cannot build.
    assert [section for section in ini.sections() if section.startswith("env:")] == [f"env:{name}"]
    assert ini["platformio"]["default_envs"] == name
    section = ini[f"env:{name}"]
    *fetched, own = section["lib_deps"].split()
    specs = [PackageSpec(entry) for entry in fetched]  # as PlatformIO reads them
    assert own == "tflm" and PackageSpec(own).owner is None
    assert [spec.name for spec in specs] == section["lib_ignore"].split(", ") == [p.name for p in library.packages]
    for spec in specs:
        assert re.fullmatch(r"https://github\.com/[\w-]+/[\w-]+/archive/[0-9a-f]{40}\.zip", spec.uri)
    flags = ini["tflite-micro"]["build_flags"].split()
    assert {f"-D{define}" for define in library.defines} <= set(flags)
    assert f"-I.pio/libdeps/{name}/{library.interpreter}" in flags
    assert "${tflite-micro.build_flags} -std=gnu++17" in section["build_flags"]
    assert not (tmp_path / "p" / "src" / "tflite-micro").exists()
    assert '"tflm"' in (tmp_path / "p" / "src" / "fw_config.h").read_text()
    readme = (tmp_path / "p" / "README.md").read_text()
    assert all(package.repository in readme for package in library.packages) and "lib/tflm/library.json" in readme


def test_boards_have_the_kernels_of_their_processor() -> None:
    defines = {
        name: LIBRARIES[board.hardware.tflm or ""].defines
        for name, board in boards.load_all().items()
        if board.hardware
    }
    assert {"ESP_NN", "CONFIG_NN_OPTIMIZED=1"} <= set(defines["esp-eye"])
    assert "CMSIS_NN" in defines["nano33ble"] and "CMSIS_NN" in defines["nucleo-l4r5zi"]


def test_which_files_of_the_packages_are_built(tmp_path: Path) -> None:
    """By PlatformIO's own reading of the manifest."""
    micro = "esp-tflite-micro/tensorflow/lite/micro"
    built = {
        f"{micro}/micro_interpreter.cc", f"{micro}/memory_planner/greedy_memory_planner.cc",
        f"{micro}/kernels/pad.cc", f"{micro}/kernels/kernel_util.cc", f"{micro}/kernels/esp_nn/conv.cc",
        "esp-nn/src/convolution/esp_nn_conv_opt.c",
        f"{micro}/kernels/add_n.cc", "esp-nn/src/pooling/esp_nn_max_pool_ansi.c",
        "esp-tflite-micro/tensorflow/lite/kernels/internal/common.cc",
    }  # fmt: skip
    left = {
        f"{micro}/kernels/conv.cc", f"{micro}/kernels/conv_test.cc", f"{micro}/test_helpers.cc",
        f"{micro}/debug_log.cc",
        f"{micro}/esp/micro_time.cc", f"{micro}/kernels/softmax.cc", f"{micro}/kernels/esp_nn/softmax.cc",
        f"{micro}/kernels/tanh.cc", f"{micro}/examples/main.cc", "esp-tflite-micro/examples/hello/main.cc",
        "esp-nn/src/convolution/esp_nn_conv_esp32s3.c", "esp-nn/src/common/esp_nn_dot_s8_esp32s3.S",
        "esp-nn/test_app/main/main.c", "esp-tflite-micro/signal/src/fft.cc",
    }  # fmt: skip
    for name in built | left:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    manifest = json.loads(LIBRARIES["esp_nn"].manifest("elsewhere", ["CONV_2D", "PADV2", "ADD_N"]))
    assert set(match_src_files(str(tmp_path), manifest["build"]["srcFilter"], SRC_BUILD_EXT)) == built


def test_project_with_a_tree_builds_both(tmp_path: Path) -> None:
    tree = read_tree(tflm_tree.write(tmp_path / "tree"))
    render(boards.get("nano33ble"), interpret(RELU), RELU, tmp_path / "p", title="Relu", runtime="tflm", tree=tree)
    ini = _ini(tmp_path / "p")
    for name in ("env:nano33ble", "env:nano33ble-sim"):
        assert "${tflite-micro.build_flags}" in ini[name]["build_flags"]
    assert ini["env:nano33ble-sim"]["board_build.cxx"] == "yes"
    assert "-std=gnu++17" in ini["env:nano33ble"]["build_flags"]
    flags = ini["tflite-micro"]["build_flags"]
    assert "-Isrc/tflite-micro/third_party/cmsis_nn/Include" in flags and "-DCMSIS_NN" in flags
    for path, content in tree.files.items():
        assert (tmp_path / "p" / "src" / "tflite-micro" / path).read_bytes() == content
    assert "libstdc++-arm-none-eabi-newlib" in (tmp_path / "p" / "README.md").read_text()
    done = subprocess.run(
        platformio.command("project", "config", "--lint", "--json-output", "-d", str(tmp_path / "p")),
        env=platformio.environment(platformio.ensure_core(), None), capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert ast.literal_eval(done.stdout) == {"errors": [], "warnings": []}


def test_operators_are_timed_only_where_the_interpreter_announces_them(tmp_path: Path) -> None:
    """TFLite Micro's interpreter calls a profiler only in builds that keep their messages."""
    tree = read_tree(tflm_tree.write(tmp_path / "tree"))
    for profile in (False, True):
        model = interpret(RELU, profile=profile)
        flags = ["-DMODEL_PROFILE"] if profile else []
        render(boards.get("nano33ble"), model, RELU, tmp_path / "p", title="Relu", runtime="tflm", tree=tree,
               build_flags=flags)  # fmt: skip
        assert ("TF_LITE_STRIP_ERROR_STRINGS" in (tmp_path / "p" / "platformio.ini").read_text()) is not profile
