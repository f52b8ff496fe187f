"""Refitting a folded network to the dense one, layer by layer, on images: real ones where there are any.

Two things are refitted on the way through the network, each layer on what those before it have just got:

- the weights of layers that read folded channels, by ridge least squares, so that they compute what they did;
- the statistics of BatchNorms that normalise folded channels. Synthetic images have other statistics than those that
  a network was trained on, so both networks run on them and only the *change* is applied to the stored statistics:
  the difference of the means, in units of the deviation, and the ratio of the variances. Where folding changed
  nothing, nothing is changed.

One pass of each network is enough.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from foldtiny.fold.groups import NORMS
from foldtiny.fold.merge import Matrix, replace, weight_of

#: Pull of least squares towards the weights that folding found, in units of the mean feature variance.
STRENGTH_REAL, STRENGTH_SYNTHETIC = 0.3, 0.5
#: How much stronger the pull gets where there are as many weights as examples.
_SCARCITY = 10.0
#: Most images that a fit looks at, and most multiply-accumulates to spend on them.
_MOST, _WORK = 2048, 3e11
#: Squared relative error of a layer that counts as rounding in single precision.
_EXACT = 1e-9
#: Positions of a feature map that a least-squares fit looks at, per image.
_POSITIONS = 64


def most_images(macs: int) -> int:
    """Return how many images a fit looks at, given the multiply-accumulates of one (memory grows with both)."""
    return int(min(_MOST, max(32, _WORK / max(1, macs))))


def refit(
    dense: nn.Module,
    folded: nn.Module,
    outputs: Mapping[str, Matrix],
    inputs: tuple[Any, ...],
    *,
    layers: tuple[str, ...] = (),
    strength: float = STRENGTH_SYNTHETIC,
    seed: int = 0,
) -> None:
    """Fit a folded network to the dense one, in place, first layer to last.

    Parameters
    ----------
    dense, folded : nn.Module
        In single precision, in eval mode.
    outputs : mapping
        Per layer whose outputs were folded, the matrix [kept, dense outputs] that says how.
    inputs : tuple
        Arguments of both networks, as many images as memory is there for.
    layers : tuple of str
        The layers whose weights are solved for; convolutions in groups are left alone.
    strength : float
        Of the pull towards the weights that folding found, in units of the mean feature variance.
    """
    seen: dict[str, Any] = {}
    before, during = [], []
    for name in (name for name in layers if _solvable(folded.get_submodule(name))):
        before.append(dense.get_submodule(name).register_forward_hook(_note_outputs(name, seen, seed)))
        during.append(folded.get_submodule(name).register_forward_pre_hook(_fit(name, seen, outputs, strength, seed)))
    for name in (name for name in outputs if _has_statistics(folded.get_submodule(name))):
        before.append(dense.get_submodule(name).register_forward_pre_hook(_note_change(name, seen)))
        during.append(folded.get_submodule(name).register_forward_pre_hook(_follow(name, seen, outputs[name])))
    try:
        with torch.no_grad():
            dense(*inputs)
            folded(*inputs)
    finally:
        for handle in before + during:
            handle.remove()


def _note_outputs(name: str, seen: dict[str, Any], seed: int) -> Any:
    def hook(layer: nn.Module, _: Any, output: torch.Tensor) -> None:
        if name not in seen:
            seen[name] = _chosen(layer, output, seed)

    return hook


def _fit(name: str, seen: dict[str, Any], outputs: Mapping[str, Matrix], strength: float, seed: int) -> Any:
    def hook(layer: nn.Module, arguments: tuple[torch.Tensor, ...]) -> None:
        if name not in seen:
            return  # a shared layer runs again
        target = seen.pop(name)
        if name in outputs:
            target = target @ torch.from_numpy(outputs[name]).to(target.dtype).T
        _solve(layer, _patches(layer, arguments[0], seed), target, strength)

    return hook


def _has_statistics(module: nn.Module) -> bool:
    return isinstance(module, NORMS) and module.running_mean is not None


def _statistics(value: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    axes = [axis for axis in range(value.ndim) if axis != 1]
    variance, mean = torch.var_mean(value.double(), axes, correction=0)
    return mean, variance


def _note_change(name: str, seen: dict[str, Any]) -> Any:
    def hook(norm: nn.Module, arguments: tuple[torch.Tensor, ...]) -> None:
        assert isinstance(norm, NORMS) and norm.running_mean is not None and norm.running_var is not None
        if name not in seen:
            mean, variance = _statistics(arguments[0])
            ratio = (norm.running_var.double() + norm.eps) / (variance + norm.eps)
            seen[name] = ((norm.running_mean.double() - mean) / (variance + norm.eps).sqrt(), ratio.log())

    return hook


def _follow(name: str, seen: dict[str, Any], mapping: Matrix) -> Any:
    def hook(norm: nn.Module, arguments: tuple[torch.Tensor, ...]) -> None:
        if name not in seen:
            return
        assert isinstance(norm, NORMS) and norm.running_mean is not None and norm.running_var is not None
        matrix = torch.from_numpy(mapping)
        shift, ratio = seen.pop(name)
        shift, ratio = matrix @ shift, (matrix.abs() / matrix.abs().sum(1, keepdim=True)) @ ratio
        mean, variance = _statistics(arguments[0])
        # What varies less than before is off by less, too.
        shift = shift * (variance + norm.eps).sqrt()
        new = ((variance + norm.eps) * ratio.exp() - norm.eps).clamp_min(0.0)
        replace(norm, "running_mean", (mean + shift).to(norm.running_mean.dtype))
        replace(norm, "running_var", new.to(norm.running_var.dtype))

    return hook


def _solvable(layer: nn.Module) -> bool:
    if isinstance(layer, nn.Linear):
        return True
    return isinstance(layer, nn.Conv2d) and layer.groups == 1 and layer.padding_mode == "zeros"


def _places(height: int, width: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return rows and columns of the positions of a map that are looked at."""
    chosen = torch.randperm(height * width, generator=torch.Generator().manual_seed(seed))[:_POSITIONS].sort().values
    return chosen // width, chosen % width


