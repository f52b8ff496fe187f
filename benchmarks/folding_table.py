"""Accuracy of a folded network for every method and sparsity, as CSV and Markdown.

    python benchmarks/folding_table.py                      # the shipped LeNet5 on Fashion-MNIST
    python benchmarks/folding_table.py --model a.pt b.pt --output docs/tables/lenet5_seeds

Several checkpoints (trainings of one network with different seeds) give mean and standard deviation. Real images, where
a row uses any, are the first 512 training images of the calibration split, without their labels.
"""

from __future__ import annotations

import argparse
import csv
import io
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from foldtiny import data
from foldtiny.fold import engine
from foldtiny.resources import write_atomic
from foldtiny.zoo import checkpoint

SPARSITIES = (0.1, 0.25, 0.5, 0.7, 0.8, 0.9)

#: (method, budget, repair, real images)
ROWS = [
    *[
        (m, "uniform", "none", False)
        for m in ("combination", "scale-aware", "ward", "kmeans", "ifm", "random", "l1", "l2")
    ],
    ("combination", "uniform", "ls", False),
    ("combination", "uniform", "none", True),
    ("combination", "uniform", "ls", True),
    ("ward", "uniform", "ls", True),
    ("l1", "uniform", "ls", True),
    *[(m, "params", "none", False) for m in ("combination", "scale-aware", "ward", "l1")],
    ("combination", "params", "ls", False),
    ("combination", "params", "none", True),
    ("combination", "params", "ls", True),
]
#: Rows for networks with BatchNorm.
NORM_ROWS = [
    (method, "uniform", repair, repair == "data")
    for method in ("combination", "ward", "kmeans", "l1")
    for repair in ("none", "ar", "dir", "data")
] + [("combination", "uniform", "ls", False), ("combination", "uniform", "ls", True)]


@dataclass(frozen=True, slots=True)
class Cell:
    """One folding of one network."""

    model: str
    method: str
    budget: str
    repair: str
    images: int
    sparsity: float
    parameters: int
    macs: int
    peak_activations: int
    accuracy: float


def main() -> None:
    """Parse, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", nargs="+", default=["default"], help="checkpoints; 'default' is the shipped one")
    parser.add_argument("--data", default="fashion-mnist")
    parser.add_argument("--output", type=Path, default=Path("docs/tables/lenet5_folding"), help="without suffix")
    parser.add_argument("--sparsity", type=float, nargs="+", default=list(SPARSITIES))
    parser.add_argument("--limit", type=int, help="test images to use")
    options = parser.parse_args()
    cells: list[Cell] = []
    for spec in options.model:
        loaded = checkpoint.load_model(spec)
        test = data.load(options.data, "test", input_shape=loaded.input_shape, limit=options.limit)
        unlabelled = data.load(options.data, "calibration", input_shape=loaded.input_shape).images[:512]
        cells += measure(spec, loaded.module, test, unlabelled, options.sparsity)
    write_atomic(options.output.with_suffix(".csv"), as_csv(cells))
    table = as_markdown(cells, len(options.model))
    write_atomic(options.output.with_suffix(".md"), table)
    sys.stdout.write(table)


def measure(
    name: str, model: nn.Module, test: data.ImageSet, unlabelled: np.ndarray, sparsities: list[float]
) -> list[Cell]:
    """Fold one network in every way and test each."""
    example = torch.from_numpy(test.images[:1])
    planned = engine.plan(model, example)
    norms = any("BatchNorm" in type(module).__name__ for module in model.modules())
    studies = {real: engine.study(planned, images=unlabelled if real else None) for real in (False, True)}
    costs = planned.costs
    cells = [
        Cell(name, "dense", "", "", 0, 0.0, costs.total, costs.total_macs, peak(model, example), accuracy(model, test))
    ]
    for method, budget, repair, real in NORM_ROWS if norms else ROWS:
        for sparsity in sparsities:
            widths = engine.choose_widths(studies[real], costs, sparsity, budget)
            folding = engine.fold_to(planned, widths, method, studied=studies[real], repair=repair)
            work = engine.restore(folding.work, model)
            cells.append(
                Cell(
                    name, method, budget, repair, len(unlabelled) if real else 0, sparsity,
                    costs.parameters(widths), costs.macs(widths), peak(work, example), accuracy(work, test),
                )
            )  # fmt: skip
            sys.stderr.write(f"{cells[-1]}\n")
    return cells


def accuracy(model: nn.Module, test: data.ImageSet) -> float:
    """Return the top-1 accuracy."""
    assert test.labels is not None
    right = 0
    with torch.no_grad():
        for start in range(0, len(test.images), 250):
            logits = model.eval()(torch.from_numpy(test.images[start : start + 250]))
            right += int((logits.argmax(1).numpy() == test.labels[start : start + 250]).sum())
    return right / len(test.images)


def peak(model: nn.Module, example: torch.Tensor) -> int:
    """Return the largest sum of a layer's input and output elements: what int8 execution needs in bytes, at least."""
    sizes = [0]

    def note(module: nn.Module, arguments: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        sizes.append(arguments[0].numel() + output.numel())

    handles = [m.register_forward_hook(note) for m in model.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    with torch.no_grad():
        model.eval()(example)
    for handle in handles:
        handle.remove()
    return max(sizes)


def as_csv(cells: list[Cell]) -> str:
    """Return all cells, one a line."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(Cell.__slots__)
    for cell in cells:
        writer.writerow([getattr(cell, field) for field in Cell.__slots__])
    return stream.getvalue()


def as_markdown(cells: list[Cell], models: int) -> str:
    """Return a table of accuracies: a row per way of folding, a column per sparsity."""
    dense = np.array([cell.accuracy for cell in cells if cell.method == "dense"])
    sparsities = sorted({cell.sparsity for cell in cells if cell.method != "dense"})
    lines = [
        f"Dense: {_figure(dense)}. {models} training{'s' if models > 1 else ''}"
        + (", mean ± standard deviation." if models > 1 else "."),
        "",
        "| method | widths | repair | images | " + " | ".join(f"{s:.0%}" for s in sparsities) + " |",
        "|---|---|---|---|" + "---|" * len(sparsities),
    ]
    kinds = dict.fromkeys((c.method, c.budget, c.repair, c.images) for c in cells if c.method != "dense")
    for kind in kinds:
        found = [c for c in cells if (c.method, c.budget, c.repair, c.images) == kind]
        figures = [_figure(np.array([c.accuracy for c in found if c.sparsity == s])) for s in sparsities]
        lines.append("| " + " | ".join([*map(str, kind), *figures]) + " |")
    lines += [
        "",
        "| widths | | " + " | ".join(f"{s:.0%}" for s in sparsities) + " |",
        "|---|---|" + "---|" * len(sparsities),
    ]
    for budget in dict.fromkeys(kind[1] for kind in kinds):
        for label, field in (("MACs", "macs"), ("largest layer, input + output", "peak_activations")):
            chosen = [next(c for c in cells if c.budget == budget and c.sparsity == s) for s in sparsities]
            lines.append(f"| {budget} | {label} | " + " | ".join(f"{getattr(c, field):,}" for c in chosen) + " |")
    return "\n".join(lines) + "\n"


def _figure(values: np.ndarray) -> str:
    mean = f"{values.mean():.4f}".removeprefix("0")
    return mean if len(values) == 1 else f"{mean} ± {values.std(ddof=1):.4f}"


if __name__ == "__main__":
    main()
