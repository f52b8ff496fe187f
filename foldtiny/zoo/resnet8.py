"""ResNet8, the image classifier of MLPerf Tiny."""

from __future__ import annotations

import torch
from torch import nn

from foldtiny.zoo.layers import Residual, conv_bn_relu, widened


class Block(Residual):
    """Two 3x3 convolutions and a shortcut, which is a bare 1x1 convolution where the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        body = nn.Sequential(
            *conv_bn_relu(inputs, outputs, 3, stride=stride, padding=1),
            nn.Conv2d(outputs, outputs, 3, padding=1),
            nn.BatchNorm2d(outputs),
        )
        super().__init__(body, nn.Identity() if stride == 1 else nn.Conv2d(inputs, outputs, 1, stride=stride))


class ResNet8(nn.Module):
    """A stem and three residual blocks of 16, 32 and 64 channels, then global average pooling.

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
        first, second, third = (widened(channels, width) for channels in (16, 32, 64))
        self.stem = conv_bn_relu(in_channels, first, 3, padding=1)
        self.blocks = nn.Sequential(Block(first, first, 1), Block(first, second, 2), Block(second, third, 2))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classifier = nn.Linear(third, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits ``[N, classes]`` for images ``[N, in_channels, H, W]``."""
        return self.classifier(self.flatten(self.pool(self.blocks(self.stem(images)))))
