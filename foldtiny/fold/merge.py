"""Merging: how a group's channels become fewer, written as two small matrices and applied to every member.

With n channels folded to k, producers' outputs become ``produce @ W_out`` and consumers' inputs ``consume.T`` applied
to their input slices. For the mean/sum merge with the one-hot assignment M (n x k) these are
``(M^T M)^-1 M^T`` and ``M`` (the poster's equations), so that equal channels are merged exactly.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from foldtiny.fold.groups import CONVOLUTIONS, NORMS, Group, IntArray, Member, is_depthwise

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Merge:
    """How n channels become k.

    Attributes
    ----------
    keep : int64 array [k]
        Ascending; folded channel c takes the place of dense channel ``keep[c]``.
    produce : float64 array [k, n]
        Folded output = produce @ dense output, for weights, biases and everything held per channel.
    consume : float64 array [n, k]
        Dense channel i is read as the sum over c of ``consume[i, c]`` times folded channel c.
    readers : mapping of str to float64 array [n, k]
        Consumers that read it differently, by name.
    scale : float64 array [n], optional
        Channels are divided by this first, and their consumers multiplied (exact where the way between them is
        positively homogeneous).
    """

    keep: IntArray
    produce: Matrix
    consume: Matrix
    readers: Mapping[str, Matrix] = field(default_factory=dict)
    scale: Matrix | None = None


def mean_sum(labels: IntArray) -> Merge:
    """Return the mean/sum merge of a clustering (label per channel, any numbering)."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(order.size)
    onehot = np.zeros((labels.size, order.size))
    onehot[np.arange(labels.size), rank[inverse.reshape(-1)]] = 1.0
    return Merge(first[order].astype(np.int64), onehot.T / onehot.sum(0)[:, None], onehot)


def apply(model: nn.Module, group: Group, merge: Merge) -> None:
    """Fold one group of a network, in place.

    Parameters
    ----------
    model : nn.Module
        Its modules are changed: new parameters and buffers, new channel counts.
    group : Group
        Found on this network, no earlier fold of the same group.
    merge : Merge
    """
    if merge.scale is not None:
        rescale(model, group, 1.0 / merge.scale)
    for member in group.members:
        module = model.get_submodule(member.layer)
        if isinstance(module, (*NORMS, nn.PReLU)):
            _fold_vectors(module, member, merge)
        elif member.role == "in":
            _fold_inputs(module, member, merge)
        else:
            _fold_outputs(module, member, merge)


def map_outputs(model: nn.Module, group: Group, merge: Merge, maps: dict[str, Matrix]) -> None:
    """Note how a fold maps the channels of producers and BatchNorms: ``maps[layer]`` is [channels left, dense ones].

    Parameters are as for `apply`, before it; a layer's earlier folds are in ``maps`` already.
    """
    produce = merge.produce if merge.scale is None else merge.produce / merge.scale
    norms = tuple(m for m in group.having("through") if isinstance(model.get_submodule(m.layer), NORMS))
    for member in group.having("out") + norms:
        module = model.get_submodule(member.layer)
        width = int(module.num_features) if isinstance(module, NORMS) else len(weight_of(module))
        dense = maps.get(member.layer, np.eye(width))
        maps[member.layer] = fold_axis(torch.from_numpy(dense), 0, member.positions, merge.keep, produce).numpy()


def rescale(model: nn.Module, group: Group, factors: Matrix) -> None:
    """Multiply a group's channels by factors and divide what reads them, in place."""
    for member in group.members:
        module = model.get_submodule(member.layer)
        if member.role == "in":
            _scale(module, "weight", 1, member, 1.0 / factors)
        elif isinstance(module, NORMS):
            _scale(module, "running_mean", 0, member, factors)
            _scale(module, "bias", 0, member, factors)
            if module.affine and module.running_var is not None:
                # The variance follows what is normalised now, so that it may be measured again.
                replace(module, "running_var", module.running_var + module.eps)
                _scale(module, "running_var", 0, member, factors**2)
                replace(module, "running_var", (module.running_var - module.eps).clamp_min(0.0))
                _scale(module, "weight", 0, member, factors)
        elif not isinstance(module, nn.PReLU):
            if member.role == "out":
                _scale(module, "weight", 0, member, factors)
            _scale(module, "bias", 0, member, factors)


def _scale(module: nn.Module, name: str, axis: int, member: Member, factors: Matrix) -> None:
    value = getattr(module, name)
    if value is None:
        return
    sliced = isinstance(module, CONVOLUTIONS) and axis == 1
    rows = input_slices(module) if sliced else value.detach().movedim(axis, 0).clone()
    every = torch.ones(len(rows), dtype=rows.dtype)
    every[torch.from_numpy(member.positions)] = torch.from_numpy(factors).to(rows.dtype)[:, None]
    rows = rows * every.reshape(-1, *[1] * (rows.ndim - 1))
    back = _from_input_slices(rows, module.groups) if sliced else rows.movedim(0, axis).contiguous()  # type: ignore[arg-type]
    replace(module, name, back)


