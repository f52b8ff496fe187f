"""Networks for the fold tests, and the widening that folding must undo."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from foldtiny.fold.groups import Group


class Residual(nn.Module):
    def __init__(self, body: nn.Module, *, concat: bool = False) -> None:
        super().__init__()
        self.body, self.concat = body, concat

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.body(x)
        return torch.cat([x, y], 1) if self.concat else F.relu(x + y)


class Shared(nn.Module):
    """One convolution (and BatchNorm) used twice in a row."""

    def __init__(self, width: int, norm: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)
        self.norm = nn.BatchNorm2d(width) if norm else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for _ in range(2):
            x = F.relu(self.norm(self.conv(x)))
        return x


class Twice(nn.Module):
    """Reads the same channels at two places of its input."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([x, F.max_pool2d(x, 3, 1, 1)], 1)


def unit(inputs: int, outputs: int, *, norm: bool, groups: int = 1, act: nn.Module | None = None) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Conv2d(inputs, outputs, 3, padding=1, groups=groups, bias=not norm)]
    if norm:
        layers.append(nn.BatchNorm2d(outputs))
    return nn.Sequential(*layers, act or nn.ReLU())


def random_net(rng: np.random.Generator) -> nn.Module:
    """A small random network of plain, residual, concatenating, depthwise, grouped and shared blocks."""
    norm = bool(rng.integers(2))
    width = int(rng.choice([4, 6, 8]))
    layers: list[nn.Module] = [unit(2, width, norm=norm)]
    for kind in rng.choice(["plain", "residual", "concat", "depthwise", "grouped", "shared", "twice", "prelu"], 3):
        if kind == "plain":
            new = int(rng.choice([4, 6, 8]))
            layers.append(unit(width, new, norm=norm))
            width = new
        elif kind == "residual":
            body = nn.Sequential(
                unit(width, width + 2, norm=norm), unit(width + 2, width, norm=norm, act=nn.Identity())
            )
            layers.append(Residual(body))
        elif kind == "concat":
            layers.append(Residual(unit(width, 4, norm=norm), concat=True))
            width += 4
        elif kind == "depthwise":
            layers.append(unit(width, width, norm=norm, groups=width, act=nn.ReLU6()))
            layers.append(nn.Conv2d(width, width, 1))
        elif kind == "grouped":
            layers += [nn.Conv2d(width, width, 1), unit(width, width, norm=norm, groups=2)]
        elif kind == "shared":
            layers.append(Shared(width, norm))
        elif kind == "twice":
            layers.append(Twice())
            width *= 2
        else:
            layers += [nn.Conv2d(width, width, 1), nn.PReLU(width)]
    if rng.integers(2):
        layers += [nn.MaxPool2d(2), nn.Flatten(), nn.Linear(width * 9, 7), nn.ReLU(), nn.Linear(7, 3)]
    else:
        layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 3)]
    return nn.Sequential(*layers)


SMALL = (2, 2, 6, 6)

#: Positions [channels, slots] on an axis, and how many copies of each channel to have.
Share = tuple[np.ndarray, np.ndarray]


def shake(model: nn.Module, seed: int) -> nn.Module:
    """Give a network weights and BatchNorm statistics at random, as if trained; return it in eval mode."""
    generator = torch.Generator().manual_seed(seed)

    def noise(tensor: torch.Tensor, scale: float, mean: float = 0.0) -> None:
        tensor.copy_(torch.randn(tensor.shape, generator=generator) * scale + mean)

    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                noise(module.weight, math.sqrt(2 / module.weight[0].numel()))
                if module.bias is not None:
                    noise(module.bias, 0.2)
            elif isinstance(module, nn.BatchNorm2d):
                noise(module.weight, 0.2, 1.0)
                noise(module.bias, 0.2)
                noise(module.running_mean, 0.2)
                noise(module.running_var, 0.1, 1.0)
                module.running_var.clamp_(min=0.5)
            elif isinstance(module, nn.PReLU):
                noise(module.weight, 0.1, 0.2)
    return model.eval()


