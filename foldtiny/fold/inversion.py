"""Deep inversion: images made from a trained network alone (Yin et al., 2020).

Images are optimised until the dense network's BatchNorm layers see the statistics that they have stored, under total
variation and L2 priors, each image for one class. They start as dead leaves, which saves most of the iterations.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional as F

from foldtiny.fold.groups import NORMS
from foldtiny.fold.trace import tensors

_RATE = 0.05
#: Weights of the statistics, class, total variation and L2 terms.
_STATISTICS, _CLASS, _VARIATION, _LENGTH = 1.0, 0.1, 0.05, 1e-3
#: Weight of the total variation beside the class alone, where no statistics keep the images smooth.
_VARIATION_ALONE = 20.0


def invert(
    model: nn.Module,
    images: npt.NDArray[np.float32],
    *,
    steps: int = 60,
    progress: Callable[[str, float], None] | None = None,
) -> torch.Tensor:
    """Change a batch of images until a network sees in them what it was trained on.

    Parameters
    ----------
    model : nn.Module
        Not changed. Without BatchNorms there are no statistics to match, and the classes decide.
    images : float32 array [N, C, H, W]
        What to start from.
    steps : int
        Iterations of Adam.
    progress : callable, optional
        Called with a label and a fraction in [0, 1].

    Returns
    -------
    Tensor
        float32 in [0, 1].
    """
    network = copy.deepcopy(model).float().eval()
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    losses: list[torch.Tensor] = []
    handles = [m.register_forward_hook(_hook(losses)) for m in network.modules() if isinstance(m, NORMS)]
    made = torch.from_numpy(images.copy()).requires_grad_()
    first, second = torch.zeros_like(made), torch.zeros_like(made)
    try:
        with torch.enable_grad():
            for step in range(steps):
                losses.clear()
                logits = tensors(network(made))[0]
                loss = _STATISTICS * sum(losses) / max(1, len(losses)) + _priors(made, logits, bool(losses))
                (gradient,) = torch.autograd.grad(loss, made)
                with torch.no_grad():
                    # Adam by hand: importing torch.optim takes longer than a small network takes to fold.
                    first.lerp_(gradient, 0.1)
                    second.lerp_(gradient.square(), 0.001)
                    size = (second / (1 - 0.999 ** (step + 1))).sqrt_().add_(1e-8)
                    made.sub_(first / size, alpha=_RATE / (1 - 0.9 ** (step + 1))).clamp_(0, 1)
                if progress:
                    progress("invert", (step + 1) / steps)
    finally:
        for handle in handles:
            handle.remove()
    return made.detach()


def _hook(losses: list[torch.Tensor]) -> Any:
    def hook(norm: nn.Module, arguments: tuple[torch.Tensor, ...], _: torch.Tensor) -> None:
        assert isinstance(norm, NORMS)
        if norm.running_mean is None or norm.running_var is None:
            return
        value = arguments[0]
        axes = [axis for axis in range(value.ndim) if axis != 1]
        mean, variance = value.mean(axes), value.var(axes, correction=0)
        # In units of the stored deviation, so that all layers count alike.
        deviation = (norm.running_var + norm.eps).sqrt()
        shift = ((mean - norm.running_mean) / deviation).square().mean()
        losses.append(shift + ((variance + norm.eps).sqrt() / deviation - 1).square().mean())

    return hook


def _priors(images: torch.Tensor, logits: torch.Tensor, statistics: bool) -> torch.Tensor:
    of_class, variation = (_CLASS, _VARIATION) if statistics else (1.0, _VARIATION_ALONE)
    loss = _LENGTH * images.square().mean()
    if images.ndim == 4:
        loss = loss + variation * (images.diff(dim=2).square().mean() + images.diff(dim=3).square().mean())
    if logits.ndim == 2 and logits.shape[1] > 1:
        labels = torch.arange(len(logits)) % logits.shape[1]
        loss = loss + of_class * F.cross_entropy(logits, labels, label_smoothing=0.1)
    return loss
