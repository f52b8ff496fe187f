"""DenseNet-BC of 40 layers and growth 12, the smallest of its family for 32x32 images."""

from __future__ import annotations

import torch
from torch import nn

from foldtiny.zoo.layers import widened

_BLOCKS, _LAYERS = 3, 6


class DenseLayer(nn.Module):
    """BatchNorm, ReLU and a 1x1 convolution, then the same with a 3x3; its channels are added to those it got."""

    def __init__(self, inputs: int, growth: int) -> None:
        super().__init__()
        middle = 4 * growth
        self.body = nn.Sequential(
            nn.BatchNorm2d(inputs),
            nn.ReLU(),
            nn.Conv2d(inputs, middle, 1, bias=False),
            nn.BatchNorm2d(middle),
            nn.ReLU(),
            nn.Conv2d(middle, growth, 3, padding=1, bias=False),
        )

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return the features and the new ones, concatenated."""
        return torch.cat([features, self.body(features)], 1)


class DenseNet(nn.Module):
    """Three dense blocks of six layers with transitions that halve the channels and the map (Huang et al., 2017).

    Parameters
    ----------
    in_channels : int
        Channels of the image.
    classes : int
        Number of logits.
    width : float
        Multiplier of the growth, 12 channels a layer, and of everything that follows from it.
    """

    def __init__(self, in_channels: int = 3, classes: int = 10, width: float = 1) -> None:
        super().__init__()
        growth = widened(12, width)
        channels = 2 * growth
        self.stem = nn.Conv2d(in_channels, channels, 3, padding=1, bias=False)
        layers: list[nn.Module] = []
        for block in range(_BLOCKS):
            for _ in range(_LAYERS):
                layers.append(DenseLayer(channels, growth))
                channels += growth
            layers += [nn.BatchNorm2d(channels), nn.ReLU()]
            if block < _BLOCKS - 1:
                layers += [nn.Conv2d(channels, channels // 2, 1, bias=False), nn.AvgPool2d(2)]
                channels //= 2
        self.blocks = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classifier = nn.Linear(channels, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits ``[N, classes]`` for images ``[N, in_channels, H, W]``."""
        return self.classifier(self.flatten(self.pool(self.blocks(self.stem(images)))))
