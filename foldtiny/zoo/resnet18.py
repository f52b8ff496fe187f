"""ResNet18 with the stem that is usual for small images: one 3x3 convolution, no pooling."""

from __future__ import annotations

import torch
from torch import nn

from foldtiny.zoo.layers import Residual, conv_bn_relu, projection, widened


class BasicBlock(Residual):
    """Two 3x3 convolutions with BatchNorm and a shortcut, projected where the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        body = nn.Sequential(
            *conv_bn_relu(inputs, outputs, 3, stride=stride, padding=1, bias=False),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        super().__init__(body, projection(inputs, outputs, stride))


class ResNet18(nn.Module):
    """Eight residual blocks in four stages of 64, 128, 256 and 512 channels.

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
        stages = [widened(channels, width) for channels in (64, 128, 256, 512)]
        self.stem = conv_bn_relu(in_channels, stages[0], 3, padding=1, bias=False)
        blocks: list[nn.Module] = []
        inputs = stages[0]
        for index, outputs in enumerate(stages):
            blocks += [BasicBlock(inputs, outputs, 1 if index == 0 else 2), BasicBlock(outputs, outputs, 1)]
            inputs = outputs
        self.blocks = nn.Sequential(*blocks)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classifier = nn.Linear(inputs, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits ``[N, classes]`` for images ``[N, in_channels, H, W]``."""
        return self.classifier(self.flatten(self.pool(self.blocks(self.stem(images)))))
