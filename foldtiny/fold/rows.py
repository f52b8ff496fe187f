"""What a channel is, as numbers: one row per channel, from everything that makes it and everything that reads it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from foldtiny.fold.groups import CONVOLUTIONS, NORMS, Group, Member
from foldtiny.fold.merge import Matrix, input_slices, weight_of


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """The rows of a group's channels.

    Attributes
    ----------
    raw : float64 array [n, d0]
        Every number held per channel as it is stored; equal rows mean equal channels.
    produced : float64 array [n, d1]
        Producers' weights and biases, with the BatchNorm that follows multiplied in.
    consumed : float64 array [n, d2]
        Consumers' input slices.
    """

    raw: Matrix
    produced: Matrix
    consumed: Matrix

    def of(self, channels: np.ndarray) -> Rows:
        """Return the rows of some channels."""
        return Rows(self.raw[channels], self.produced[channels], self.consumed[channels])


def rows(model: nn.Module, group: Group) -> Rows:
    """Return the rows of a group's channels."""
    raw = [_vectors(model, m) if _is_vector(model, m) else _weights(model, m) for m in _held(group)]
    paired = set(group.norms.values())
    produced = []
    for member in _held(group):
        if not _is_vector(model, member):
            produced.append(effective(model, group, member))
        elif member.layer not in paired:
            produced.append(_affine(model, member))
    read = [consumed(model, member) for member in group.having("in")]
    return Rows(np.hstack(raw), np.hstack(produced), np.hstack(read))


def effective(model: nn.Module, group: Group, member: Member) -> Matrix:
    """Return a producer's weights and bias per channel with its BatchNorm multiplied in: [n, weights + 1]."""
    weights = _weights(model, member)
    if member.layer not in group.norms:
        return weights
    scale, shift = norm_affine(model.get_submodule(group.norms[member.layer]), member.positions)
    slots = member.positions.shape[1]
    cut = weights.shape[1] - slots
    per_weight = np.repeat(scale, cut // slots, axis=1)
    return np.hstack([weights[:, :cut] * per_weight, weights[:, cut:] * scale + shift])


def norm_affine(norm: nn.Module, positions: np.ndarray) -> tuple[Matrix, Matrix]:
    """Return what a BatchNorm multiplies by and adds, in eval mode, at some positions."""
    assert isinstance(norm, NORMS)
    ones = torch.ones(norm.num_features, dtype=torch.float64)
    variance = ones if norm.running_var is None else norm.running_var.double()
    mean = 0 * ones if norm.running_mean is None else norm.running_mean.double()
    scale = (variance + norm.eps).rsqrt()
    if norm.affine:
        scale = scale * norm.weight.detach().double()
    shift = -mean * scale
    if norm.affine:
        shift = shift + norm.bias.detach().double()
    return scale.numpy()[positions], shift.numpy()[positions]


def _held(group: Group) -> tuple[Member, ...]:
    return group.having("out") + group.having("through")


def _is_vector(model: nn.Module, member: Member) -> bool:
    return isinstance(model.get_submodule(member.layer), (*NORMS, nn.PReLU))


def _weights(model: nn.Module, member: Member) -> Matrix:
    """Weights (slot by slot) and then one bias per slot: [n, slots * weights + slots]."""
    module = model.get_submodule(member.layer)
    weight = weight_of(module).double().flatten(1).numpy()
    count = len(member.positions)
    chosen = weight[member.positions].reshape(count, -1)
    if module.bias is None:
        return np.hstack([chosen, np.zeros(member.positions.shape)])
    return np.hstack([chosen, module.bias.detach().double().numpy()[member.positions]])  # type: ignore


def _vectors(model: nn.Module, member: Member) -> Matrix:
    module = model.get_submodule(member.layer)
    tensors = [getattr(module, name, None) for name in ("weight", "bias", "running_mean", "running_var")]
    if isinstance(module, nn.PReLU) and module.num_parameters == 1:
        return np.zeros((len(member.positions), 0))
    held = [t.detach().double().numpy()[member.positions] for t in tensors if t is not None]
    return np.hstack(held) if held else np.zeros((len(member.positions), 0))


def _affine(model: nn.Module, member: Member) -> Matrix:
    module = model.get_submodule(member.layer)
    if isinstance(module, nn.PReLU):
        return _vectors(model, member)
    return np.hstack(norm_affine(module, member.positions))


def consumed(model: nn.Module, member: Member) -> Matrix:
    """Return what a consumer multiplies each channel with: [n, slots * outputs * kernel]."""
    module = model.get_submodule(member.layer)
    slices = input_slices(module) if isinstance(module, CONVOLUTIONS) else weight_of(module).t()
    flat = slices.double().flatten(1).numpy()
    return flat[member.positions].reshape(len(member.positions), -1)
