"""MobileNetV1 at a quarter of its width, the person detector of MLPerf Tiny."""

from __future__ import annotations

import torch
from torch import nn

from foldtiny.zoo.layers import conv_bn_relu, separable, widened

# Howard et al. (2017), table 1: output channels and stride of each separable block at full width.
_BLOCKS = (
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    (512, 1),
    (512, 1),
    (512, 1),
    (512, 1),
    (512, 1),
    (1024, 2),
    (1024, 1),
)


class MobileNetV1(nn.Module):
    """A 3x3 convolution of stride 2 and thirteen separable blocks with ReLU, then global average pooling.

    Parameters
    ----------
    in_channels : int
        Channels of the image.
    classes : int
        Number of logits.
    width : float
        Multiplier of the hidden widths; MLPerf Tiny takes 0.25.
    """

    def __init__(self, in_channels: int = 3, classes: int = 2, width: float = 0.25) -> None:
        super().__init__()
        inputs = widened(32, width)
        self.stem = conv_bn_relu(in_channels, inputs, 3, stride=2, padding=1)
        blocks: list[nn.Module] = []
        for channels, stride in _BLOCKS:
            outputs = widened(channels, width)
            blocks.append(separable(inputs, outputs, stride))
            inputs = outputs
        self.blocks = nn.Sequential(*blocks)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classifier = nn.Linear(inputs, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits ``[N, classes]`` for images ``[N, in_channels, H, W]``."""
        return self.classifier(self.flatten(self.pool(self.blocks(self.stem(images)))))
