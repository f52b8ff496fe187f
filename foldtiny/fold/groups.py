"""What moves together: the channel groups of a network, found by tracing it.

A group is everything that must keep the same channel count: the output channels of its producers, the modules that
hold one parameter set per channel (BatchNorm, depthwise convolution, PReLU), and the matching input slices of every
consumer. torch-pruning's dependency graph says which channel of which module belongs together; this module turns that
into index arrays and refuses whatever it does not know. Whether a group is *right* is decided by `check.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from torch import nn
from torch.nn.utils import parametrize

from foldtiny.fold.report import SkippedGroup
from foldtiny.fold.trace import operator, trace

Role = Literal["out", "in", "through"]
IntArray = npt.NDArray[np.int64]

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
FOLDABLE = (*CONVOLUTIONS, nn.Linear, *NORMS, nn.PReLU)


@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """One module's share in a group.

    Attributes
    ----------
    layer : str
        The module's name.
    role : {"out", "in", "through"}
        The axis that the channels lie on; ``through`` is both at once (BatchNorm, depthwise convolution, PReLU).
    positions : int64 array [channels, slots]
        Where each channel lies on that axis. More than one slot: a flattened map (height x width slots a channel)
        or a channel that is read twice.
    """

    layer: str
    role: Role
    positions: IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Channels that are folded together.

    Attributes
    ----------
    name : str
        Name of the first producer.
    members : tuple of Member
    blocks : int64 array [channels]
        Channels of different blocks must not be merged, and all blocks keep equal widths (grouped convolutions).
    norms : dict of str to str
        The BatchNorm that directly follows a producer, by the producer's name.
    operators : tuple of str
        Autograd names of the parameterless operators between producers and consumers.
    """

    name: str
    members: tuple[Member, ...]
    blocks: IntArray
    norms: dict[str, str]
    operators: tuple[str, ...]

    @property
    def width(self) -> int:
        """Number of channels."""
        return int(self.blocks.size)

    @property
    def unit(self) -> int:
        """Widths are multiples of this (the number of blocks)."""
        return int(np.unique(self.blocks).size)

    def having(self, role: Role) -> tuple[Member, ...]:
        """Return the members with one role."""
        return tuple(member for member in self.members if member.role == role)

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of all modules in the group, producers first."""
        order: tuple[Role, ...] = ("out", "through", "in")
        return tuple(dict.fromkeys(member.layer for role in order for member in self.having(role)))


def is_depthwise(module: nn.Module) -> bool:
    """Whether a module is a convolution with one filter per channel."""
    return isinstance(module, CONVOLUTIONS) and 1 < module.groups == module.in_channels == module.out_channels


def find(
    model: nn.Module, inputs: tuple[Any, ...], order: tuple[str, ...]
) -> tuple[tuple[Group, ...], tuple[SkippedGroup, ...]]:
    """Trace a network and return its channel groups and those that cannot be folded.

    Parameters
    ----------
    model : nn.Module
        In eval mode, every parameter requiring gradients (the trace follows the autograd graph).
    inputs : tuple
        Arguments of ``model``.
    order : tuple of str
        Names of the modules in the order in which they run.

    Raises
    ------
    FoldError
        If the network cannot be traced.
    """
    graph = trace(model, inputs)
    modules = dict(model.named_modules())
    tied = _tied_layers(model)
    covered: dict[str, npt.NDArray[np.bool_]] = {}
    groups: list[Group] = []
    skipped: list[SkippedGroup] = []
    for name in order:
        module = modules[name]
        if not isinstance(module, (*CONVOLUTIONS, nn.Linear)):
            continue
        if module not in graph.module2node:
            skipped.append(SkippedGroup(name, "the outputs do not depend on it in a way that the trace can follow"))
            continue
        free = np.flatnonzero(~covered.setdefault(name, np.zeros(_width(module), dtype=bool)))
        for group, reason in _starting_at(graph, name, free, modules) if free.size else ():
            _cover(covered, group, modules)
            if not group.having("in") and not reason:
                continue  # the network's output
            reason = reason or _unfoldable(group, modules, tied)
            blocks, cut = (group.blocks, reason) if reason else _blocks(group, modules)
            if cut:
                skipped.append(SkippedGroup(name, cut))
            else:
                groups.append(replace(group, blocks=blocks))
    return _unique_names(groups), tuple(skipped)


def _cover(covered: dict[str, npt.NDArray[np.bool_]], group: Group, modules: dict[str, nn.Module]) -> None:
    """Note which output channels belong to a group."""
    for member in group.having("out") + group.having("through"):
        module = modules[member.layer]
        if isinstance(module, (*CONVOLUTIONS, nn.Linear)):
            axis = covered.setdefault(member.layer, np.zeros(_width(module), dtype=bool))
            places = member.positions.ravel()
            axis[places[places < axis.size]] = True


def _width(module: nn.Module, role: Role = "out") -> int:
    """Return the length of a foldable module's axis."""
    if isinstance(module, nn.Linear):
        return module.in_features if role == "in" else module.out_features
    if isinstance(module, CONVOLUTIONS):
        return int(module.in_channels if role == "in" else module.out_channels)
    return int(getattr(module, "num_features", 0) or getattr(module, "num_parameters", 0))


def _unique_names(groups: list[Group]) -> tuple[Group, ...]:
    """Number the groups that share a first producer (its channels are concatenated or sliced apart)."""
    seen: dict[str, int] = {}
    result = []
    for group in groups:
        count = seen[group.name] = seen.get(group.name, 0) + 1
        result.append(group if count == 1 else replace(group, name=f"{group.name}#{count}"))
    return tuple(result)


