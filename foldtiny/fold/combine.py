"""Folding into a combination: a channel that goes is read as a linear combination of those that stay.

The optimal-brain-surgeon step on whole channels: with second moments K of a group's channels as a consumer reads them
and Q = sum v v^T over everything that reads them, removing channel i after the best redistribution costs
``Q_ii / (K^-1)_ii`` and adds ``-(K^-1)_ij / (K^-1)_ii`` times its consumers' slices to each remaining channel j.

K needs no data. It is the sum of two estimates, each of which fails where the other holds: the arc-cosine kernel
(ReLU outputs of a layer whose inputs are isotropic Gaussian), and moments measured on synthetic images.
A group with several consumers (a residual stream) has a K and a combination for each.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import nn

from foldtiny.fold.cluster import equal_classes
from foldtiny.fold.evidence import Evidence
from foldtiny.fold.groups import CONVOLUTIONS, Group, IntArray, Member
from foldtiny.fold.merge import Matrix, Merge, weight_of
from foldtiny.fold.rows import consumed, effective, rows

#: Ridge on K, relative to its mean diagonal.
RIDGE = 1e-2
#: Weight of the arc-cosine kernel beside moments measured on synthetic images, and on real ones.
SHRINK_SYNTHETIC, SHRINK_REAL = 0.5, 0.03

_RECTIFIERS = ("ReluBackward0", "HardtanhBackward0", "LeakyReluBackward0", "PreluKernelBackward0")


@dataclass(frozen=True, slots=True, eq=False)
class _Reader:
    """One consumer: its layer, second moments [d, d] of what it reads, and its slices' Gram matrix [d, d]."""

    layer: str
    moments: Matrix
    gram: Matrix


