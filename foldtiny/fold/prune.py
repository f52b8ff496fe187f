"""Structured magnitude pruning: the baselines that folding is measured against."""

from __future__ import annotations

from functools import partial

import numpy as np
from torch import nn

from foldtiny.fold.cluster import equal_rows, with_spares
from foldtiny.fold.groups import CONVOLUTIONS, Group
from foldtiny.fold.merge import Matrix, Merge, weight_of
from foldtiny.fold.rows import rows


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
    """Return the merge that keeps the channels of largest magnitude, as many in each block.

    Equal channels are merged first, as with every method: they count as one, and what reads a copy reads the one that
    stays. Where no two are equal, as in trained networks, this is magnitude pruning and nothing else.
    """
    score, raw, share = magnitudes(model, group, power), rows(model, group).raw, width // group.unit
    stand_in = np.full(group.width, -1)  # the channel that each is read as; -1: it is dropped
    for block in np.unique(group.blocks):
        channels = np.flatnonzero(group.blocks == block)
        classes = equal_rows(raw[channels])
        _, first = np.unique(classes, return_index=True)
        if first.size <= share:
            classes = with_spares(classes, first, share)
            _, kept = np.unique(classes, return_index=True)
        else:
            kept = first[np.argsort(-score[channels[first]], kind="stable")[:share]]
        for place in kept:
            stand_in[channels[classes == classes[place]]] = channels[place]
    keep = np.unique(stand_in[stand_in >= 0])
    consume = (stand_in[:, None] == keep[None, :]).astype(float)
    produce = (np.arange(group.width)[None, :] == keep[:, None]).astype(float)
    return Merge(keep, produce, consume)


PRUNINGS = {"l1": partial(prune, power=1), "l2": partial(prune, power=2)}
