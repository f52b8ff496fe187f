"""Each supported operator in a small network: the exact .tflite operators, and torch's outputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from foldtiny.convert import convert
from foldtiny.convert.check import operators
from tests.convert.helpers import Functional, randomised, reference_outputs, torch_results

SHAPE = (3, 12, 12)


def _conv(*args: Any, **options: Any) -> nn.Conv2d:
    return nn.Conv2d(*args, **options)


def _after_conv(function: Callable[[torch.Tensor], torch.Tensor]) -> nn.Module:
    return Functional(lambda self, x: function(self.conv(x)), conv=_conv(3, 4, 3))


def _classifier(
    function: Callable[[Any, torch.Tensor], torch.Tensor], features: int, **modules: nn.Module
) -> nn.Module:
    return Functional(lambda self, x: self.head(function(self, x)), head=nn.Linear(features, 5), **modules)


def _normalised(x: torch.Tensor) -> torch.Tensor:
    mean, deviation = torch.tensor([0.1, 0.2, 0.3]).view(1, 3, 1, 1), torch.tensor([0.4, 0.5, 0.6]).view(3, 1, 1)
    return (x - mean) / deviation


def _gated(self: Any, x: torch.Tensor) -> torch.Tensor:
    features = self.conv(x)
    gate = torch.sigmoid(self.squeeze(features.mean((2, 3))))
    return features * gate.unsqueeze(-1).unsqueeze(-1)


def _shortcut_a(self: Any, x: torch.Tensor) -> torch.Tensor:
    return functional.relu(self.conv(x) + functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 1, 2)))


_TWO_FLAT = [lambda self, x: torch.cat([self.conv(x).flatten(1), functional.max_pool2d(x, 2).flatten(1)], 1)]

CASES: dict[str, tuple[Callable[[], nn.Module], str]] = {
    # activations
    "relu": (lambda: _after_conv(functional.relu), "CONV_2D"),
    "relu6": (lambda: _after_conv(functional.relu6), "CONV_2D"),
    "inplace": (lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU6(inplace=True)), "CONV_2D"),
    "sigmoid": (lambda: _after_conv(torch.sigmoid), "CONV_2D LOGISTIC"),
    "tanh": (lambda: _after_conv(torch.tanh), "CONV_2D LOGISTIC DEPTHWISE_CONV_2D"),
    "silu": (lambda: _after_conv(functional.silu), "CONV_2D LOGISTIC MUL"),
    "hardswish": (lambda: _after_conv(functional.hardswish), "CONV_2D HARD_SWISH"),
    "hardsigmoid": (lambda: _after_conv(functional.hardsigmoid), "CONV_2D DEPTHWISE_CONV_2D"),
    "leaky_relu": (
        lambda: _after_conv(lambda x: functional.leaky_relu(x, 0.1)),
        "CONV_2D RELU DEPTHWISE_CONV_2D DEPTHWISE_CONV_2D ADD",
    ),
    "prelu": (
        lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.PReLU(4)),
        "CONV_2D RELU DEPTHWISE_CONV_2D DEPTHWISE_CONV_2D ADD",
    ),
    "clamp": (lambda: _after_conv(lambda x: x.clamp(-0.1, 0.2)), "CONV_2D DEPTHWISE_CONV_2D"),
    "clamp_max": (lambda: _after_conv(lambda x: x.clamp(max=0.1)), "CONV_2D DEPTHWISE_CONV_2D"),
    "clamp_min": (lambda: _after_conv(lambda x: x.clamp(min=-0.1)), "CONV_2D DEPTHWISE_CONV_2D"),
    "softmax": (
        lambda: Functional(lambda s, x: s.head(x.flatten(1)).softmax(-1), head=nn.Linear(432, 5)),
        "RESHAPE FULLY_CONNECTED SOFTMAX",
    ),
    "softmax_map": (lambda: _after_conv(lambda x: x.softmax(1)), "CONV_2D SOFTMAX"),
    # convolutions
    "grouped": (lambda: nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 12, 3, groups=4)), "CONV_2D CONV_2D"),
    "depthwise_multiplier": (lambda: _conv(3, 9, 3, groups=3, stride=2, padding=1), "PAD DEPTHWISE_CONV_2D"),
    "depthwise_two_strides": (lambda: _conv(3, 9, 3, groups=3, stride=(1, 2), padding=1), "PAD CONV_2D"),
    "dilated": (lambda: _conv(3, 5, 3, dilation=2, padding=2, bias=False), "CONV_2D"),
    "dilated_strided": (lambda: _conv(3, 5, 3, dilation=2, padding=2, stride=2), "PAD CONV_2D"),
    "dilated_depthwise": (lambda: _conv(3, 3, 3, dilation=2, padding=2, groups=3), "DEPTHWISE_CONV_2D"),
    "dilated_unequal": (lambda: _conv(3, 3, 3, dilation=(1, 2), padding=1, groups=3), "PAD DEPTHWISE_CONV_2D"),
    "strided_padded": (lambda: _conv(3, 5, 3, stride=2, padding=1), "PAD CONV_2D"),
    "weight_norm": (lambda: nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 4, 3)), "CONV_2D"),
    # BatchNorm and constants
    "batch_norm": (lambda: nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU()), "CONV_2D"),
    "batch_norm_first": (
        lambda: nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 4, 3, padding=1)),
        "DEPTHWISE_CONV_2D CONV_2D",
    ),
    "batch_norm_before_unpadded": (lambda: nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 4, 3)), "CONV_2D"),
    "batch_norm_flat": (
        lambda: _classifier(lambda s, x: s.norm(functional.relu(x.flatten(1))), 432, norm=nn.BatchNorm1d(432)),
        "RELU RESHAPE FULLY_CONNECTED",
    ),
    "batch_norm_flat_alone": (
        lambda: _classifier(lambda s, x: functional.relu(s.norm(x.flatten(1))), 432, norm=nn.BatchNorm1d(432)),
        "RESHAPE MUL ADD FULLY_CONNECTED",
    ),
    "normalised_input": (
        lambda: Functional(lambda s, x: s.conv(_normalised(x)), conv=_conv(3, 4, 3, padding=1)),
        "DEPTHWISE_CONV_2D CONV_2D",
    ),
    "normalised_unpadded": (lambda: Functional(lambda s, x: s.conv(_normalised(x)), conv=_conv(3, 4, 3)), "CONV_2D"),
    "arithmetic": (lambda: _after_conv(lambda x: 1 - 2 * (x + 0.5) / 3), "CONV_2D"),
    "position_constant": (
        lambda: Functional(
            lambda s, x: s.conv(x) + s.head.weight.view(1, 4, 10, 10), conv=_conv(3, 4, 3), head=nn.Linear(100, 4)
        ),
        "CONV_2D ADD",
    ),
    "subtraction": (lambda: Functional(lambda s, x: s.conv(x) - x, conv=_conv(3, 3, 3, padding=1)), "CONV_2D SUB"),
    # pooling
    "max_pool": (lambda: _after_conv(lambda x: functional.max_pool2d(x, 2)), "CONV_2D MAX_POOL_2D"),
    "max_pool_padded": (
        lambda: _after_conv(lambda x: functional.max_pool2d(x, 3, 2, 1)),
        "CONV_2D MAX_POOL_2D MAX_POOL_2D",
    ),
    "max_pool_padded_relu": (
        lambda: _after_conv(lambda x: functional.max_pool2d(functional.relu(x), 3, 2, 1)),
        "CONV_2D PAD MAX_POOL_2D",
    ),
    "max_pool_same": (lambda: _after_conv(lambda x: functional.max_pool2d(x, 3, 1, 1)), "CONV_2D MAX_POOL_2D"),
    "max_pool_ceil": (
        lambda: _after_conv(lambda x: functional.max_pool2d(x, 3, 2, ceil_mode=True)),
        "CONV_2D MAX_POOL_2D",
    ),
    "avg_pool_padded": (
        lambda: _after_conv(lambda x: functional.avg_pool2d(x, 3, 2, 1)),
        "CONV_2D PAD AVERAGE_POOL_2D",
    ),
    "avg_pool_uncounted": (
        lambda: _after_conv(lambda x: functional.avg_pool2d(x, 3, 2, 1, count_include_pad=False)),
        "CONV_2D PAD AVERAGE_POOL_2D MUL",
    ),
    "avg_pool_same": (
        lambda: _after_conv(lambda x: functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False)),
        "CONV_2D AVERAGE_POOL_2D",
    ),
    "avg_pool_ceil": (
        lambda: _after_conv(lambda x: functional.avg_pool2d(x, 3, 2, 1, ceil_mode=True)),
        "CONV_2D PAD AVERAGE_POOL_2D MUL",
    ),
    "avg_pool_divisor": (
        lambda: _after_conv(lambda x: functional.avg_pool2d(x, 2, divisor_override=3)),
        "CONV_2D AVERAGE_POOL_2D DEPTHWISE_CONV_2D",
    ),
    "adaptive": (lambda: _after_conv(lambda x: functional.adaptive_avg_pool2d(x, (5, 2))), "CONV_2D AVERAGE_POOL_2D"),
    "adaptive_max": (lambda: _after_conv(lambda x: functional.adaptive_max_pool2d(x, 5)), "CONV_2D MAX_POOL_2D"),
    # shapes
    "mean": (
        lambda: _classifier(lambda s, x: s.conv(x).mean((2, 3)), 4, conv=_conv(3, 4, 3)),
        "CONV_2D MEAN FULLY_CONNECTED",
    ),
    "mean_of_view": (
        lambda: _classifier(lambda s, x: s.conv(x).view(x.size(0), 4, -1).mean(-1), 4, conv=_conv(3, 4, 3)),
        "CONV_2D RESHAPE MEAN FULLY_CONNECTED",
    ),
    "squeezed": (
        lambda: _classifier(
            lambda s, x: functional.adaptive_avg_pool2d(s.conv(x), 1).squeeze(-1).squeeze(-1), 4, conv=_conv(3, 4, 3)
        ),
        "CONV_2D MEAN FULLY_CONNECTED",
    ),
    "gate": (
        lambda: Functional(_gated, conv=_conv(3, 4, 3), squeeze=nn.Linear(4, 4)),
        "CONV_2D MEAN FULLY_CONNECTED LOGISTIC MUL",
    ),
    "flat_concat": (
        lambda: _classifier(_TWO_FLAT[0], 508, conv=_conv(3, 4, 3)),
        "CONV_2D RESHAPE MAX_POOL_2D RESHAPE CONCATENATION FULLY_CONNECTED",
    ),
    "concat": (
        lambda: Functional(
            lambda s, x: torch.cat([s.conv(x), functional.max_pool2d(x, 3, 1, 1)], 1), conv=_conv(3, 4, 3, padding=1)
        ),
        "CONV_2D MAX_POOL_2D CONCATENATION",
    ),
    "shortcut_a": (
        lambda: Functional(_shortcut_a, conv=_conv(3, 6, 3, padding=1, stride=2)),
        "PAD CONV_2D MAX_POOL_2D PAD ADD",
    ),
    "unflatten": (
        lambda: Functional(lambda s, x: s.conv(x.flatten(1).view(1, 3, 12, 12)), conv=_conv(3, 3, 3)),
        "CONV_2D",
    ),
    "dropout": (
        lambda: _classifier(
            lambda s, x: s.drop(s.conv(x).relu()).flatten(1), 400, conv=_conv(3, 4, 3), drop=nn.Dropout(0.5)
        ),
        "CONV_2D RESHAPE FULLY_CONNECTED",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_operator(name: str) -> None:
    """The .tflite has exactly these operators and torch's outputs, also for values below zero."""
    factory, expected = CASES[name]
    torch.manual_seed(0)
    network = randomised(factory())
    images = np.random.default_rng(0).normal(size=(4, *SHAPE)).astype(np.float32)
    model = convert(network, SHAPE, precision="float32", calibration=images)
    # The rewriting of a mean or a reshape may move it; the set and the count may not change.
    assert sorted(operators(model.data)) == sorted(expected.split())
    for found, wanted in zip(reference_outputs(model.data, images), torch_results(network, images), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["concat", "flat_concat", "gate", "max_pool_padded", "batch_norm_first", "leaky_relu"])
def test_int8_keeps_the_operators(name: str) -> None:
    """Quantising adds no operator, and stays within a few steps of torch."""
    factory, expected = CASES[name]
    torch.manual_seed(0)
    network = randomised(factory())
    images = np.random.default_rng(0).random((16, *SHAPE), np.float32)
    model = convert(network, SHAPE, calibration=images)
    assert sorted(operators(model.data)) == sorted(expected.split())
    wanted = np.concatenate(torch_results(network, images))
    found = np.concatenate(reference_outputs(model.data, images))
    # 8 bits give 256 steps; errors of several layers add up.
    assert np.abs(found - wanted).max() < (wanted.max() - wanted.min()) * 8 / 256
