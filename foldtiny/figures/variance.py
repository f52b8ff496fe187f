"""Figure 4: accuracy against the variance that folding leaves, for each repair."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foldtiny.errors import UsageError
from foldtiny.figures import drawing
from foldtiny.figures.source import FigureOptions, Images, Source, labelled
from foldtiny.progress import ProgressFn

if TYPE_CHECKING:
    from torch import nn

SPARSITIES = (0.1, 0.25, 0.4, 0.5, 0.6, 0.7)
#: The paper's clustering: repairs are about what averaging does.
METHOD = "kmeans"
_BATCH = 250
_TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 5.0, 10.0)
#: Repair, name, colour, marker.
_SERIES = (
    ("none", "no repair", drawing.GREY, "x"),
    ("ar", "Fold-AR (weights only)", drawing.ORANGE, "s"),
    ("dir", "Fold-DIR (inverted images)", drawing.BLUE, "o"),
    ("data", "Fold-R (training images)", drawing.GREEN, "^"),
)


def draw(sources: Sequence[Source], options: FigureOptions, stem: Path, progress: ProgressFn) -> tuple[Path, ...]:
    """Fold with k-means at several sparsities, repair in each way, and draw accuracy against the ratio of variances.

    Parameters
    ----------
    sources : sequence of Source
        Networks with BatchNorm, and labelled images; Fold-R needs unlabelled ones too and is left out without.
    options : FigureOptions
        With the sparsities, ``SPARSITIES`` otherwise.
    stem : Path
    progress : callable

    Raises
    ------
    UsageError
        If a network has no BatchNorm, or there are no labelled images.
    """
    rows: list[tuple[Any, ...]] = []
    for source in sources:
        check(source)
        labelled(source, 4)
    sparsities = options.sparsities or SPARSITIES
    for number, source in enumerate(sources):

        def part(label: str, fraction: float, number: int = number) -> None:
            progress(label, (number + fraction) / len(sources))

        rows += _measure(source, sparsities, options.seed, part)
    return render(rows, stem)


def render(rows: list[tuple[Any, ...]], stem: Path) -> tuple[Path, ...]:
    """Draw and write rows as `draw` measures them."""
    networks = list(dict.fromkeys(row[0] for row in rows))
    figure, axes = drawing.subplots(1, len(networks), (1.2 + 4.3 * len(networks), 4.2))
    for number, network in enumerate(networks):
        _plot(axes[0, number], [row for row in rows if row[0] == network], number == 0)
    handles, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper center", ncols=5 if len(networks) > 1 else 3, fontsize=9)
    header = ("network", "method", "repair", "sparsity", "variance_ratio", "accuracy", "images")
    sparsities = [row[3] for row in rows if row[1] != "dense"]
    note = (
        f"folded with {METHOD}, uniform widths; along each line {min(sparsities):.0%} to {max(sparsities):.0%} of the "
        "parameters removed; ratio 1: variance as before folding"
    )
    return drawing.save(figure, stem, header, rows, note)


def check(source: Source) -> None:
    """Raise a UsageError for a network without BatchNorm."""
    from foldtiny.fold.repair import has_norms

    if not has_norms(source.module):
        raise UsageError(
            f"figure 4 compares repairs of BatchNorm, and {source.name} has none",
            "train one that has and draw it: `foldtiny train --model resnet18 --width 0.25 --epochs 6 -o resnet18.pt`, "
            "then --model resnet18.pt",
        )


def _measure(source: Source, sparsities: Sequence[float], seed: int, progress: ProgressFn) -> list[tuple[Any, ...]]:
    from foldtiny.evaluate import accuracy

    images, labels = labelled(source, 4)
    folder = source.folder(seed)
    dense = variances(source.module, images)
    rows: list[tuple[Any, ...]] = [
        (source.name, "dense", "none", 0.0, 1.0, accuracy(source.module, images, labels), len(images))
    ]
    repairs = [series[0] for series in _SERIES if series[0] != "data" or source.unlabelled is not None]
    total = len(repairs) * len(sparsities)
    for number, repair in enumerate(repairs):
        for place, sparsity in enumerate(sparsities):
            done = (number * len(sparsities) + place) / total

            def inside(label: str, fraction: float, done: float = done) -> None:
                progress(f"figure 4: {source.name}, {label}", done + fraction / total)

            inside(f"{repair} at {sparsity:.0%}", 0.0)
            folded = folder.fold(sparsity, METHOD, repair, inside)
            ratio = variance_ratio(dense, variances(folded, images))
            rows.append((source.name, METHOD, repair, sparsity, ratio, accuracy(folded, images, labels), len(images)))
    return rows


def variances(module: nn.Module, images: Images) -> dict[str, float]:
    """Return the variance of each BatchNorm's outputs over images and positions, mean over channels."""
    import torch
    from torch import nn

    sums: dict[str, list[torch.Tensor]] = {}
    count: dict[str, int] = {}

    def note(name: str) -> Any:
        def hook(_module: Any, _inputs: Any, output: torch.Tensor) -> None:
            flat = output.detach().double().transpose(0, 1).flatten(1)
            before = sums.get(name, [torch.zeros(len(flat)).double(), torch.zeros(len(flat)).double()])
            sums[name] = [before[0] + flat.sum(1), before[1] + flat.square().sum(1)]
            count[name] = count.get(name, 0) + flat.shape[1]

        return hook

    norms = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
    handles = [
        child.register_forward_hook(note(name)) for name, child in module.named_modules() if isinstance(child, norms)
    ]
    with torch.no_grad():
        for start in range(0, len(images), _BATCH):
            module(torch.from_numpy(images[start : start + _BATCH]))
    for handle in handles:
        handle.remove()
    return {
        name: float((square / count[name] - (total / count[name]).square()).mean())
        for name, (total, square) in sums.items()
    }


def variance_ratio(dense: dict[str, float], folded: dict[str, float]) -> float:
    """Return how much of the variance is left: the geometric mean over layers of folded / dense."""
    logs = [math.log(max(folded[name], 1e-30) / dense[name]) for name in dense if name in folded and dense[name] > 0]
    return math.exp(sum(logs) / len(logs)) if logs else float("nan")


def _plot(axes: Any, rows: list[tuple[Any, ...]], first: bool) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    dense = rows[0]
    axes.grid()
    axes.axvline(1.0, color="#BBBBBB", linewidth=1)
    axes.plot([1.0], [dense[5]], marker="*", markersize=13, color=drawing.BLACK, linestyle="", label="dense")
    for repair, name, colour, marker in _SERIES:
        points = sorted((row for row in rows[1:] if row[2] == repair), key=lambda row: row[3])
        if not points:
            continue
        axes.plot(
            [row[4] for row in points], [row[5] for row in points], color=colour, marker=marker, label=name, alpha=0.95
        )
        if repair == "none":
            # The other lines end close together at 1, where labels would hide what they label.
            for row in points:
                axes.annotate(
                    f"{row[3]:.0%}", (row[4], row[5]), textcoords="offset points", xytext=(-4, 5), ha="right",
                    fontsize=8, color="#555555",
                )  # fmt: skip
    axes.set_xscale("log")
    axes.margins(x=0.14)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_major_locator(FixedLocator(_TICKS))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set(title=dense[0], xlabel="variance ratio, folded / dense (log scale)", ylim=(0, 1.02))
    if first:
        axes.set_ylabel(f"accuracy ({dense[6]:,} images)")
    drawing.percent(axes.yaxis)
