"""Every network of the zoo: exact operators, torch's outputs, int8 close to them, and TFLite Micro runs it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from foldtiny import zoo
from foldtiny.convert import TfliteModel, convert, synthetic_images
from foldtiny.convert.check import operators
from tests.convert.helpers import randomised, reference_outputs, torch_results

_BLOCK = "CONV_2D CONV_2D ADD"
_DOWN = "PAD CONV_2D CONV_2D CONV_2D ADD"
_SEPARABLE = "DEPTHWISE_CONV_2D CONV_2D"
_BOTTLENECK = "CONV_2D CONV_2D CONV_2D ADD"
_PROJECTED = "CONV_2D CONV_2D CONV_2D CONV_2D ADD"
_PROJECTED_DOWN = "CONV_2D PAD CONV_2D CONV_2D CONV_2D ADD"
_INVERTED = f"CONV_2D {_SEPARABLE}"
# A BatchNorm that no convolution can take in is a depthwise 1x1 convolution; the activation after it is part of it.
_GROW = "DEPTHWISE_CONV_2D CONV_2D CONV_2D CONCATENATION "

OPERATORS = {
    "lenet5": "CONV_2D MAX_POOL_2D CONV_2D MAX_POOL_2D RESHAPE FULLY_CONNECTED FULLY_CONNECTED FULLY_CONNECTED",
    "resnet8": f"CONV_2D {_BLOCK} {_DOWN} {_DOWN} MEAN FULLY_CONNECTED",
    "resnet18": f"CONV_2D {_BLOCK} {_BLOCK} {_DOWN} {_BLOCK} {_DOWN} {_BLOCK} {_DOWN} {_BLOCK} MEAN FULLY_CONNECTED",
    "resnet50": " ".join(
        ["CONV_2D", _PROJECTED, *[_BOTTLENECK] * 2]
        + [block for count in (3, 5, 2) for block in (_PROJECTED_DOWN, *[_BOTTLENECK] * count)]
        + ["MEAN FULLY_CONNECTED"]
    ),
    "densenet": "CONV_2D "
    + (_GROW * 6 + "DEPTHWISE_CONV_2D CONV_2D AVERAGE_POOL_2D ") * 2
    + _GROW * 6
    + "DEPTHWISE_CONV_2D MEAN FULLY_CONNECTED",
    # The last map is 1x1, so that flattening it is nothing.
    "vgg11-bn": "CONV_2D MAX_POOL_2D " * 2 + "CONV_2D CONV_2D MAX_POOL_2D " * 3 + "FULLY_CONNECTED",
    "ds-cnn": f"PAD CONV_2D {_SEPARABLE} {_SEPARABLE} {_SEPARABLE} {_SEPARABLE} MEAN FULLY_CONNECTED",
    "mobilenet-v1": " ".join(
        ["PAD CONV_2D"]
        + [("PAD " if block in (1, 3, 5, 11) else "") + _SEPARABLE for block in range(13)]
        + ["MEAN FULLY_CONNECTED"]
    ),
    "mobilenet-v2": " ".join(
        ["PAD CONV_2D", _SEPARABLE]
        + [
            f"CONV_2D PAD {_SEPARABLE}"
            if block in (1, 3, 6, 13)
            else _INVERTED + (" ADD" if block not in (10, 16) else "")
            for block in range(1, 17)
        ]
        + ["CONV_2D MEAN FULLY_CONNECTED"]
    ),
}
# A fraction of the width tests the same structure in a fraction of the time.
NARROW = {"resnet18": 0.25, "resnet50": 0.0625, "vgg11-bn": 0.25}
SLOW = (*NARROW, "densenet")


def _names() -> list[object]:
    return [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in zoo.MODELS]


def _converted(name: str, precision: str, count: int) -> tuple[torch.nn.Module, TfliteModel, np.ndarray]:
    torch.manual_seed(0)
    network = randomised(zoo.create(name, width=NARROW[name]) if name in NARROW else zoo.create(name))
    shape = zoo.MODELS[name].input_shape
    images = synthetic_images(count, shape, seed=1)
    return network, convert(network, shape, precision=precision, calibration=images), images


def test_every_network_is_listed() -> None:
    """A network added to the zoo must be added here."""
    assert set(OPERATORS) == set(zoo.MODELS)


@pytest.mark.parametrize("name", _names())
def test_int8(name: str) -> None:
    """The operators are exactly these; outputs are close to torch's; TFLite Micro's agree with LiteRT's."""
    from tflite_micro.python.tflite_micro import runtime

    network, model, images = _converted(name, "int8", 16)
    assert list(operators(model.data)) == OPERATORS[name].split()
    assert set(model.report.operators) == set(OPERATORS[name].split())
    assert model.report.relative_difference < 1e-5
    assert model.report.agreement >= 0.9
    expected = np.concatenate(torch_results(network, images[:4]))
    found = np.concatenate(reference_outputs(model.data, images[:4]))
    assert np.abs(found - expected).max() < np.abs(expected).max() * 0.1
    micro = runtime.Interpreter.from_bytes(model.data)
    details = micro.get_input_details(0)
    assert details["dtype"] is np.int8 or details["dtype"] == np.int8
    assert micro.get_output_details(0)["dtype"] == np.int8


def test_float32() -> None:
    """LeNet5 in float32: torch's logits, and float32 at both ends."""
    network, model, images = _converted("lenet5", "float32", 4)
    assert model.precision == "float32"
    assert list(operators(model.data)) == OPERATORS["lenet5"].split()
    for found, wanted in zip(reference_outputs(model.data, images), torch_results(network, images), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


def test_weights_have_a_scale_per_channel() -> None:
    """Every convolution and fully connected layer of LeNet5 has as many weight scales as outputs."""
    from ai_edge_litert import schema_py_generated as schema

    _, model, _ = _converted("lenet5", "int8", 4)
    graph = schema.Model.GetRootAs(model.data, 0).Subgraphs(0)
    checked = 0
    for i in range(graph.OperatorsLength()):
        step = graph.Operators(i)
        if step.InputsLength() == 3:
            weight = graph.Tensors(step.Inputs(1))
            assert weight.Quantization().ScaleLength() == weight.Shape(0)
            checked += 1
    assert checked == 5
