"""Random small networks: the float .tflite computes what torch computes."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from foldtiny.convert import convert
from foldtiny.convert.check import ALLOWED, operators
from tests.convert.helpers import randomised, reference_outputs, torch_results

_ACTIVATIONS = (nn.ReLU, nn.ReLU6, nn.Identity, nn.Hardswish, nn.Sigmoid)


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.relu(self.norm(self.conv(x)) + x)


class _Branches(nn.Module):
    def __init__(self, channels: int, more: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, more, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([x, self.conv(x)], 1)


@st.composite
def _conv(draw: st.DrawFn, channels: int, size: tuple[int, int]) -> nn.Module:
    kernel = tuple(draw(st.integers(1, min(4, side))) for side in size)
    dilation = tuple(
        draw(st.integers(1, 2)) if 2 * (k - 1) + 1 <= side else 1 for k, side in zip(kernel, size, strict=True)
    )
    padding: Any = tuple(draw(st.integers(0, 2)) for _ in size)
    groups = draw(st.sampled_from([g for g in (1, 2, 3, channels) if channels % g == 0]))
    outputs = groups * draw(st.integers(1, 3))
    stride = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    return nn.Conv2d(channels, outputs, kernel, stride, padding, dilation, groups, bias=draw(st.booleans()))


@st.composite
def _pool(draw: st.DrawFn, size: tuple[int, int]) -> list[nn.Module]:
    kernel = tuple(draw(st.integers(1, min(3, side))) for side in size)
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    stride, ceil = draw(st.integers(1, 3)), draw(st.booleans())
    if draw(st.booleans()):
        return [nn.AvgPool2d(kernel, stride, padding, ceil, count_include_pad=draw(st.booleans()))]
    # Padding other than half of an odd window is exact only where no value is below zero.
    return [nn.ReLU(), nn.MaxPool2d(kernel, stride, padding, ceil_mode=ceil)]


@st.composite
def networks(draw: st.DrawFn) -> tuple[nn.Module, tuple[int, int, int]]:
    """Up to four blocks on an odd-sized image, then a map or a flattened classifier."""
    torch.manual_seed(draw(st.integers(0, 1000)))
    shape = (draw(st.integers(1, 4)), draw(st.integers(5, 11)), draw(st.integers(5, 11)))
    layers: list[nn.Module] = []
    current = torch.zeros(1, *shape)
    for _ in range(draw(st.integers(1, 4))):
        channels, size = current.shape[1], tuple(current.shape[2:])
        kind = draw(st.sampled_from(["conv", "pool", "residual", "branches", "norm"]))
        if kind == "conv":
            block = [draw(_conv(channels, size)), draw(st.sampled_from(_ACTIVATIONS))()]
        elif kind == "pool":
            block = draw(_pool(size))
        elif kind == "residual":
            block = [_Residual(channels)]
        elif kind == "branches":
            block = [_Branches(channels, draw(st.integers(1, 3)))]
        else:
            block = [nn.BatchNorm2d(channels)]
        layers += block
        with torch.no_grad():
            current = nn.Sequential(*block).eval()(current)
    if draw(st.booleans()):
        layers += [nn.Flatten(), nn.ReLU(), nn.Dropout(0.3), nn.Linear(current[0].numel(), draw(st.integers(1, 6)))]
    return randomised(nn.Sequential(*layers)), shape


@given(networks())
@settings(max_examples=45, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_float_matches_torch(case: tuple[nn.Module, tuple[int, int, int]]) -> None:
    """Outputs are equal to 1e-4 on images with negative values, and no foreign operator appears."""
    network, shape = case
    images = np.random.default_rng(0).normal(size=(2, *shape)).astype(np.float32)
    model = convert(network, shape, precision="float32", calibration=images)
    assert set(operators(model.data)) <= ALLOWED
    for found, wanted in zip(reference_outputs(model.data, images), torch_results(network, images), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4 * max(1.0, float(np.abs(wanted).max())))
