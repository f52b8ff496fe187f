"""LeNet5, twice as wide by default: the network of the poster's Table 2."""

from __future__ import annotations

import torch
from torch import nn

from foldtiny.zoo.layers import widened


class LeNet5(nn.Module):
    """Two 5x5 convolutions without padding and three linear layers, for 32x32 images.

    At ``width=2`` the hidden widths are 16, 64, 512 and 256: 979,690 parameters.

    Parameters
    ----------
    in_channels : int
        Channels of the image.
    classes : int
        Number of logits.
    width : float
        Multiplier of the hidden widths 8, 32, 256 and 128.
    """

    def __init__(self, in_channels: int = 1, classes: int = 10, width: float = 2) -> None:
        super().__init__()
        first, second, third, fourth = (widened(channels, width) for channels in (8, 32, 256, 128))
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, first, 5),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(first, second, 5),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        self.flatten = nn.Flatten()
        self.classifier = nn.Sequential(
            nn.Linear(second * 5 * 5, third),
            nn.ReLU(),
            nn.Linear(third, fourth),
            nn.ReLU(),
            nn.Linear(fourth, classes),
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits ``[N, classes]`` for images ``[N, in_channels, 32, 32]``."""
        return self.classifier(self.flatten(self.features(images)))
