"""All methods under their names: from a group and a width to a merge."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import nn

from foldtiny.fold import check, cluster, combine, evidence, prune, synthetic
from foldtiny.fold.groups import Group
from foldtiny.fold.ifm import with_activations
from foldtiny.fold.inversion import invert
from foldtiny.fold.merge import Matrix, Merge, mean_sum
from foldtiny.fold.rows import rows
from foldtiny.fold.scale import scale_aware


@dataclass
class Study:
    """A dense network under study: what is measured on it is measured once, and only if a method asks.

    Attributes
    ----------
    model : nn.Module
    inputs : tuple
    groups : tuple of Group
    macs : int
        Multiply-accumulates of one pass of ``inputs``.
    images : float array, optional
        Real, unlabelled images; synthetic ones are used otherwise.
    seed : int
    """

    model: nn.Module
    inputs: tuple[Any, ...]
    groups: tuple[Group, ...]
    macs: int
    images: Matrix | None = None
    seed: int = 0
    _eliminations: dict[tuple[str, int], combine.Elimination] = field(default_factory=dict)
    _inverted: npt.NDArray[np.float32] | None = None

    @cached_property
    def sample(self) -> Matrix:
        """The given images, or synthetic ones."""
        if self.images is not None:
            return self.images
        return synthetic.sample(self.model, self.inputs, self.macs, self.seed)

    @cached_property
    def evidence(self) -> evidence.Evidence:
        """Second moments and output weights."""
        return evidence.gather(
            self.model,
            self.inputs,
            self.groups,
            macs=self.macs,
            images=self.sample,
            synthetic=self.images is None,
            seed=self.seed,
        )

    def inverted(self, count: int, progress: Callable[[str, float], None]) -> npt.NDArray[np.float32]:
        """Return images that the network is inverted to, made at the first call."""
        if self._inverted is None:
            start = synthetic.leaves((count, *self.inputs[0].shape[1:]), np.random.default_rng(self.seed))
            self._inverted = invert(self.model, start, progress=progress).numpy()
        return self._inverted

    @cached_property
    def homogeneous(self) -> frozenset[str]:
        """Names of the groups that are positively homogeneous."""
        return check.homogeneous(self.model, self.inputs, self.groups, self.seed)

    def elimination(self, group: Group, least: int) -> combine.Elimination:
        """Return a group's elimination order down to a width (a longer one, if it is there already)."""
        for (name, reach), found in self._eliminations.items():
            if name == group.name and reach <= least:
                return found
        found = combine.eliminate(self.model, group, self.evidence, least)
        self._eliminations[group.name, least] = found
        return found

    def exact(self, group: Group, width: int) -> bool:
        """Whether merging equal channels is enough to fold a group to a width."""
        return not self.elimination(group, width).gone(width).any()

    def errors(self, group: Group) -> Matrix:
        """Return the error of folding a group to each width, as a fraction of what its consumers compute: [n + 1]."""
        found = self.elimination(group, group.unit)
        energy = sum(float((reader.moments * reader.gram).sum()) for reader in found.readers)
        return found.errors() / (energy + 1e-30)


Method = Callable[[Study, Group, int], tuple[Merge, str]]


def _clustering(name: str) -> Method:
    def method(study: Study, group: Group, width: int) -> tuple[Merge, str]:
        labels = cluster.labels(rows(study.model, group), group.blocks, width, cluster.CLUSTERINGS[name], study.seed)
        return mean_sum(labels), name

    return method


def _pruning(name: str) -> Method:
    def method(study: Study, group: Group, width: int) -> tuple[Merge, str]:
        return prune.PRUNINGS[name](study.model, group, width), name

    return method


def _ifm(study: Study, group: Group, width: int) -> tuple[Merge, str]:
    points = with_activations(rows(study.model, group), group, study.evidence)
    labels = cluster.labels(points, group.blocks, width, cluster.CLUSTERINGS["ifm"], study.seed)
    return mean_sum(labels), "ifm"


def _scale_aware(study: Study, group: Group, width: int) -> tuple[Merge, str]:
    if group.name not in study.homogeneous:
        return _clustering("ward")(study, group, width)
    return scale_aware(rows(study.model, group), group.blocks, width), "scale-aware"


def _combination(study: Study, group: Group, width: int) -> tuple[Merge, str]:
    return combine.merge(study.elimination(group, width), width), "combination"


#: A method takes the study, one of its groups and a width, and returns the merge and the name of what it really did.
METHODS: dict[str, Method] = {
    "combination": _combination,
    "scale-aware": _scale_aware,
    "ward": _clustering("ward"),
    "kmeans": _clustering("kmeans"),
    "ifm": _ifm,
    "random": _clustering("random"),
    "l1": _pruning("l1"),
    "l2": _pruning("l2"),
}

#: Methods that end with a least-squares fit of what reads the folded channels, whatever the repair.
REFITTED = frozenset({"combination"})
