"""Structured magnitude pruning: the baselines that folding is measured against."""

from __future__ import annotations

from functools import partial

import numpy as np
from torch import nn

from foldtiny.fold.groups import CONVOLUTIONS, Group
from foldtiny.fold.merge import Matrix, Merge, select, weight_of


def magnitudes(model: nn.Module, group: Group, power: int) -> Matrix:
    """Return the norm of each channel's filters, averaged over the producers: [n].

    Each producer is brought to mean 1 first, as the layers of a residual stream have weights of different sizes.
    """
    total = np.zeros(group.width)
    for member in group.having("out") + group.having("through"):
        module = model.get_submodule(member.layer)
        if isinstance(module, (*CONVOLUTIONS, nn.Linear)):
            rows = weight_of(module).double().flatten(1).numpy()[member.positions].reshape(group.width, -1)
            norm = np.linalg.norm(rows, power, axis=1)
            total += norm / (norm.mean() + 1e-30)
    return total


def prune(model: nn.Module, group: Group, width: int, power: int) -> Merge:
    """Return the merge that keeps the channels of largest magnitude, as many in each block."""
    score = magnitudes(model, group, power)
    kinds = np.unique(group.blocks)
    keep = []
    for block in kinds:
        channels = np.flatnonzero(group.blocks == block)
        keep.append(channels[np.argsort(-score[channels], kind="stable")[: width // kinds.size]])
    return select(np.concatenate(keep), group.width)


PRUNINGS = {"l1": partial(prune, power=1), "l2": partial(prune, power=2)}
