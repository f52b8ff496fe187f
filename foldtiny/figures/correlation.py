"""Figure 2: how well the channels of each layer go together in pairs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from foldtiny.errors import UsageError
from foldtiny.figures import drawing, layers
from foldtiny.figures.layers import Matrix
from foldtiny.figures.source import FigureOptions, Source
from foldtiny.progress import ProgressFn

_HEADER = (
    "network", "layer", "channels", "weights_cosine_mean", "matched_mean", "matched_q25", "matched_median",
    "matched_q75", "random_mean",
)  # fmt: skip


def draw(sources: Sequence[Source], options: FigureOptions, stem: Path, progress: ProgressFn) -> tuple[Path, ...]:
    """Draw, for each layer, the correlation of each channel's outputs with those of its match.

    A channel's match is the other channel of the layer with the most similar weights. Beside it: pairs at random.

    Parameters
    ----------
    sources : sequence of Source
        With images.
    options : FigureOptions
    stem : Path
    progress : callable

    Raises
    ------
    UsageError
        If there are no images.
    """
    found = []
    for number, source in enumerate(sources):
        if source.images is None:
            raise UsageError(
                f"figure 2 shows what images do in {source.name}, and there are none",
                "give some with --data, such as npz:FILE or npy:FILE",
            )
        progress(f"figure 2: {source.name} on {len(source.images):,} images", number / len(sources))
        names = [name for name in layers.names(source)[:-1] if len(layers.weights(source, name)) > 1]
        outputs = layers.activations(source, names, source.images, options.seed)
        found.append([_layer(source, name, outputs[name], options.seed) for name in names])
    figure, axes = drawing.subplots(len(sources), 1, (8.6, 0.7 + 3.2 * len(sources)))
    for number, (source, rows) in enumerate(zip(sources, found, strict=True)):
        _plot(axes[number, 0], rows, f"{source.name}, {_count(source)}")
    note = "match: the other channel of the layer with the most similar weights; outputs before BatchNorm and ReLU"
    return drawing.save(figure, stem, _HEADER, [row for rows in found for row in rows], note)


def _count(source: Source) -> str:
    assert source.images is not None
    return f"{len(source.images):,} images of {source.dataset}"


def _layer(source: Source, name: str, outputs: Matrix, seed: int) -> tuple[Any, ...]:
    cosine = layers.cosine(layers.weights(source, name))
    np.fill_diagonal(cosine, -np.inf)
    match = cosine.argmax(1)
    numbers = np.arange(len(match))
    correlation = correlations(outputs)
    matched = correlation[numbers, match]
    # A random partner other than oneself.
    other = (numbers + np.random.default_rng(seed).integers(1, len(match), len(match))) % len(match)
    low, middle, high = (float(value) for value in np.quantile(matched, (0.25, 0.5, 0.75)))
    return (
        source.name, name, len(match), float(cosine[numbers, match].mean()), float(matched.mean()), low, middle, high,
        float(correlation[numbers, other].mean()),
    )  # fmt: skip


def correlations(outputs: Matrix) -> Matrix:
    """Return the correlation of each pair of channels [channels, samples]; constant channels go with nothing."""
    return layers.cosine(outputs - outputs.mean(1, keepdims=True))


def _plot(axes: Any, rows: list[tuple[Any, ...]], title: str) -> None:
    places = np.arange(len(rows))
    mean, low, high, chance, cosine = (
        np.array([row[_HEADER.index(key)] for row in rows])
        for key in ("matched_mean", "matched_q25", "matched_q75", "random_mean", "weights_cosine_mean")
    )
    axes.grid(axis="y")
    axes.axhline(0.0, color="#BBBBBB", linewidth=1)
    series: list[tuple[Any, str, dict[str, Any]]] = [
        (mean, "outputs of matched channels", {"color": drawing.BLUE, "marker": "o"}),
        (cosine, "weights of matched channels", {"color": drawing.ORANGE, "marker": "s", "linestyle": "--"}),
        (chance, "outputs of random pairs", {"color": drawing.GREY, "marker": "x", "linestyle": ":"}),
    ]
    for values, label, look in series:
        axes.plot(places, values, label=label, **look)
        if values is mean:
            axes.fill_between(places, low, high, color=drawing.BLUE, alpha=0.18, linewidth=0, label="their middle half")
    axes.set(ylabel="correlation", xlabel="layer, first to last", title=title)
    axes.set_ylim(min(-0.25, float(low.min()) - 0.05), 1.02)
    axes.set_xticks(places, [row[1] for row in rows], rotation=35, ha="right", rotation_mode="anchor", fontsize=8)
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=8.5)
