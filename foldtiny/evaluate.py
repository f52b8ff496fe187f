"""Top-1 accuracy of a torch network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from torch import nn


def accuracy(module: nn.Module, images: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]) -> float:
    """Return the fraction of images whose largest logit is at the label.

    Parameters
    ----------
    module : nn.Module
        Takes float32 [N, C, H, W], returns logits [N, classes]. Evaluated in eval mode; its own mode is restored.
    images : float32 array [N, C, H, W]
    labels : int64 array [N]
    """
    import torch

    was_training = module.training
    module.eval()
    hits = 0
    try:
        with torch.inference_mode():
            for start in range(0, len(images), 250):
                logits = module(torch.from_numpy(images[start : start + 250]))
                hits += int((logits.argmax(1).numpy() == labels[start : start + 250]).sum())
    finally:
        module.train(was_training)
    return hits / len(images)
