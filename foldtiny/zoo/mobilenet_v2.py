"""MobileNetV2 at 0.35 of its width, the smallest that is published and the usual one for microcontrollers."""

from __future__ import annotations

import torch
from torch import nn

# Sandler et al. (2018), table 2: expansion, output channels, blocks and first stride of each stage.
_STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
# The last convolution keeps its width where the network gets narrower (section 4.2 of the paper).
_FEATURES = 1280


def _eights(channels: float) -> int:
    """Return the nearest multiple of 8, at least 8 and not below 90 %: the published widths."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * channels else rounded + 8


def _unit(inputs: int, outputs: int, kernel: int, *, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, groups=groups, bias=False)
    return [convolution, nn.BatchNorm2d(outputs), nn.ReLU6()]


class InvertedResidual(nn.Module):
    """A 1x1 convolution that widens, a depthwise 3x3, and a 1x1 without activation that narrows again."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        middle = expansion * inputs
        widen = _unit(inputs, middle, 1) if expansion > 1 else []
        self.body = nn.Sequential(
            *widen,
            *_unit(middle, middle, 3, stride=stride, groups=middle),
            nn.Conv2d(middle, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.residual = stride == 1 and inputs == outputs

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return the body's features, added to what it got where the shape stays."""
        return features + self.body(features) if self.residual else self.body(features)


class MobileNetV2(nn.Module):
    """A 3x3 convolution of stride 2, seventeen inverted residuals with ReLU6 and a 1x1 convolution, then pooling.

    Parameters
    ----------
    in_channels : int
        Channels of the image.
    classes : int
        Number of logits.
    width : float
        Multiplier of the hidden widths, which are multiples of 8; the last convolution has at least 1280 channels.
    """

    def __init__(self, in_channels: int = 3, classes: int = 2, width: float = 0.35) -> None:
        super().__init__()
        inputs = _eights(32 * width)
        self.stem = nn.Sequential(*_unit(in_channels, inputs, 3, stride=2))
        blocks: list[nn.Module] = []
        for expansion, channels, count, stride in _STAGES:
            outputs = _eights(channels * width)
            for number in range(count):
                blocks.append(InvertedResidual(inputs, outputs, 1 if number else stride, expansion))
                inputs = outputs
        self.blocks = nn.Sequential(*blocks)
        features = _eights(_FEATURES * max(1.0, width))
        self.head = nn.Sequential(*_unit(inputs, features, 1))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classifier = nn.Linear(features, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits ``[N, classes]`` for images ``[N, in_channels, H, W]``."""
        return self.classifier(self.flatten(self.pool(self.head(self.blocks(self.stem(images))))))
