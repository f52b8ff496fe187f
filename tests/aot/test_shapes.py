"""Networks exported with an open batch dimension, whose RESHAPE is told its target by SHAPE, STRIDED_SLICE and PACK."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from foldtiny import reference
from foldtiny.aot import compile_tflite, read
from foldtiny.aot.shapes import settle
from foldtiny.errors import CompileError
from tests.aot.tflite_builder import NONE, Builder
from tests.kernels.case import Case
from tests.kernels.harness import compare, run_host

Q: dict[str, Any] = {"scale": 0.5, "zero": 3}


def _flatten(*, shape_is_output: bool = False, shrink: int = 1, index: int = 0, dtype: str = "int32") -> bytes:
    """Build what Keras exports for Flatten and Dense: the batch size is cut out of the input's shape."""
    build = Builder()
    source = build.tensor((1, 2, 3, 4), name="x", **Q)
    shape, batch = build.tensor((4,), dtype, name="net/shape"), build.tensor((), dtype, name="net/batch")
    target = build.tensor((2,), dtype, name="net/target")
    bounds = [build.constant([value]) for value in (index, index + 1, 1)]
    build.operator("SHAPE", [source], [shape], outType=2)
    build.operator("STRIDED_SLICE", [shape, *bounds], [batch], shrinkAxisMask=shrink)
    build.operator("PACK", [batch, build.constant(24)], [target], valuesCount=2)
    flat = build.tensor((1, 24), name="net/flat", **Q)
    build.operator("RESHAPE", [source, target], [flat])
    random = np.random.default_rng(4)
    weights = build.tensor((5, 24), scale=0.01, data=random.integers(-127, 128, (5, 24), dtype=np.int8))
    bias = build.constant(random.integers(-500, 500, 5), "int32", scale=0.005)
    logits = build.tensor((1, 5), name="net/dense", **Q)
    build.operator("FULLY_CONNECTED", [flat, weights, bias], [logits], fusedActivationFunction=NONE)
    return build.build([source], [logits, shape] if shape_is_output else [logits])


def test_an_open_batch_dimension_costs_nothing_and_stays_bit_exact(tmp_path: Path) -> None:
    data = _flatten()
    case = Case("flatten", data, reference.random_inputs(data, 8, seed=1))
    assert compare([case], run_host([case], tmp_path, ("-O2",))) == 1
    model = compile_tflite(data)
    assert model.operators == ("RESHAPE", "FULLY_CONNECTED")
    assert [layer.operators for layer in model.layers] == [("FULLY_CONNECTED",)]


def test_the_shape_becomes_the_constant_that_reshape_reads() -> None:
    graph = settle(read(_flatten()))
    target = graph.tensors[graph.operators[0].inputs[1]]
    np.testing.assert_array_equal(target.array(), [1, 24])


@pytest.mark.parametrize(
    ("data", "left"),
    [
        (_flatten(shape_is_output=True), "SHAPE"),
        (_flatten(shrink=0), "STRIDED_SLICE"),
        (_flatten(index=7), "STRIDED_SLICE"),
        (_flatten(dtype="int8"), "SHAPE"),
    ],
    ids=["seen by the caller", "another shape than stored", "beyond the shape", "not integers"],
)
def test_what_does_not_follow_from_shapes_is_refused_as_ever(data: bytes, left: str) -> None:
    assert settle(read(data)).operators[0].name == left
    with pytest.raises(CompileError, match=f"{left} .* is not supported"):
        compile_tflite(data)
