"""Which channels become one: a function per method, from rows to a label per channel."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np

from foldtiny.fold.groups import IntArray
from foldtiny.fold.merge import Matrix
from foldtiny.fold.rows import Rows

Clustering = Callable[[Matrix, int, int], IntArray]

#: Channels whose rows differ by less than this (relative to their length) are equal: merging them costs nothing.
_EQUAL = 1e-7


def kmeans(points: Matrix, clusters: int, seed: int) -> IntArray:
    """Cluster by k-means (the poster's choice)."""
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    # One thread: the order in which threads add up partial sums would change the last bits from run to run.
    with threadpool_limits(1):
        model = KMeans(clusters, n_init=4, random_state=seed).fit(points)
    return _filled(model.labels_.astype(np.int64), points, clusters)


def ward(points: Matrix, clusters: int, seed: int) -> IntArray:
    """Cluster by Ward's hierarchical method (the authors' code)."""
    del seed  # nothing random about it
    from sklearn.cluster import AgglomerativeClustering

    return AgglomerativeClustering(clusters, linkage="ward").fit(points).labels_.astype(np.int64)


def iterative(points: Matrix, clusters: int, seed: int) -> IntArray:
    """Cluster by merging the closest pair again and again (IFM; see `ifm.py` for what its points are)."""
    del seed
    centres = points.copy()
    sizes = np.ones(len(points))
    found = np.arange(len(points))
    square = np.square(centres).sum(1)
    distance = square[:, None] + square[None, :] - 2 * centres @ centres.T
    np.fill_diagonal(distance, np.inf)
    for _ in range(len(points) - clusters):
        a, b = sorted(int(i) for i in np.unravel_index(int(np.argmin(distance)), distance.shape))
        centres[a] = (sizes[a] * centres[a] + sizes[b] * centres[b]) / (sizes[a] + sizes[b])
        sizes[a] += sizes[b]
        found[found == b] = a
        distance[b] = distance[:, b] = np.inf
        alive = np.isfinite(distance[a])
        distance[a, alive] = distance[alive, a] = np.square(centres[alive] - centres[a]).sum(1)
    return found


def random(points: Matrix, clusters: int, seed: int) -> IntArray:
    """Cluster at random, no cluster empty."""
    rng = np.random.default_rng(seed)
    spread = np.concatenate([np.arange(clusters), rng.integers(0, clusters, len(points) - clusters)])
    return rng.permutation(spread)


#: One function per method.
CLUSTERINGS: dict[str, Clustering] = {"kmeans": kmeans, "ward": ward, "ifm": iterative, "random": random}


def labels(rows: Rows, blocks: IntArray, width: int, method: Clustering, seed: int) -> IntArray:
    """Cluster a group's channels, block by block.

    Parameters
    ----------
    rows : Rows
    blocks : int64 array [n]
        Channels of different blocks stay apart; each block gets ``width / blocks`` clusters.
    width : int
        Clusters in total.

    Returns
    -------
    int64 array [n]
        Exactly ``width`` different labels.
    """
    result = np.zeros(blocks.size, dtype=np.int64)
    kinds = np.unique(blocks)
    for number, block in enumerate(kinds):
        channels = np.flatnonzero(blocks == block)
        result[channels] = number * blocks.size + _in_block(rows.of(channels), width // kinds.size, method, seed)
    return result


def _in_block(rows: Rows, width: int, method: Clustering, seed: int) -> IntArray:
    count = len(rows.raw)
    if width == count:
        return np.arange(count)
    classes = equal_rows(rows.raw)
    _, first = np.unique(classes, return_index=True)
    if first.size <= width:  # merging equal channels is enough, and exact
        return with_spares(classes, first, width)
    # Equal channels first: they cost nothing, whatever reads them. They then count as one whose readers add up.
    onehot = (classes[:, None] == np.arange(first.size)[None, :]).astype(float)
    points = np.hstack([rows.produced[first], onehot.T @ rows.consumed])
    return method(_compact(points), width, seed)[classes]


def with_spares(classes: IntArray, first: IntArray, width: int) -> IntArray:
    """Return labels for classes of equal channels, some duplicates left alone so that there are ``width`` labels."""
    result = classes.copy()
    spare = np.setdiff1d(np.arange(classes.size), first)[: width - first.size]
    result[spare] = classes.size + np.arange(spare.size)
    return result


def _compact(points: Matrix) -> Matrix:
    """Return points with the same mutual distances in no more dimensions than there are points."""
    if points.shape[1] <= points.shape[0]:
        return points
    gram = points @ points.T
    # The jitter adds the same amount to every squared distance.
    return np.linalg.cholesky(gram + (1e-10 * np.trace(gram) / len(gram) + 1e-30) * np.eye(len(gram)))


def equal_rows(raw: Matrix) -> IntArray:
    """Number the classes of equal rows, in order of first appearance.

    Rows are compared with their neighbours in the order of a random projection, where equal rows lie side by side.
    """
    direction = np.random.default_rng(0).standard_normal(raw.shape[1])
    key = raw @ direction
    order = np.argsort(key, kind="stable")
    length = np.linalg.norm(raw, axis=1)
    parent = np.arange(len(raw))
    for before, after in itertools.pairwise(order):
        if np.linalg.norm(raw[before] - raw[after]) <= _EQUAL * max(length[before], length[after]):
            parent[after] = parent[before]
    _, first, inverse = np.unique(parent, return_index=True, return_inverse=True)
    rank = np.empty_like(first)
    rank[np.argsort(first)] = np.arange(first.size)
    return rank[inverse.reshape(-1)].astype(np.int64)


def equal_classes(raw: Matrix, blocks: IntArray) -> IntArray:
    """Number the classes of equal rows, channels of different blocks apart."""
    result = np.zeros(blocks.size, dtype=np.int64)
    total = 0
    for block in np.unique(blocks):
        channels = np.flatnonzero(blocks == block)
        result[channels] = equal_rows(raw[channels]) + total
        total = int(result[channels].max()) + 1
    return result


def _filled(found: IntArray, points: Matrix, clusters: int) -> IntArray:
    """Give each empty cluster the point farthest from its own centre (k-means may return fewer than asked for)."""
    result = found.copy()
    for label in np.setdiff1d(np.arange(clusters), result):
        onehot = (result[:, None] == np.arange(clusters)).astype(float)
        sizes = onehot.sum(0)
        centres = (onehot.T @ points) / np.maximum(sizes, 1)[:, None]
        distance = np.linalg.norm(points - centres[result], axis=1)
        distance[sizes[result] == 1] = -1.0
        result[int(np.argmax(distance))] = label
    return result