def shifted(groups: Sequence[Group], folded: Group, merge: Merge) -> list[Group]:
    """Return groups with their positions as they are once another group has been folded.

    Groups share an axis where their channels are concatenated: one that gets shorter moves the others.
    """
    gone: dict[tuple[str, bool], IntArray] = {}
    for member in folded.members:
        lost = np.delete(member.positions, merge.keep, axis=0).ravel()
        for outward in _axes(member):
            earlier = gone.get((member.layer, outward), np.zeros(0, dtype=np.int64))
            gone[member.layer, outward] = np.sort(np.concatenate([earlier, lost]))
    result = []
    for group in groups:
        members = []
        for member in group.members:
            before = gone.get((member.layer, _axes(member)[0]))
            moved = member.positions if before is None else member.positions - np.searchsorted(before, member.positions)
            members.append(Member(member.layer, member.role, moved))
        result.append(dataclasses.replace(group, members=tuple(members)))
    return result


def _axes(member: Member) -> tuple[bool, ...]:
    """Which axes a member's channels lie on: outputs (True), inputs (False)."""
    return {"out": (True,), "in": (False,), "through": (True, False)}[member.role]


def fold_axis(tensor: torch.Tensor, axis: int, positions: IntArray, keep: IntArray, matrix: Matrix) -> torch.Tensor:
    """Mix the channels on one axis of a tensor and drop those that are gone.

    Parameters
    ----------
    tensor : Tensor
    axis : int
    positions : int64 array [n, slots]
        Where the channels lie on the axis; everything elsewhere stays.
    keep : int64 array [k]
    matrix : float64 array [k, n]

    Returns
    -------
    Tensor
        ``(n - k) * slots`` shorter on the axis; slot s of new channel c stands where ``keep[c]`` stood.
    """
    moved = tensor.detach().movedim(axis, 0).clone()
    chosen = moved[torch.from_numpy(positions)]
    mixed = torch.tensordot(torch.from_numpy(matrix).to(moved.dtype), chosen, dims=([1], [0]))
    moved[torch.from_numpy(positions[keep])] = mixed
    stays = np.ones(len(moved), dtype=bool)
    stays[np.delete(positions, keep, axis=0).ravel()] = False
    return moved[torch.from_numpy(np.flatnonzero(stays))].movedim(0, axis).contiguous()


def replace(module: nn.Module, name: str, value: torch.Tensor) -> None:
    """Give a module a new tensor under the name of an old parameter or buffer."""
    old = getattr(module, name)
    if isinstance(old, nn.Parameter):
        setattr(module, name, nn.Parameter(value, requires_grad=old.requires_grad))
    else:
        setattr(module, name, value)


def _fold_vectors(module: nn.Module, member: Member, merge: Merge) -> None:
    if isinstance(module, nn.PReLU) and module.num_parameters == 1:
        return
    for name in ("weight", "bias", "running_mean", "running_var"):
        value = getattr(module, name, None)
        if value is not None:
            replace(module, name, fold_axis(value, 0, member.positions, merge.keep, merge.produce))
    gone = _gone(member, merge)
    if isinstance(module, nn.PReLU):
        module.num_parameters -= gone
    elif isinstance(module, NORMS):
        module.num_features -= gone


def _fold_outputs(module: nn.Module, member: Member, merge: Merge) -> None:
    for name in ("weight", "bias"):
        value = getattr(module, name)
        if value is not None:
            replace(module, name, fold_axis(value, 0, member.positions, merge.keep, merge.produce))
    gone = _gone(member, merge)
    if isinstance(module, nn.Linear):
        module.out_features -= gone
    elif is_depthwise(module):
        assert isinstance(module, CONVOLUTIONS)
        module.in_channels = module.out_channels = module.groups = len(module.weight)
    elif isinstance(module, CONVOLUTIONS):
        module.out_channels -= gone


def _fold_inputs(module: nn.Module, member: Member, merge: Merge) -> None:
    weight = weight_of(module)
    gone = _gone(member, merge)
    matrix = np.ascontiguousarray(merge.readers.get(member.layer, merge.consume).T)
    if isinstance(module, nn.Linear):
        replace(module, "weight", fold_axis(weight, 1, member.positions, merge.keep, matrix))
        module.in_features -= gone
        return
    assert isinstance(module, CONVOLUTIONS)
    flat = fold_axis(input_slices(module), 0, member.positions, merge.keep, matrix)
    module.in_channels -= gone
    replace(module, "weight", _from_input_slices(flat, module.groups))


def input_slices(module: nn.Module) -> torch.Tensor:
    """Return what reads each input channel of a convolution: [channels in, channels out / groups, *kernel]."""
    assert isinstance(module, CONVOLUTIONS)
    weight = weight_of(module)
    split = weight.reshape(module.groups, -1, *weight.shape[1:])
    return split.transpose(1, 2).reshape(module.in_channels, split.shape[1], *weight.shape[2:])


def weight_of(module: nn.Module) -> torch.Tensor:
    """Return a layer's weight, detached."""
    weight = module.weight
    assert isinstance(weight, torch.Tensor)
    return weight.detach()


def _from_input_slices(flat: torch.Tensor, groups: int) -> torch.Tensor:
    split = flat.reshape(groups, -1, *flat.shape[1:]).transpose(1, 2)
    return split.reshape(-1, *split.shape[2:]).contiguous()


def _gone(member: Member, merge: Merge) -> int:
    return (member.positions.shape[0] - merge.keep.size) * member.positions.shape[1]