def widen(model: nn.Module, groups: Iterable[Group], rng: np.random.Generator) -> nn.Module:
    """Duplicate channels of some groups at random; what reads a duplicated channel is split at random.

    The result computes what ``model`` does, with more channels: an independent inverse of folding (it inserts copies
    beside their originals, whereas folding indexes, averages and sums).
    """
    wide = copy.deepcopy(model)
    # All groups on an axis at once (concatenated channels shift each other), and all splits before all copies (a
    # split after a copy would tell the copies apart).
    axes: dict[tuple[bool, str], list[Share]] = {}
    for group in groups:
        copies = _copies(group, rng)
        for member in group.members:
            axes.setdefault((member.role != "in", member.layer), []).append((member.positions, copies))
    with torch.no_grad():
        for (outward, layer), shares in sorted(axes.items(), key=lambda item: item[0]):
            module = wide.get_submodule(layer)
            depthwise = isinstance(module, nn.Conv2d) and 1 < module.groups == module.in_channels
            if outward:
                for name in ("weight", "bias", "running_mean", "running_var"):
                    value = getattr(module, name, None)
                    if value is not None:
                        new = _insert(value, 0, shares, None)
                        setattr(module, name, nn.Parameter(new) if isinstance(value, nn.Parameter) else new)
            else:
                module.weight = nn.Parameter(_split_inputs(module, shares, rng))
            _resize(module, depthwise)
    return wide


def _split_inputs(module: nn.Module, shares: list[Share], rng: np.random.Generator) -> torch.Tensor:
    parts = module.groups if isinstance(module, nn.Conv2d) else 1
    if parts == 1:
        return _insert(module.weight, 1, shares, rng)
    ((positions, copies),) = shares
    per, pieces = module.weight.shape[1], []
    for number, block in enumerate(module.weight.chunk(parts, 0)):
        mine = positions[:, 0] // per == number
        pieces.append(_insert(block, 1, [(positions[mine] - number * per, copies[mine])], rng))
    return torch.cat(pieces, 0)


def _copies(group: Group, rng: np.random.Generator) -> np.ndarray:
    """Copies of each channel, at least one; every block of a grouped convolution grows alike."""
    copies = np.ones(group.width, dtype=int)
    extra = int(rng.integers(1, max(2, group.width // group.unit // 2 + 1)))
    for block in np.unique(group.blocks):
        np.add.at(copies, rng.choice(np.flatnonzero(group.blocks == block), extra), 1)
    return copies


def _resize(module: nn.Module, depthwise: bool) -> None:
    if isinstance(module, nn.Conv2d):
        if depthwise:
            module.groups = module.weight.shape[0]
        module.out_channels = module.weight.shape[0]
        module.in_channels = module.weight.shape[1] * module.groups
    elif isinstance(module, nn.Linear):
        module.out_features, module.in_features = module.weight.shape
    elif isinstance(module, nn.BatchNorm2d):
        module.num_features = module.running_mean.shape[0]
    elif isinstance(module, nn.PReLU):
        module.num_parameters = module.weight.shape[0]


def _insert(tensor: torch.Tensor, axis: int, shares: list[Share], rng: np.random.Generator | None) -> torch.Tensor:
    """Repeat runs of an axis: a channel's consecutive positions (a flattened map) are repeated as one run.

    With ``rng`` the repeats are random parts of the original that add up to it; without, copies.
    """
    runs: dict[int, tuple[int, int]] = {}
    for positions, copies in shares:
        for places, count in zip(positions.tolist(), copies.tolist(), strict=True):
            start = 0
            for end in range(1, len(places) + 1):
                if end == len(places) or places[end] != places[end - 1] + 1:
                    runs[places[start]] = (end - start, count)
                    start = end
    pieces, position = [], 0
    while position < tensor.shape[axis]:
        length, count = runs.get(position, (1, 1))
        piece = tensor.narrow(axis, position, length)
        if rng is None or count == 1:
            pieces += [piece] * count
        else:
            parts = [torch.from_numpy(rng.uniform(-1, 1, piece.shape)).to(piece.dtype) for _ in range(count - 1)]
            pieces += [piece * part for part in parts]
            pieces.append(piece * (1 - sum(parts)))
        position += length
    return torch.cat(pieces, axis)
