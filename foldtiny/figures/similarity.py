"""Figure 1: how similar the channels of a layer are, beside their weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from foldtiny.figures import drawing, layers
from foldtiny.figures.layers import Matrix
from foldtiny.figures.source import FigureOptions, Source
from foldtiny.progress import ProgressFn

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLOURS = "RdBu_r"


def draw(sources: Sequence[Source], options: FigureOptions, stem: Path, progress: ProgressFn) -> tuple[Path, ...]:
    """Draw the weights and the cosine similarity of a layer's channels, similar ones side by side.

    Parameters
    ----------
    sources : sequence of Source
    options : FigureOptions
        With the layer; the first one otherwise.
    stem : Path
    progress : callable

    Raises
    ------
    UsageError
        If a network has no such layer.
    """
    figure, axes = drawing.subplots(len(sources), 2, (8.6, 0.3 + 3.7 * len(sources)), width_ratios=(1.15, 1.0))
    rows: list[tuple[Any, ...]] = []
    for number, source in enumerate(sources):
        progress(f"figure 1: {source.name}", number / len(sources))
        layer = layers.choose(source, options.layer)
        weights = layers.weights(source, layer)
        cosine = layers.cosine(weights)
        order = ordered(weights, cosine)
        _weights(figure, axes[number, 0], weights[order], f"{source.name}, {layer}: weights")
        _similarity(figure, axes[number, 1], cosine[np.ix_(order, order)], "similarity of the channels")
        rows += [
            (source.name, layer, int(order[i]), int(order[j]), i, j, float(cosine[order[i], order[j]]))
            for i in range(len(order))
            for j in range(i)
        ]
    header = ("network", "layer", "channel", "other", "place", "place_of_other", "cosine_similarity")
    return drawing.save(
        figure, stem, header, rows, "channels in the order of average-linkage clustering, each scaled to length 1"
    )


def ordered(weights: Matrix, cosine: Matrix) -> Any:
    """Return the channels so that similar ones are neighbours."""
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    if len(weights) < 3:
        return np.arange(len(weights))
    distance = 1.0 - cosine
    distance = (distance + distance.T) / 2
    np.fill_diagonal(distance, 0.0)
    # The best order of the leaves takes the cube of their number; from here on it would take minutes.
    return leaves_list(linkage(squareform(distance, checks=False), "average", optimal_ordering=len(weights) <= 512))


def _weights(figure: Figure, axes: Any, weights: Matrix, title: str) -> None:
    # Similarity does not ask for the size of a channel, so the picture does not show it either.
    length = np.linalg.norm(weights, axis=1, keepdims=True)
    rows = np.divide(weights, length, out=np.zeros_like(weights), where=length > 0)
    most = float(np.quantile(np.abs(rows), 0.98)) or 1.0
    image = axes.imshow(
        rows, cmap=_COLOURS, vmin=-most, vmax=most, aspect="auto", interpolation="nearest", rasterized=True
    )
    axes.set(title=title, xlabel="input channel and kernel position", ylabel="output channel, reordered")
    bar = figure.colorbar(image, ax=axes, shrink=0.9, extend="both")
    bar.ax.set_title("weight", fontsize=9)
    _frame(axes)


def _similarity(figure: Figure, axes: Any, cosine: Matrix, title: str) -> None:
    image = axes.imshow(
        cosine, cmap=_COLOURS, vmin=-1.0, vmax=1.0, aspect="auto", interpolation="nearest", rasterized=True
    )
    axes.set(title=title, xlabel="output channel, reordered", ylabel="output channel, reordered")
    bar = figure.colorbar(image, ax=axes, shrink=0.9, ticks=[-1, -0.5, 0, 0.5, 1])
    bar.ax.set_title("cosine", fontsize=9)
    _frame(axes)


def _frame(axes: Any) -> None:
    from matplotlib.ticker import MaxNLocator

    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    for spine in axes.spines.values():
        spine.set_visible(False)
