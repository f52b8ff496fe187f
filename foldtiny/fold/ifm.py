"""Iterative feature merging: the pair of channels whose weights and activations are closest becomes one, repeatedly.

A baseline (Chen et al., 2024, as the poster has it). The distance of two channels is the sum of that of their weights
and that of their activations, each in units of its mean over all pairs. Activations are measured on the user's images,
or on synthetic ones where there are none, as everything else is.
"""

from __future__ import annotations

import numpy as np

from foldtiny.fold.evidence import Evidence
from foldtiny.fold.groups import Group
from foldtiny.fold.merge import Matrix
from foldtiny.fold.rows import Rows


def with_activations(rows: Rows, group: Group, evidence: Evidence) -> Rows:
    """Return rows whose squared distances are those of the weights plus those of the activations.

    Parameters
    ----------
    rows : Rows
        Of the group's channels; what decides about equal ones (``raw``) stays.
    group : Group
    evidence : Evidence
        Second moments of the channels as each consumer reads them: ``E|a_i - a_j|^2 = K_ii + K_jj - 2 K_ij``.
    """
    moments = sum(
        (_unit_gram(evidence.moments[group.name, member.layer]) for member in group.having("in")),
        np.zeros((group.width, group.width)),
    )
    # Points with these inner products. Moments are measured in single precision: some eigenvalues may be below zero.
    values, vectors = np.linalg.eigh(moments / max(1, len(group.having("in"))))
    activations = vectors * np.sqrt(np.maximum(values, 0.0))
    weights = np.hstack([rows.produced, rows.consumed])
    scale = 1.0 / np.sqrt(_mean_distance(weights @ weights.T) + 1e-30)
    return Rows(rows.raw, np.hstack([rows.produced * scale, activations]), rows.consumed * scale)


def _mean_distance(gram: Matrix) -> float:
    """Return the mean squared distance over all pairs of points with these inner products."""
    length = np.diag(gram)
    return max(0.0, float(2 * length.mean() - 2 * gram.mean()))


def _unit_gram(gram: Matrix) -> Matrix:
    return np.asarray(gram / (_mean_distance(gram) + 1e-30))
