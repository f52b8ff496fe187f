"""ResNet50 with the stem that is usual for small images: one 3x3 convolution, no pooling."""

from __future__ import annotations

import torch
from torch import nn

from foldtiny.zoo.layers import Residual, conv_bn_relu, projection, widened

_EXPANSION = 4


class Bottleneck(Residual):
    """1x1, 3x3 and 1x1 convolutions with BatchNorm and a shortcut, projected where the shape changes.

    The stride is in the 3x3 convolution.
    """

    def __init__(self, inputs: int, middle: int, stride: int) -> None:
        outputs = _EXPANSION * middle
        body = nn.Sequential(
            *conv_bn_relu(inputs, middle, 1, bias=False),
            *conv_bn_relu(middle, middle, 3, stride=stride, padding=1, bias=False),
            nn.Conv2d(middle, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        super().__init__(body, projection(inputs, outputs, stride))


class ResNet50(nn.Module):
    """Sixteen bottlenecks in four stages of 256, 512, 1024 and 2048 channels.

    Parameters
    ----------
    in_channels : int
        Channels of the image.
    classes : int
        Number of logits.
    width : float
        Multiplier of the hidden widths.
    """

    def __init__(self, in_channels: int = 3, classes: int = 10, width: float = 1) -> None:
        super().__init__()
        inputs = widened(64, width)
        self.stem = conv_bn_relu(in_channels, inputs, 3, padding=1, bias=False)
        blocks: list[nn.Module] = []
        # He et al. (2016), table 1: inner channels, blocks and first stride of each stage.
        for channels, count, stride in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
            middle = widened(channels, width)
            for number in range(count):
                blocks.append(Bottleneck(inputs, middle, 1 if number else stride))
                inputs = _EXPANSION * middle
        self.blocks = nn.Sequential(*blocks)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classifier = nn.Linear(inputs, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits ``[N, classes]`` for images ``[N, in_channels, H, W]``."""
        return self.classifier(self.flatten(self.pool(self.blocks(self.stem(images)))))
