"""Figure 5: accuracy against sparsity for folding, IFM and magnitude pruning."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from foldtiny.errors import UsageError
from foldtiny.figures import drawing
from foldtiny.figures.source import FigureOptions, Source, labelled
from foldtiny.fold.repair import has_norms
from foldtiny.progress import ProgressFn

SPARSITIES = (0.1, 0.25, 0.4, 0.5, 0.6, 0.7, 0.8)


def _series(norms: bool) -> list[tuple[str, str, str, str, str, str]]:
    """Method, repair, name, colour, marker, dashes; with BatchNorm everything is repaired without data, and alike."""
    repair, how = ("dir", ", Fold-DIR") if norms else ("none", "")
    return [
        ("combination", repair, f"folding into combinations{how}", drawing.BLUE, "o", "-"),
        ("combination", "ls", "folding into combinations, least squares", drawing.PURPLE, "D", "-"),
        ("kmeans", repair, f"folding by k-means{how}", drawing.GREEN, "^", "-"),
        ("ifm", repair, f"IFM{how}", drawing.ORANGE, "s", "--"),
        ("l1", repair, f"L1 magnitude pruning{how}", drawing.RED, "v", "--"),
        ("l2", repair, f"L2 magnitude pruning{how}", drawing.GREY, "x", ":"),
    ]


def draw(sources: Sequence[Source], options: FigureOptions, stem: Path, progress: ProgressFn) -> tuple[Path, ...]:
    """Fold and prune at several sparsities, uniform widths, no data, no fine-tuning, and draw the accuracies.

    Parameters
    ----------
    sources : sequence of Source
        With labelled images.
    options : FigureOptions
        With the sparsities, ``SPARSITIES`` otherwise.
    stem : Path
    progress : callable

    Raises
    ------
    UsageError
        If there are no labelled images, or a sparsity that no width reaches.
    """
    for source in sources:
        labelled(source, 5)
    sparsities = tuple(sorted(s for s in options.sparsities or SPARSITIES if s > 0))
    if not sparsities:
        raise UsageError("figure 5 has no sparsity to show but 0", "give some above 0, such as --sparsity 0.5")
    rows: list[tuple[Any, ...]] = []
    for number, source in enumerate(sources):

        def part(label: str, fraction: float, number: int = number) -> None:
            progress(label, (number + fraction) / len(sources))

        rows += _measure(source, sparsities, options.seed, part)
    return render(rows, stem, sources[0].dataset)


def render(rows: list[tuple[Any, ...]], stem: Path, dataset: str) -> tuple[Path, ...]:
    """Draw and write rows as `draw` measures them."""
    networks = list(dict.fromkeys(row[0] for row in rows))
    figure, axes = drawing.subplots(1, len(networks), (1.0 + 4.4 * max(1.4, len(networks)), 4.6), sharey=True)
    for number, network in enumerate(networks):
        _plot(axes[0, number], [row for row in rows if row[0] == network])
    axes[0, 0].set_ylabel(f"accuracy, {rows[0][5]:,} images of {dataset}")
    handles, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=2, fontsize=9)
    header = ("network", "method", "repair", "sparsity", "accuracy", "images")
    return drawing.save(figure, stem, header, rows)


def _measure(source: Source, sparsities: Sequence[float], seed: int, progress: ProgressFn) -> list[tuple[Any, ...]]:
    from foldtiny.evaluate import accuracy

    images, labels = labelled(source, 5)
    folder = source.folder(seed)
    rows: list[tuple[Any, ...]] = [
        (source.name, "dense", "none", 0.0, accuracy(source.module, images, labels), len(images))
    ]
    series = _series(has_norms(source.module))
    total = len(series) * len(sparsities)
    for number, (method, repair, *_) in enumerate(series):
        for place, sparsity in enumerate(sparsities):
            done = (number * len(sparsities) + place) / total

            def inside(label: str, fraction: float, done: float = done) -> None:
                progress(f"figure 5: {source.name}, {label}", done + fraction / total)

            inside(f"{method} at {sparsity:.0%}", 0.0)
            folded = folder.fold(sparsity, method, repair, inside)
            rows.append((source.name, method, repair, sparsity, accuracy(folded, images, labels), len(images)))
    return rows


def _plot(axes: Any, rows: list[tuple[Any, ...]]) -> None:
    dense = rows[0][4]
    series = _series(any(row[2] == "dir" for row in rows))
    axes.grid()
    axes.axhline(dense, color=drawing.BLACK, linewidth=1, label="dense")
    for method, repair, name, colour, marker, dashes in series:
        points = [(row[3], row[4]) for row in rows if row[1:3] == (method, repair)]
        axes.plot(
            [0.0, *(x for x, _ in points)], [dense, *(y for _, y in points)],
            color=colour, marker=marker, linestyle=dashes, label=name,
        )  # fmt: skip
    axes.set(title=rows[0][0], xlabel="parameters removed", ylim=(0, 1.02))
    drawing.percent(axes.xaxis)
    drawing.percent(axes.yaxis)
