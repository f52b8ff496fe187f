"""Deciding whether a group is right, by trying it: plan, check, only then mutate.

The network is filled with random weights, channels of the groups are made duplicates of each other and folded away. If
that leaves the outputs as they were, the group's indices are right *and* nothing between its producers and its
consumers mixes channels (a softmax, a reshape that interleaves them, a hard-coded size). If not, the group is left
alone. This makes tracing errors harmless: they cost a group, never a wrong network.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from foldtiny.fold.groups import CONVOLUTIONS, NORMS, Group, IntArray
from foldtiny.fold.merge import apply, mean_sum, replace, rescale, shifted
from foldtiny.fold.report import SkippedGroup
from foldtiny.fold.trace import INPUT, tensors

#: Relative difference of outputs that double and single precision rounding stays far below.
_TOLERANCE = {torch.float64: 1e-8, torch.float32: 2e-3}


def verify(
    model: nn.Module, inputs: tuple[Any, ...], groups: Sequence[Group], seed: int
) -> tuple[tuple[Group, ...], tuple[SkippedGroup, ...]]:
    """Split groups into those that fold exactly when their channels are duplicates, and the rest with reasons.

    Parameters
    ----------
    model : nn.Module
        A working copy; not changed.
    inputs : tuple
        Its arguments; floating-point tensors are replaced by noise.
    groups : sequence of Group
    seed : int
    """
    probe, noise = _probe(model, inputs, seed)
    reasons: dict[str, str] = {}
    _search(
        lambda some: _try(probe, noise, some, seed), [group for group in groups if group.width > group.unit], reasons
    )
    good = tuple(group for group in groups if group.name not in reasons)
    bad = tuple(SkippedGroup(group.name, reasons[group.name]) for group in groups if group.name in reasons)
    return good, bad


def homogeneous(model: nn.Module, inputs: tuple[Any, ...], groups: Sequence[Group], seed: int) -> frozenset[str]:
    """Return the names of the groups whose channels can be scaled by any positive factors without any effect.

    Parameters are as for `verify`; the groups must have passed it.
    """
    probe, noise = _probe(model, inputs, seed)
    reasons: dict[str, str] = {}
    _search(lambda some: _try_scaling(probe, noise, some, seed), list(groups), reasons)
    return frozenset(group.name for group in groups if group.name not in reasons)


def _probe(model: nn.Module, inputs: tuple[Any, ...], seed: int) -> tuple[nn.Module, tuple[Any, ...]]:
    """Return a copy with random weights, and noise for it."""
    generator = torch.Generator().manual_seed(seed)
    probe = copy.deepcopy(model)
    with torch.no_grad():
        randomise(probe, generator)
    noise = tuple(
        torch.randn(value.shape, generator=generator, dtype=value.dtype)
        if isinstance(value, torch.Tensor) and value.is_floating_point()
        else value
        for value in inputs
    )
    return probe, noise


def _search(attempt: Callable[[list[Group]], str], groups: list[Group], reasons: dict[str, str]) -> None:
    """Find the groups that fail by halving: one pass where all is well."""
    if not groups:
        return
    reason = attempt(groups)
    if not reason:
        return
    if len(groups) == 1:
        reasons[groups[0].name] = reason
        return
    middle = len(groups) // 2
    _search(attempt, groups[:middle], reasons)
    _search(attempt, groups[middle:], reasons)
    rest = [group for group in groups if group.name not in reasons]
    if len(rest) == len(groups):  # each half is right alone, but not together: keep neither
        reasons.update((group.name, reason) for group in groups)


def _try(probe: nn.Module, inputs: tuple[Any, ...], groups: list[Group], seed: int) -> str:
    """Return why duplicates in some groups do not fold away exactly, or nothing."""
    rng = np.random.default_rng(seed)
    twins = copy.deepcopy(probe)
    plans = [(group, uneven_classes(group.blocks, rng)) for group in groups]
    try:
        with torch.no_grad():
            for group, labels in plans:
                duplicate(twins, group, labels)
            before = tensors(twins(*inputs))
            waiting = groups
            for _, labels in plans:
                merge = mean_sum(labels)
                apply(twins, waiting[0], merge)
                waiting = shifted(waiting[1:], waiting[0], merge)
            after = tensors(twins(*inputs))
    except Exception as error:
        if len(groups) == 1 and INPUT in groups[0].operators:
            return _mixed(groups[0])
        text = (str(error).strip().splitlines() or [""])[0]
        return f"the network does not run with fewer of these channels ({type(error).__name__}: {text})"
    if [t.shape for t in before] != [t.shape for t in after]:
        return "its channels are an output of the network"
    return "" if _same(before, after) else _mixed(groups[0])


def _try_scaling(probe: nn.Module, inputs: tuple[Any, ...], groups: list[Group], seed: int) -> str:
    rng = np.random.default_rng(seed)
    twin = copy.deepcopy(probe)
    with torch.no_grad():
        before = tensors(twin(*inputs))
        for group in groups:
            rescale(twin, group, np.exp(rng.uniform(-0.7, 0.7, group.width)))
        after = tensors(twin(*inputs))
    return "" if _same(before, after) else "scaling its channels has an effect"


def _same(before: list[torch.Tensor], after: list[torch.Tensor]) -> bool:
    for old, new in zip(before, after, strict=True):
        scale = float(old.abs().max()) if old.numel() else 0.0
        difference = float((old - new).abs().max()) if old.numel() else 0.0
        if not math.isfinite(scale) or difference > _TOLERANCE.get(old.dtype, 0.0) * (scale + 1e-30):
            return False
    return True


def _mixed(group: Group) -> str:
    if INPUT in group.operators:
        return "its channels are tied to those of the network's input"
    return f"something on its way mixes channels (one of {', '.join(group.operators) or 'its layers'})"


def uneven_classes(blocks: IntArray, rng: np.random.Generator) -> IntArray:
    """Return random class labels for a group's channels: in each block two thirds as many classes as channels.

    The multiplicities differ, so that an average over channels is found out.
    """
    labels = np.zeros(blocks.size, dtype=np.int64)
    for number, block in enumerate(np.unique(blocks)):
        channels = np.flatnonzero(blocks == block)
        classes = max(1, min(channels.size - 1, math.ceil(channels.size * 2 / 3)))
        own = np.concatenate([np.arange(classes), rng.integers(0, classes, channels.size - classes)])
        labels[channels] = rng.permutation(own) + number * blocks.size
    return labels


def duplicate(model: nn.Module, group: Group, labels: IntArray) -> None:
    """Make a group's channels equal within each class, in place: the first of a class is copied over the others."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    source = first[inverse.reshape(-1)]
    for member in group.members:
        if member.role == "in":
            continue
        module = model.get_submodule(member.layer)
        for name in ("weight", "bias", "running_mean", "running_var"):
            value = getattr(module, name, None)
            if value is None or (isinstance(module, nn.PReLU) and module.num_parameters == 1):
                continue
            copied = value.detach().clone()
            copied[torch.from_numpy(member.positions)] = value.detach()[torch.from_numpy(member.positions[source])]
            replace(module, name, copied)


def randomise(model: nn.Module, generator: torch.Generator) -> None:
    """Fill a network with random weights that keep activations alive at any depth."""

    def normal(tensor: torch.Tensor, mean: float, deviation: float) -> None:
        noise = torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
        tensor.copy_(noise.to(tensor.dtype) * deviation + mean)

    for module in model.modules():
        if isinstance(module, (*CONVOLUTIONS, nn.Linear)) and isinstance(module.weight, nn.Parameter):
            normal(module.weight, 0.0, math.sqrt(2.0 / max(1, module.weight[0].numel())))
            if module.bias is not None:
                normal(module.bias, 0.0, 0.3)
        elif isinstance(module, NORMS):
            for tensor, mean in ((module.weight, 1.0), (module.bias, 0.0), (module.running_mean, 0.0)):
                if tensor is not None:
                    normal(tensor, mean, 0.2)
            if module.running_var is not None:
                normal(module.running_var, 1.0, 0.1)
                module.running_var.clamp_(min=0.5)
        else:
            for parameter in module.parameters(recurse=False):
                if parameter.is_floating_point():
                    noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
                    parameter.add_(noise.to(parameter.dtype) * 0.1)
