"""Repairing a folded network: averaged channels vary less than the channels they stand for.

``ar``    Fold-AR, no data: the shrinkage is estimated from the weights and undone in the BatchNorm.
``dir``   Fold-DIR, no data: what folding changes in the BatchNorm statistics is measured on images inverted from the
          dense network (`refit.py`, `inversion.py`).
``data``  Fold-R: the statistics are measured again on real images.
``ls``    What reads folded channels is fitted (`refit.py`), on real images where there are any and on synthetic ones
          where there are none; on real images, statistics are measured again after.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from foldtiny.fold.groups import NORMS, Group
from foldtiny.fold.merge import Matrix, Merge, replace, weight_of
from foldtiny.fold.rows import effective

REPAIRS = ("none", "ar", "dir", "data", "ls")
#: Repairs that need the user's images.
NEED_IMAGES = ("data",)

_BATCH = 64


def absorb(model: nn.Module, group: Group, merge: Merge) -> None:
    """Prepare a group for folding with Fold-AR, in place.

    Each BatchNorm is fused into the convolution before it and becomes a fresh one (variance 1), whose weight undoes
    the loss of variance of averaging: with q the weights of the average and C the correlations of its channels,
    estimated as the cosines of their filters, the standard deviation falls from ``q . s`` to ``sqrt(s q C q s)``. For
    n equal weights and standard deviations this is the poster's ``sqrt(n / (1 + (n - 1) E[c]))``.
    """
    for member in group.having("out") + group.having("through"):
        norm = model.get_submodule(group.norms.get(member.layer, "")) if member.layer in group.norms else None
        if not isinstance(norm, NORMS) or norm.running_var is None or not norm.affine or member.positions.shape[1] != 1:
            continue
        filters = effective(model, group, member)[:, :-1]
        places = torch.from_numpy(member.positions[:, 0])
        layer = model.get_submodule(member.layer)
        factor = torch.ones_like(norm.running_var)
        factor[places] = (norm.weight.detach() * (norm.running_var + norm.eps).rsqrt())[places]
        weight = weight_of(layer)
        replace(layer, "weight", weight * factor.reshape(-1, *[1] * (weight.ndim - 1)))
        if isinstance(layer.bias, torch.Tensor):
            replace(layer, "bias", layer.bias.detach() * factor)
        assert norm.running_mean is not None
        deviation = np.abs(norm.weight.detach().double().numpy()[member.positions[:, 0]])
        replace(norm, "running_mean", norm.running_mean * factor)
        gain = torch.from_numpy(_gains(filters, deviation, merge)).to(weight.dtype)
        variance, scale = norm.running_var.clone(), norm.weight.detach().clone()
        variance[places], scale[places] = 1.0 - norm.eps, gain
        replace(norm, "running_var", variance)
        replace(norm, "weight", scale)


def _gains(filters: Matrix, deviation: Matrix, merge: Merge) -> Matrix:
    """Return for each channel by how much the average that it goes into must be stretched: [n]."""
    length = np.linalg.norm(filters, axis=1)
    unit = filters / np.maximum(length, 1e-300)[:, None]
    average = merge.produce * deviation
    # q C q without forming C: the squared length of the average of the unit filters.
    after = np.linalg.norm(average @ unit, axis=1)
    before = np.abs(average).sum(1)
    gain = np.where(after > 1e-6 * before, before / np.maximum(after, 1e-300), 1.0)
    member_of = np.argmax(merge.produce != 0, axis=0)
    return np.asarray(np.where((merge.produce != 0).any(0), gain[member_of], 1.0))


def has_norms(model: nn.Module) -> bool:
    """Whether a network has BatchNorm statistics to repair."""
    return any(isinstance(module, NORMS) and module.running_mean is not None for module in model.modules())


def recalibrate(model: nn.Module, images: torch.Tensor) -> None:
    """Measure a network's BatchNorm statistics again on images [N, ...], in place."""
    norms = [m for m in model.modules() if isinstance(m, NORMS) and m.running_mean is not None]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain average over batches
        norm.train()
    with torch.no_grad():
        for part in _batches(images):
            model(part)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        norm.eval()


def _batches(images: torch.Tensor) -> list[torch.Tensor]:
    """Cut images into batches of nearly equal size (each counts alike in the statistics)."""
    return list(images.tensor_split(max(1, len(images) // _BATCH)))