@dataclass(frozen=True, slots=True, eq=False)
class Elimination:
    """The order in which a group's channels go.

    Attributes
    ----------
    classes : int64 array [n]
        Class of equal channels that each channel belongs to, d classes in all.
    blocks : int64 array [d]
        Block of each class.
    order : int64 array
        Classes in the order in which they go; those that are missing stay longest.
    costs : float64 array, like ``order``
        What each step costs, in squared error of the network's outputs.
    """

    classes: IntArray
    blocks: IntArray
    order: IntArray
    costs: Matrix
    readers: tuple[_Reader, ...]

    def gone(self, width: int) -> npt.NDArray[np.bool_]:
        """Return which steps of the order are taken to reach a width (every block keeps its share)."""
        kinds = np.unique(self.blocks)
        taken = np.zeros(self.order.size, dtype=bool)
        for block in kinds:
            steps = np.flatnonzero(self.blocks[self.order] == block)
            taken[steps[: max(0, int((self.blocks == block).sum()) - width // kinds.size)]] = True
        return taken

    def errors(self) -> Matrix:
        """Return the summed costs of folding to each width: [n + 1], infinite where a block would be empty."""
        kinds = np.unique(self.blocks)
        result = np.full(self.classes.size + 1, np.inf)
        for share in range(1, self.classes.size // kinds.size + 1):
            width = share * kinds.size
            result[width] = self.costs[self.gone(width)].sum()
        return result


def eliminate(model: nn.Module, group: Group, evidence: Evidence, least: int | None = None) -> Elimination:
    """Find the order in which a group's channels go.

    Parameters
    ----------
    model : nn.Module
        Dense.
    least : int, optional
        The least width of interest; by default one channel per block.
    """
    classes = equal_classes(rows(model, group).raw, group.blocks)
    _, first = np.unique(classes, return_index=True)
    # Equal channels count as one, whose readers add up: merging them is exact and comes first.
    onehot = (classes[:, None] == np.arange(first.size)[None, :]).astype(float)
    blocks = group.blocks[first]
    analytic = analytic_moments(model, group)[np.ix_(first, first)]
    readers = []
    for member in group.having("in"):
        measured = evidence.moments[group.name, member.layer][np.ix_(first, first)]
        slices = onehot.T @ (consumed(model, member) * _output_weights(model, member, evidence))
        moments = _blend(measured, analytic, SHRINK_SYNTHETIC if evidence.synthetic else SHRINK_REAL)
        gram = slices @ slices.T
        if getattr(model.get_submodule(member.layer), "groups", 1) > 1:
            same = blocks[:, None] == blocks[None, :]  # what a block reads, no other block does
            moments, gram = np.where(same, moments, 0.0), np.where(same, gram, 0.0)
        readers.append(_Reader(member.layer, moments, gram))
    order, costs = _sequence(readers, blocks, max(group.unit, least or 1))
    return Elimination(classes, blocks, order, costs, tuple(readers))


def merge(elimination: Elimination, width: int) -> Merge:
    """Return the merge that folds a group to a width along its elimination order."""
    classes = elimination.classes
    _, first = np.unique(classes, return_index=True)
    alive = np.setdiff1d(np.arange(first.size), elimination.order[elimination.gone(width)])
    # Where a block has fewer classes than its share, some duplicates stay as they are.
    channels, kinds, spare = np.arange(classes.size), np.unique(elimination.blocks), []
    for block in kinds:
        missing = width // kinds.size - int((elimination.blocks[alive] == block).sum())
        others = np.setdiff1d(channels[elimination.blocks[classes] == block], first)
        spare += others[: max(0, missing)].tolist()
    keep = np.concatenate([first[alive], np.asarray(spare, dtype=np.int64)]).astype(np.int64)
    order = np.argsort(keep)
    merged = np.ones(classes.size, dtype=bool)
    merged[spare] = False

    def reading(of_classes: Matrix) -> Matrix:
        matrix = np.zeros((classes.size, keep.size))
        matrix[merged, : alive.size] = of_classes[classes[merged]]
        matrix[spare, alive.size + np.arange(len(spare))] = 1.0
        return matrix[:, order]

    produce = np.zeros((keep.size, classes.size))
    produce[np.arange(keep.size), keep[order]] = 1.0
    consume = {reader.layer: reading(_redistribute(reader.moments, alive)) for reader in elimination.readers}
    return Merge(keep[order], produce, produce.T, consume)


def analytic_moments(model: nn.Module, group: Group) -> Matrix:
    """Return second moments of a group's channels for isotropic Gaussian inputs of its producers: [n, n]."""
    rectify = any(name in _RECTIFIERS for name in group.operators)
    gram = np.zeros((group.width, group.width))
    for member in group.having("out"):
        row = effective(model, group, member)
        gram += row @ row.T
    if not group.having("out"):
        gram += np.eye(group.width)
    moments = arc_cosine(gram) if rectify else gram
    for member in group.having("through"):
        if isinstance(model.get_submodule(member.layer), CONVOLUTIONS):
            row = effective(model, group, member)
            taps, shift = row[:, :-1], row[:, -1]
            moments = moments * (taps @ taps.T) + np.outer(shift, shift)
            moments = arc_cosine(moments) if rectify else moments
    return moments


def arc_cosine(gram: Matrix) -> Matrix:
    """Return E[relu(a) relu(b)] of zero-mean Gaussians with these second moments (Cho and Saul, 2009, degree 1)."""
    length = np.sqrt(np.maximum(np.diag(gram), 1e-30))
    scale = np.outer(length, length)
    cosine = np.clip(gram / scale, -1.0, 1.0)
    angle = np.arccos(cosine)
    return np.asarray(scale / (2 * np.pi) * (np.sqrt(1.0 - cosine**2) + (np.pi - angle) * cosine))


def _blend(measured: Matrix, analytic: Matrix, share: float) -> Matrix:
    """Add the analytic moments, brought to the size of the measured ones, and the ridge."""
    size = np.trace(measured) / len(measured) + 1e-30
    total = measured + share * size / (np.trace(analytic) / len(analytic) + 1e-30) * analytic
    return np.asarray(total + RIDGE * (1 + share) * size * np.eye(len(total)))


def _output_weights(model: nn.Module, member: Member, evidence: Evidence) -> Matrix:
    """Return the square root of what errors on a consumer's outputs cost, laid out like its slices."""
    module = model.get_submodule(member.layer)
    weight = evidence.weights.get(member.layer)
    shape = weight_of(module).shape
    weight = np.ones(shape[0]) if weight is None else np.sqrt(weight)
    taps, slots = math.prod(shape[2:]), member.positions.shape[1]
    groups = module.groups if isinstance(module, CONVOLUTIONS) else 1
    if groups == 1:
        return np.tile(np.repeat(weight, taps), slots)[None, :]
    per = int(module.in_channels) // groups  # type: ignore[arg-type]
    return np.repeat(weight.reshape(groups, -1)[member.positions[:, 0] // per], taps, axis=1)


def _sequence(readers: list[_Reader], blocks: IntArray, least: int) -> tuple[IntArray, Matrix]:
    """Eliminate greedily and return the order and the cost of each step."""
    inverses: list[Matrix] = [np.asarray(np.linalg.inv(reader.moments)) for reader in readers]
    grams = [reader.gram.copy() for reader in readers]
    alive = np.arange(blocks.size)
    left = {int(block): int((blocks == block).sum()) for block in np.unique(blocks)}
    share = least // len(left)
    order: list[int] = []
    costs: list[float] = []
    while alive.size > least:
        cost = sum(np.diag(q) / np.diag(k) for q, k in zip(grams, inverses, strict=True))
        movable = np.asarray([left[int(block)] > share for block in blocks[alive]])
        if not movable.any():
            break
        cost = np.where(movable, cost, np.inf)
        # Wide groups lose several channels a step: the order hardly changes, and each step costs width^2.
        batch = max(1, alive.size // (50 if alive.size > 512 else 200))
        several = min(alive.size - least, batch) if len(left) == 1 else 1
        chosen = np.argsort(cost, kind="stable")[:several]
        rest = np.setdiff1d(np.arange(alive.size), chosen)
        spent = 0.0
        for number, (gram, inverse) in enumerate(zip(tuple(grams), tuple(inverses), strict=True)):
            grams[number], inverses[number], price = _without(gram, inverse, chosen, rest)
            spent += price
        order += alive[chosen].tolist()
        costs += [max(spent, 0.0) / several] * several
        for block in blocks[alive[chosen]]:
            left[int(block)] -= 1
        alive = alive[rest]
    return np.asarray(order, dtype=np.int64), np.asarray(costs)


def _without(gram: Matrix, inverse: Matrix, chosen: IntArray, rest: IntArray) -> tuple[Matrix, Matrix, float]:
    """Return Q and K^-1 of one reader after some channels have gone, and what that costs."""
    core = np.linalg.inv(inverse[np.ix_(chosen, chosen)])
    cross = inverse[np.ix_(chosen, rest)]
    share = -core @ cross
    old = gram[np.ix_(chosen, chosen)]
    mixed = share.T @ gram[np.ix_(chosen, rest)]
    left = gram.take(rest, 0).take(rest, 1) + mixed + mixed.T + share.T @ old @ share
    return left, np.asarray(inverse.take(rest, 0).take(rest, 1) + cross.T @ share), float(np.trace(old @ core))


def _redistribute(moments: Matrix, alive: IntArray) -> Matrix:
    """Return how all channels are best read from those that stay: [d, len(alive)]."""
    solved = np.linalg.solve(moments[np.ix_(alive, alive)], moments[alive])
    solved[:, alive] = np.eye(alive.size)
    return np.asarray(solved.T)
