"""DS-CNN, the keyword spotter of MLPerf Tiny."""

from __future__ import annotations

import torch
from torch import nn

from foldtiny.zoo.layers import conv_bn_relu, separable, widened


class DSCNN(nn.Module):
    """A 10x4 convolution of stride 2 and four separable blocks of 64 channels, then global average pooling.

    Parameters
    ----------
    in_channels : int
        Channels of the spectrogram.
    classes : int
        Number of logits.
    width : float
        Multiplier of the hidden width.
    """

    def __init__(self, in_channels: int = 1, classes: int = 12, width: float = 1) -> None:
        super().__init__()
        channels = widened(64, width)
        # Padding 5 and 1 give the 25x5 map of the Keras original, whose "same" padding is 4 + 5 and 1 + 1.
        self.stem = conv_bn_relu(in_channels, channels, (10, 4), stride=2, padding=(5, 1))
        self.dropout = nn.Dropout(0.2)
        self.blocks = nn.Sequential(*(separable(channels, channels) for _ in range(4)))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classifier = nn.Linear(channels, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits ``[N, classes]`` for spectrograms ``[N, in_channels, 49, 10]`` (time, frequency)."""
        return self.classifier(self.flatten(self.pool(self.blocks(self.dropout(self.stem(images))))))
