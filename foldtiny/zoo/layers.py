"""What several networks of the zoo share."""

from __future__ import annotations

import torch
from torch import nn


def widened(channels: int, width: float) -> int:
    """Return ``channels`` times ``width``, at least one."""
    return max(1, round(channels * width))


def conv_bn_relu(
    inputs: int,
    outputs: int,
    kernel: int | tuple[int, int],
    *,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] = 0,
    groups: int = 1,
    bias: bool = True,
) -> nn.Sequential:
    """Return a convolution followed by BatchNorm and ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=padding, groups=groups, bias=bias),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


def separable(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """Return a depthwise 3x3 and a pointwise convolution, each with BatchNorm and ReLU."""
    return nn.Sequential(
        conv_bn_relu(inputs, inputs, 3, stride=stride, padding=1, groups=inputs),
        conv_bn_relu(inputs, outputs, 1),
    )


class Residual(nn.Module):
    """A residual block: what it computes and its shortcut, added, then ReLU."""

    def __init__(self, body: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.body = body
        self.shortcut = shortcut
        self.relu = nn.ReLU()

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return ``relu(body + shortcut)``."""
        return self.relu(self.body(features) + self.shortcut(features))


def projection(inputs: int, outputs: int, stride: int) -> nn.Module:
    """Return a shortcut: the identity, or where the shape changes a 1x1 convolution with BatchNorm."""
    if stride == 1 and inputs == outputs:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs))