def _starting_at(
    graph: Any, name: str, channels: IntArray, modules: dict[str, nn.Module]
) -> Iterator[tuple[Group, str]]:
    """Yield the groups that start at some output channels of a module, each with why it cannot be folded, if so.

    Channels of one producer fall into several groups where a concatenation or a slice couples them differently.
    """
    module = modules[name]
    names = {module: layer for layer, module in modules.items()}
    pruner = graph.get_pruner_of_module(module)
    items = graph.get_pruning_group(module, pruner.prune_out_channels, channels.tolist())
    reason, operators = "", []
    axes: dict[tuple[str, Role], dict[int, list[int]]] = {}
    for item in items:
        target = item.dep.target.module
        if target not in names:
            reason = reason or _foreign(target)
            operators.append(operator(graph, item.dep.target))
            continue
        outward = graph.is_out_channel_pruning_fn(item.dep.handler)
        inward = graph.is_in_channel_pruning_fn(item.dep.handler)
        role: Role = "through" if outward and inward else "out" if outward else "in"
        axis = axes.setdefault((names[target], role), {})
        for position, root in zip(item.idxs, item.root_idxs, strict=True):
            axis.setdefault(root, []).append(position)
    signatures: dict[tuple[Any, ...], list[int]] = {}
    for channel in channels.tolist():
        signature = tuple((key, len(axis[channel])) for key, axis in axes.items() if channel in axis)
        signatures.setdefault(signature, []).append(channel)
    for signature, held in signatures.items():
        members = tuple(
            Member(layer, role, np.asarray([sorted(axes[layer, role][c]) for c in held], dtype=np.int64))
            for (layer, role), _ in signature
        )
        blocks = np.zeros(len(held), dtype=np.int64)
        yield Group(name, members, blocks, _norms(graph, members, modules), tuple(dict.fromkeys(operators))), reason


def _foreign(target: Any) -> str:
    """Return why a node outside the network's modules forbids folding, or nothing."""
    return "a parameter outside any layer works on its channels" if isinstance(target, nn.Parameter) else ""


def _tied_layers(model: nn.Module) -> frozenset[str]:
    """Return the layers that share a parameter tensor with another layer."""
    owners: dict[int, list[str]] = {}
    for name, module in model.named_modules():
        for parameter in module.parameters(recurse=False):
            owners.setdefault(id(parameter), []).append(name)
    return frozenset(name for layers in owners.values() if len(layers) > 1 for name in layers)


def _unfoldable(group: Group, modules: dict[str, nn.Module], tied: frozenset[str]) -> str:
    for member in group.members:
        module = modules[member.layer]
        kind = type(module).__name__
        if not isinstance(module, FOLDABLE):
            return f"{kind} '{member.layer}' cannot be folded"
        if member.positions.max() >= max(_width(module, member.role), 1) and not isinstance(module, nn.PReLU):
            return f"the trace cannot tell which of its channels {kind} '{member.layer}' reads"
        if member.layer in tied:
            return f"{kind} '{member.layer}' shares its weights with another layer"
        if parametrize.is_parametrized(module) or not _plain(module):
            return f"{kind} '{member.layer}' computes its weights from others (parametrization)"
        grouped = isinstance(module, CONVOLUTIONS) and module.groups > 1
        if grouped and (member.role == "through") != is_depthwise(module):
            return f"{kind} '{member.layer}' is grouped in a way that folding does not know"
    return ""


def _plain(module: nn.Module) -> bool:
    """Whether the weight is a parameter of its own (and not, say, what the old weight_norm computes)."""
    weight = getattr(module, "weight", None)
    return weight is None or isinstance(weight, nn.Parameter)


def _norms(graph: Any, members: tuple[Member, ...], modules: dict[str, nn.Module]) -> dict[str, str]:
    inside = {modules[member.layer]: member.layer for member in members}
    pairs = {}
    for member in members:
        module = modules[member.layer]
        if member.role == "in" or isinstance(module, (*NORMS, nn.PReLU)):
            continue
        followers = graph.module2node[module].outputs
        if len(followers) == 1 and isinstance(followers[0].module, NORMS) and len(followers[0].inputs) == 1:
            norm = inside.get(followers[0].module)
            if norm is not None and modules[norm].num_features == _width(module):
                pairs[member.layer] = norm
    return pairs


def _blocks(group: Group, modules: dict[str, nn.Module]) -> tuple[IntArray, str]:
    """Number the blocks that grouped convolutions cut a group into; also why they cannot be folded, or nothing."""
    keys = np.zeros((group.width, 0), dtype=np.int64)
    for member in group.members:
        module = modules[member.layer]
        if not isinstance(module, CONVOLUTIONS) or module.groups == 1 or member.role == "through":
            continue
        channels = int(module.in_channels if member.role == "in" else module.out_channels)
        if member.positions.size != channels or member.positions.shape[1] != 1:
            return keys[:, 0], f"only some channels of the grouped convolution '{member.layer}' belong to it"
        keys = np.concatenate([keys, member.positions // (channels // module.groups)], axis=1)
    if not keys.shape[1]:
        return np.zeros(group.width, dtype=np.int64), ""
    _, blocks, sizes = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
    if sizes.min() != sizes.max():
        return blocks, "its grouped convolutions cut it into blocks of different sizes"
    if sizes[0] == 1 and group.width > 1:
        return blocks, "a grouped convolution gives each channel a group of its own"
    return blocks.reshape(-1).astype(np.int64), ""
