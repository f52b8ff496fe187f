"""VGG11 with BatchNorm, for 32x32 images: one linear layer after the last pooling."""

from __future__ import annotations

import torch
from torch import nn

from foldtiny.zoo.layers import conv_bn_relu, widened

# Simonyan & Zisserman (2015), configuration A; None halves the image.
_CONFIGURATION_A = (64, None, 128, None, 256, 256, None, 512, 512, None, 512, 512, None)


class VGG11BN(nn.Module):
    """Eight 3x3 convolutions with BatchNorm and five poolings, then one linear layer.

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
        layers: list[nn.Module] = []
        inputs = in_channels
        for channels in _CONFIGURATION_A:
            if channels is None:
                layers.append(nn.MaxPool2d(2))
            else:
                outputs = widened(channels, width)
                layers += conv_bn_relu(inputs, outputs, 3, padding=1)
                inputs = outputs
        self.features = nn.Sequential(*layers)
        self.flatten = nn.Flatten()
        self.classifier = nn.Linear(inputs, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits ``[N, classes]`` for images ``[N, in_channels, 32, 32]``."""
        return self.classifier(self.flatten(self.features(images)))
