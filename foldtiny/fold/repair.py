"""Repairing a folded network: averaged channels vary less than the channels they stand for.

``ar``    Fold-AR, no data: the shrinkage is estimated from the weights and undone in the BatchNorm.
``dir``   Fold-DIR, no data: BatchNorm statistics are measured again on images inverted from the dense network.
``data``  Fold-R: the same on real images.
``ls``    Each consumer's weights are solved for by ridge least squares, layer by layer, so that what it computes from
          its folded input is what it computed before, on real images where there are any and on synthetic ones, with
          a stronger pull towards the weights that folding found, where there are none. On real images, BatchNorm
          statistics are measured again after.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from foldtiny.fold.groups import NORMS, Group
from foldtiny.fold.merge import Matrix, Merge, replace, weight_of
from foldtiny.fold.rows import effective

REPAIRS = ("none", "ar", "dir", "data", "ls")
#: Repairs that need the user's images.
NEED_IMAGES = ("data",)

_BATCH = 64
#: Pull of least squares towards the weights that folding found, in units of the mean feature variance.
STRENGTH_REAL, STRENGTH_SYNTHETIC = 0.3, 1.0
#: Positions of a feature map that a least-squares fit looks at, per image.
_POSITIONS = 64


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


def least_squares(
    dense: nn.Module,
    folded: nn.Module,
    layers: tuple[str, ...],
    outputs: dict[str, Matrix],
    images: torch.Tensor,
    *,
    strength: float,
    seed: int = 0,
) -> None:
    """Fit the consumers of folded groups to what they computed in the dense network, in place, first to last.

    Parameters
    ----------
    dense, folded : nn.Module
        In single precision, in eval mode.
    layers : tuple of str
        The consumers in running order; convolutions in groups are left alone.
    outputs : dict
        Per layer whose outputs were folded, the matrix [kept, dense outputs] that says how.
    images : Tensor [N, ...]
    strength : float
        Of the pull towards the weights that folding found, in units of the mean feature variance.
    """
    for name in layers:
        layer = folded.get_submodule(name)
        if not _solvable(layer):
            continue
        rng = torch.Generator().manual_seed(seed)
        sums = _Sums()
        for part in _batches(images):
            with torch.no_grad():
                target = _captured(dense, name, part, output=True)
                features = _captured(folded, name, part, output=False)
            rows, columns = _unfolded(layer, features, target, rng)
            sums.add(rows, columns)
        mapping = outputs.get(name)
        _solve(layer, sums, None if mapping is None else torch.from_numpy(mapping), strength)


def _solvable(layer: nn.Module) -> bool:
    if isinstance(layer, nn.Linear):
        return True
    return isinstance(layer, nn.Conv2d) and layer.groups == 1 and layer.padding_mode == "zeros"


class _Sums:
    """First and second moments of features and targets, added up batch by batch."""

    def __init__(self) -> None:
        self.count = 0
        self.x = self.y = self.xx = self.xy = torch.zeros(())

    def add(self, features: torch.Tensor, target: torch.Tensor) -> None:
        self.count += len(features)
        features, target = features.double(), target.double()
        self.x, self.y = self.x + features.sum(0), self.y + target.sum(0)
        self.xx, self.xy = self.xx + features.T @ features, self.xy + features.T @ target


def _captured(network: nn.Module, name: str, images: torch.Tensor, *, output: bool) -> torch.Tensor:
    """Return what a layer reads or computes (the last time it runs)."""
    held: list[torch.Tensor] = []
    handle = network.get_submodule(name).register_forward_hook(lambda _, a, y: held.append(y if output else a[0]))
    try:
        network(images)
    finally:
        handle.remove()
    return held[-1].detach()


def _unfolded(
    layer: nn.Module, features: torch.Tensor, target: torch.Tensor, rng: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return features [M, inputs x kernel] and targets [M, outputs] at some positions."""
    if isinstance(layer, nn.Linear):
        return features.reshape(-1, features.shape[-1]), target.reshape(-1, target.shape[-1])
    assert isinstance(layer, nn.Conv2d)
    padding = layer.padding
    if isinstance(padding, str):  # "same" pads more at the end where the kernel is even
        spans = [
            d * (k - 1) if padding == "same" else 0 for d, k in zip(layer.dilation, layer.kernel_size, strict=True)
        ]
        features = F.pad(features, (spans[1] // 2, spans[1] - spans[1] // 2, spans[0] // 2, spans[0] - spans[0] // 2))
        padding = (0, 0)
    patches = F.unfold(features, layer.kernel_size, layer.dilation, padding, layer.stride)
    chosen = torch.randperm(patches.shape[2], generator=rng)[:_POSITIONS]
    flat = patches[:, :, chosen].transpose(1, 2).reshape(-1, patches.shape[1])
    return flat, target.flatten(2)[:, :, chosen].transpose(1, 2).reshape(-1, target.shape[1])


def _solve(layer: nn.Module, sums: _Sums, mapping: torch.Tensor | None, strength: float) -> None:
    y = sums.y if mapping is None else mapping @ sums.y
    xy = sums.xy if mapping is None else sums.xy @ mapping.T
    x_mean, y_mean = sums.x / sums.count, y / sums.count
    xx, xy = sums.xx / sums.count, xy / sums.count
    bias = layer.bias
    if bias is not None:
        xx, xy = xx - torch.outer(x_mean, x_mean), xy - torch.outer(x_mean, y_mean)
    old = weight_of(layer)
    start = old.flatten(1).double()
    ridge = strength * float(xx.diagonal().mean()) + 1e-12
    # W = argmin |x W' - y|^2 + ridge |W - start|^2
    solved = torch.linalg.solve(xx + ridge * torch.eye(len(xx), dtype=xx.dtype), xy + ridge * start.T).T
    replace(layer, "weight", solved.reshape(old.shape).to(old.dtype).contiguous())
    if isinstance(bias, torch.Tensor):
        replace(layer, "bias", (y_mean - solved @ x_mean).to(bias.dtype))
