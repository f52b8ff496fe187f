"""Damaged and unsupported files: one sentence each, never a traceback."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foldtiny.aot import compile_tflite, read
from foldtiny.errors import CompileError, UsageError
from tests.aot import networks
from tests.aot.tflite_builder import RELU, SAME, VALID, Builder

Q = {"scale": 0.5, "zero": 0}


def _conv(build: Builder, source: int, **options: int) -> bytes:
    weights = build.tensor((2, 1, 1, 3), scale=0.1, data=np.zeros((2, 1, 1, 3), np.int8), name="filters")
    output = build.tensor((1, 4, 4, 2), name="net/conv", **Q)
    given = {"padding": SAME, "strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1} | options
    build.operator("CONV_2D", [source, weights], [output], **given)
    return build.build([source], [output])


def _conv_with(**options: int) -> Callable[[], bytes]:
    def make() -> bytes:
        build = Builder()
        return _conv(build, build.tensor((1, 4, 4, 3), **Q), **options)

    return make


def _typed_conv(dtype: str) -> Callable[[], bytes]:
    def make() -> bytes:
        build = Builder()
        return _conv(build, build.tensor((1, 4, 4, 3), dtype, name="x", **Q))

    return make


def _unary(name: str, source: dict[str, object], output: dict[str, object]) -> Callable[[], bytes]:
    def make() -> bytes:
        build = Builder()
        first = build.tensor((1, 4), name="x", **source)  # type: ignore[arg-type]
        second = build.tensor((1, 4), name="net/y", **output)  # type: ignore[arg-type]
        build.operator(name, [first], [second])
        return build.build([first], [second])

    return make


def _pool_rescaling() -> bytes:
    build = Builder()
    source, output = build.tensor((1, 4, 4, 3), **Q), build.tensor((1, 2, 2, 3), name="net/pool", scale=0.25)
    options = {"padding": VALID, "strideH": 2, "strideW": 2, "filterHeight": 2, "filterWidth": 2}
    build.operator("MAX_POOL_2D", [source], [output], **options)
    return build.build([source], [output])


def _computed_weights() -> bytes:
    build = Builder()
    source, weights = build.tensor((1, 4), **Q), build.tensor((2, 4), name="w", **Q)
    output = build.tensor((1, 2), name="net/dense", **Q)
    build.operator("FULLY_CONNECTED", [source, weights], [output], fusedActivationFunction=RELU)
    return build.build([source, weights], [output])


REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "operator": (
        _unary("ELU", Q, Q),
        r"operator ELU 'net/y' is not supported \(allowed: ADD, AVERAGE_POOL_2D, CONCATENATION, CONV_2D, .*\); "
        r"build the network from these operators and export it again",
    ),
    "stride": (
        _conv_with(strideH=0),
        r"CONV_2D 'net/conv': StrideH 0 is not supported \(allowed: 1 to 65536\); "
        r"export the model again as full-integer int8 or float32",
    ),
    "activation": (
        _conv_with(fusedActivationFunction=4),
        r"CONV_2D 'net/conv': fused activation 4 is not supported \(allowed: none, relu, relu_n1_to_1, relu6\); .*",
    ),
    "uint8": (
        _typed_conv("uint8"),
        r"CONV_2D 'net/conv': type uint8 of 'x' is not supported \(allowed: int8 or float32\); .*",
    ),
    "int16": (
        _typed_conv("int16"),
        r"CONV_2D 'net/conv': type int16 of 'x' is not supported \(allowed: int8 or float32\); .*",
    ),
    "hybrid": (
        _typed_conv("float32"),
        r"CONV_2D 'net/conv': 'net/conv' of type int8 with float32 is not supported "
        r"\(allowed: one type for all \(no hybrid layers\)\); .*",
    ),
    "no scale": (
        _unary("RELU", {}, Q),
        r"RELU 'net/y': int8 without a scale in 'x' is not supported \(allowed: a quantised tensor\); .*",
    ),
    "zero point": (
        _unary("RELU", {"scale": 1.0, "zero": 200}, Q),
        r"RELU 'net/y': zero point 200 of 'x' is not supported \(allowed: -128 to 127\); .*",
    ),
    "softmax scale": (
        _unary("SOFTMAX", Q, Q),
        r"SOFTMAX 'net/y': output scale 0.5 and zero point 0 is not supported "
        r"\(allowed: 1/256 and -128, as TFLite sets\); .*",
    ),
    "pool scale": (_pool_rescaling, r"MAX_POOL_2D 'net/pool': input scale 0.5 zero 0 with output scale 0.25 .*"),
    "computed weights": (
        _computed_weights,
        r"FULLY_CONNECTED 'net/dense': input 'w' computed at run time is not supported \(allowed: a constant\); .*",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_supported_is_named(name: str) -> None:
    make, text = REFUSED[name]
    with pytest.raises(CompileError) as caught:
        compile_tflite(make())
    import re

    assert re.fullmatch(text, str(caught.value)), str(caught.value)


@pytest.mark.parametrize(
    "data, text",
    [
        (b"", "net is not a .tflite file: bytes 4 to 8 should read 'TFL3'; give the path of a TFLite model"),
        (b"PK\x03\x04" + b"x" * 100, "net is not a .tflite file: bytes 4 to 8 should read 'TFL3'; .*"),
        (b"\x10\0\0\0TFL3" + b"\xff" * 40, "net is damaged or truncated: its tables cannot be followed .*"),
    ],
    ids=["empty", "zip", "garbage"],
)
def test_foreign_files_are_recognised(data: bytes, text: str) -> None:
    import re

    with pytest.raises(CompileError) as caught:
        read(data, "net")
    assert re.fullmatch(text, str(caught.value)), str(caught.value)


def test_values_of_the_wrong_size_are_noticed() -> None:
    build = Builder()
    source = build.tensor((1, 4), **Q)
    constant = build.tensor((1, 4), data=np.zeros(3, np.int8), name="c", **Q)
    output = build.tensor((1, 4), **Q)
    build.operator("ADD", [source, constant], [output])
    with pytest.raises(CompileError, match=r"tensor 1 'c' has 3 bytes of values but its shape needs 4"):
        read(build.build([source], [output]))


def test_a_loop_in_the_graph_is_noticed() -> None:
    build = Builder()
    source, first, second = (build.tensor((1, 4), **Q) for _ in range(3))
    build.operator("ADD", [source, second], [first])
    build.operator("ADD", [source, first], [second])
    with pytest.raises(CompileError, match=r"operator 0 \(ADD\) uses tensor 2 before it is computed"):
        read(build.build([source], [second]))


def test_absurd_sizes_are_refused() -> None:
    build = Builder()
    source = build.tensor((1 << 20, 1 << 10), **Q)
    with pytest.raises(CompileError, match=r"has 1073741824 elements \(allowed: 67108864\)"):
        read(build.build([source], [source]))


def test_unknown_targets_are_refused() -> None:
    with pytest.raises(
        UsageError, match=r"target 'z80' is not known \(allowed: portable, cortex-m4, xtensa, aarch64\)"
    ):
        compile_tflite(networks.lenet5(), target="z80")
    with pytest.raises(UsageError, match=r"optimize 'beauty' is not known \(allowed: speed, size\)"):
        compile_tflite(networks.lenet5(), optimize="beauty")


def _compiles_or_says_why(data: bytes) -> bool:
    try:
        compile_tflite(data)
    except CompileError as error:
        assert error.message and error.hint and "\n" not in str(error)
        return False
    return True


def test_truncated_files_end_in_one_sentence() -> None:
    data = networks.separable()
    for length in range(0, len(data), max(1, len(data) // 100)):
        assert not _compiles_or_says_why(data[:length])


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300), st.binary(min_size=4, max_size=4))
def test_random_bytes_end_in_one_sentence(data: bytes, start: bytes) -> None:
    assert not _compiles_or_says_why(start + b"TFL3" + data)


def _with_state(operator: str, states: int = 1) -> bytes:
    build = Builder()
    source, output, last = (build.tensor((1, 4), **Q) for _ in range(3))
    state = build.tensor((1, 4), variable=True, name="memory", **Q)
    build.operator(operator, [source, state], [output])
    build.operator(operator, [output, state if states > 1 else output], [last])
    return build.build([source], [last])


def test_a_state_belongs_to_one_operator_that_keeps_one() -> None:
    with pytest.raises(CompileError, match=r"tensor 3 'memory' keeps its state between runs \(allowed: in SVDF\)"):
        read(_with_state("ADD"))
    with pytest.raises(CompileError, match=r"damaged or truncated: tensor 3 'memory' is the state of 2 operators"):
        read(_with_state("SVDF", states=2))


def test_a_state_is_nothing_that_is_given() -> None:
    build = Builder()
    source = build.tensor((1, 4), variable=True, **Q)
    with pytest.raises(CompileError, match="input tensor 0 keeps a state of its own"):
        read(build.build([source], [source]))
    build = Builder()
    source = build.tensor((1, 4), **Q)
    constant = build.tensor((1, 4), variable=True, data=np.zeros((1, 4), np.int8), name="c", **Q)
    build.operator("ADD", [source, constant], [build.tensor((1, 4), **Q)])
    with pytest.raises(CompileError, match="tensor 1 'c' is a constant that keeps changing"):
        read(build.build([source], [2]))