def _chosen(layer: nn.Module, output: torch.Tensor, seed: int) -> torch.Tensor:
    """Return what a layer computes at some positions: [M, outputs]."""
    if isinstance(layer, nn.Linear):
        return output.reshape(-1, output.shape[-1]).clone()
    rows, columns = _places(output.shape[2], output.shape[3], seed)
    return output[:, :, rows, columns].transpose(1, 2).reshape(-1, output.shape[1])


def _patches(layer: nn.Module, features: torch.Tensor, seed: int) -> torch.Tensor:
    """Return what a layer reads for each of `_chosen`: [M, inputs x kernel]."""
    if isinstance(layer, nn.Linear):
        return features.reshape(-1, features.shape[-1])
    assert isinstance(layer, nn.Conv2d)
    spans = [d * (k - 1) for d, k in zip(layer.dilation, layer.kernel_size, strict=True)]
    if layer.padding == "same":  # pads more at the end where the kernel is even
        before = [span // 2 for span in spans]
        after = [span - half for span, half in zip(spans, before, strict=True)]
    else:
        before = after = [0, 0] if isinstance(layer.padding, str) else [int(p) for p in layer.padding]
    padded = F.pad(features, (before[1], after[1], before[0], after[0]))
    height, width = ((n - s - 1) // t + 1 for n, s, t in zip(padded.shape[2:], spans, layer.stride, strict=True))
    rows, columns = _places(height, width, seed)
    taps = [
        padded[:, :, rows * layer.stride[0] + y * layer.dilation[0], columns * layer.stride[1] + x * layer.dilation[1]]
        for y in range(layer.kernel_size[0])
        for x in range(layer.kernel_size[1])
    ]
    stacked = torch.stack(taps, 2)  # [N, inputs, kernel, positions]
    return stacked.permute(0, 3, 1, 2).reshape(-1, stacked.shape[1] * stacked.shape[2])


def _solve(layer: nn.Module, features: torch.Tensor, target: torch.Tensor, strength: float) -> None:
    """Move a layer's weights to W = argmin |X W' - Y|^2 / M + ridge |W - start|^2, unless it computes Y already.

    Only small systems are in double precision: X is long, and the pull keeps them well conditioned.
    """
    old, bias = weight_of(layer), layer.bias
    start = old.flatten(1).to(features.dtype)
    x_mean, y_mean = features.mean(0), target.mean(0)
    if bias is None:
        x_mean, y_mean = torch.zeros_like(x_mean), torch.zeros_like(y_mean)
    features = features - x_mean
    missing = target - y_mean - features @ start.T
    off = missing if bias is None else missing + (y_mean - start @ x_mean - bias.detach())  # type: ignore[operator]
    if float(off.square().mean()) <= _EXACT * float(target.square().mean()):
        return
    count, size = features.shape
    few = 1.0 + _SCARCITY * size / count  # with fewer examples for each weight, they are to be believed less
    ridge = count * (strength * few * float(features.square().mean()) + 1e-12)
    if size <= count:
        moments = (features.T @ features).double() + ridge * torch.eye(size, dtype=torch.float64)
        step = torch.linalg.solve(moments, (features.T @ missing).double())
    else:  # the same by the smaller system
        moments = (features @ features.T).double() + ridge * torch.eye(count, dtype=torch.float64)
        step = features.T.double() @ torch.linalg.solve(moments, missing.double())
    solved = start.double() + step.T
    replace(layer, "weight", solved.reshape(old.shape).to(old.dtype).contiguous())
    if isinstance(bias, torch.Tensor):
        replace(layer, "bias", (y_mean - solved @ x_mean.double()).to(bias.dtype))
