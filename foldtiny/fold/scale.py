"""Scale-aware folding: channels that point the same way are one channel, whatever their lengths.

ReLU is positively homogeneous, relu(a z) = a relu(z) for a > 0, and pooling commutes with it. With u_i = (w_i, b_i),
the directions p_c and scales a_i > 0 minimise ``sum_i omega_i |u_i - a_i p_c(i)|^2``, omega_i being the squared norm
of what reads channel i: weighted spherical k-means. The producer keeps p_c, the consumers sum a_i times their slices.
"""

from __future__ import annotations

import numpy as np

from foldtiny.fold.cluster import equal_rows, with_spares
from foldtiny.fold.groups import IntArray
from foldtiny.fold.merge import Matrix, Merge, mean_sum
from foldtiny.fold.rows import Rows

_ROUNDS = 50


def scale_aware(rows: Rows, blocks: IntArray, width: int) -> Merge:
    """Return the merge of a positively homogeneous group.

    Parameters
    ----------
    rows : Rows
    blocks : int64 array [n]
        Channels of different blocks stay apart.
    width : int
    """
    labels = np.zeros(blocks.size, dtype=np.int64)
    scale = np.ones(blocks.size)
    weight = np.ones(blocks.size)
    kinds = np.unique(blocks)
    for number, block in enumerate(kinds):
        channels = np.flatnonzero(blocks == block)
        found, lengths, importance = _in_block(rows.of(channels), width // kinds.size)
        labels[channels] = found + number * blocks.size
        scale[channels], weight[channels] = lengths, importance
    plain = mean_sum(labels)
    # The best p_c is the mean of u_i / a_i weighted with omega_i a_i^2.
    mixed = plain.consume.T * weight
    return Merge(plain.keep, mixed / mixed.sum(1, keepdims=True), plain.consume, scale=scale)


def _in_block(rows: Rows, width: int) -> tuple[IntArray, Matrix, Matrix]:
    count = len(rows.raw)
    classes = equal_rows(rows.raw)
    _, first = np.unique(classes, return_index=True)
    if first.size <= width:
        return with_spares(classes, first, width), np.ones(count), np.ones(count)
    onehot = (classes[:, None] == np.arange(first.size)[None, :]).astype(float)
    omega = np.square(onehot.T @ rows.consumed).sum(1)
    points = rows.produced[first]
    length = np.linalg.norm(points, axis=1)
    # A dead channel (all zero) has no direction; a tiny length keeps the arithmetic finite.
    length = np.maximum(length, 1e-9 * length.max() + 1e-300)
    unit = points / length[:, None]
    gram = unit @ unit.T
    found, cosine = _spherical(gram, omega * length**2 + 1e-30, width)
    scale = length * np.maximum(cosine, 1e-3)
    return found[classes], scale[classes], (omega * scale**2 + 1e-30)[classes]


def _spherical(gram: Matrix, weight: Matrix, clusters: int) -> tuple[IntArray, Matrix]:
    """Cluster unit vectors, given their Gram matrix; return labels and cosines to the centres.

    Starts from the points that are worst explained so far, then alternates assignment and centres; a centre is a
    weighted sum of points, so that everything is done with the Gram matrix.
    """
    chosen = [int(np.argmax(weight))]
    loss = weight * (1 - np.maximum(gram[chosen[0]], 0) ** 2)
    while len(chosen) < clusters:
        loss[chosen] = -1.0
        chosen.append(int(np.argmax(loss)))
        loss = np.minimum(loss, weight * (1 - np.maximum(gram[chosen[-1]], 0) ** 2))
    centres = np.zeros((clusters, len(gram)))
    centres[np.arange(clusters), chosen] = 1.0
    labels = np.full(len(gram), -1, dtype=np.int64)
    for _ in range(_ROUNDS):
        cosine = centres @ gram
        before, labels = labels, np.argmax(cosine, axis=0)
        _fill(labels, weight * (1 - np.maximum(cosine.max(0), 0) ** 2), clusters)
        mine = np.maximum(cosine[labels, np.arange(len(gram))], 1e-3)
        if (labels == before).all():
            break
        centres = np.where(labels[None, :] == np.arange(clusters)[:, None], weight * mine, 0.0)
        centres /= np.sqrt(np.maximum(np.einsum("cn,nm,cm->c", centres, gram, centres, optimize=True), 1e-300))[:, None]
    cosine = centres @ gram
    return labels.astype(np.int64), cosine[labels, np.arange(len(gram))]


def _fill(labels: IntArray, loss: Matrix, clusters: int) -> None:
    """Give each empty cluster the worst explained point that does not leave another one empty, in place."""
    for label in np.setdiff1d(np.arange(clusters), labels):
        sizes = np.bincount(labels, minlength=clusters)
        candidates = np.where(sizes[labels] > 1, loss, -1.0)
        worst = int(np.argmax(candidates))
        labels[worst] = label
        loss[worst] = 0.0
