"""Accuracy of a folded network for every method and sparsity, as CSV and Markdown.

    python benchmarks/folding_table.py                      # LeNet5: the shipped checkpoint and three more trainings
    python benchmarks/folding_table.py --network resnet18   # ResNet18 x0.25, BatchNorm repairs
    python benchmarks/folding_table.py --only combination   # these methods again, the rest from the CSV

Trainings that are missing from --checkpoints are made first (LeNet5: some 6 minutes each on one core), with the
recipe of ``foldtiny train --model lenet5 --data fashion-mnist --epochs 16 --seed N``. Several trainings give mean and
standard deviation. Real images, where a row uses any, are the 512 training images of the calibration split, without
their labels.
"""

from __future__ import annotations

import argparse
import csv
import io
import sys
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from torch import nn

from foldtiny import data
from foldtiny.fold import engine
from foldtiny.resources import write_atomic
from foldtiny.zoo import checkpoint

SPARSITIES = (0.1, 0.25, 0.5, 0.7, 0.8, 0.9)
DATA = "fashion-mnist"
BASELINES = ("ward", "kmeans", "ifm", "random", "l1", "l2")


@dataclass(frozen=True, slots=True)
class Network:
    """A network of the zoo, how it is trained for this table, and which trainings are there."""

    epochs: int
    width: float | None
    seeds: tuple[int, ...]
    output: str


NETWORKS = {
    "lenet5": Network(16, None, (0, 1, 2, 3), "lenet5_folding"),
    "resnet18": Network(6, 0.25, (0,), "resnet18_folding"),
    "vgg11-bn": Network(8, 0.25, (0,), "vgg11_bn_folding"),
}

Row = tuple[str, str, str, bool]
#: (method, budget, repair, real images)
ROWS: list[Row] = [
    *[(m, "uniform", "none", False) for m in ("combination", "scale-aware", *BASELINES)],
    ("ward", "uniform", "ls", False),
    ("combination", "uniform", "none", True),
    ("ward", "uniform", "ls", True),
    ("l1", "uniform", "ls", True),
    *[(m, "params", "none", False) for m in ("combination", "scale-aware", *BASELINES)],
    ("combination", "params", "none", True),
]
#: Rows for networks with BatchNorm. Fold-AR leaves a combination as it is.
NORM_ROWS: list[Row] = [
    (method, "uniform", repair, repair == "data")
    for method in ("combination", "ward", "kmeans", "l1")
    for repair in ("none", "ar", "dir", "data")
    if (method, repair) != ("combination", "ar")
]


@dataclass(frozen=True, slots=True)
class Cell:
    """One folding of one network."""

    seed: int
    method: str
    budget: str
    repair: str
    images: int
    sparsity: float
    parameters: int
    macs: int
    peak_activations: int
    accuracy: float

    @property
    def row(self) -> Row:
        """The row of the table that it stands in."""
        return self.method, self.budget, self.repair, self.images > 0

    @property
    def key(self) -> Key:
        """What tells it from all others."""
        return self.seed, self.row, self.sparsity


Key = tuple[int, Row, float]


def main() -> None:
    """Parse, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", choices=NETWORKS, default="lenet5")
    parser.add_argument("--seeds", type=int, nargs="+", help="trainings to fold (seed 0 of LeNet5 is the shipped one)")
    parser.add_argument("--checkpoints", type=Path, default=Path("build/folding"), help="where the trainings lie")
    parser.add_argument("--output", type=Path, help="without suffix (default: docs/tables/...)")
    parser.add_argument("--sparsity", type=float, nargs="+", default=list(SPARSITIES))
    parser.add_argument(
        "--only", nargs="+", help="measure METHOD, METHOD:BUDGET or METHOD:REPAIR, keep the rest of the CSV"
    )
    parser.add_argument("--limit", type=int, help="test images to use")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    network = NETWORKS[options.network]
    output = options.output or Path("docs/tables") / network.output
    rows = NORM_ROWS if options.network != "lenet5" else ROWS
    wanted = [
        row
        for row in rows
        if not options.only or {row[0], f"{row[0]}:{row[1]}", f"{row[0]}:{row[2]}"} & set(options.only)
    ]
    seeds = options.seeds or network.seeds
    earlier = output.with_suffix(".csv")
    cells = from_csv(earlier) if options.only and earlier.exists() else {}
    for seed in seeds:
        loaded = checkpoint.load_model(trained(options.network, seed, options.checkpoints))
        test = data.load(DATA, "test", input_shape=loaded.input_shape, limit=options.limit)
        unlabelled = data.load(DATA, "calibration", input_shape=loaded.input_shape).images[:512]
        cells |= measure(seed, loaded.module, test, unlabelled, options.sparsity, wanted)
        write_atomic(output.with_suffix(".csv"), as_csv(cells.values()))
    order = [("dense", "", "", False), *rows]
    chosen = [c for row in order for c in cells.values() if c.row == row and c.seed in seeds]
    write_atomic(output.with_suffix(".csv"), as_csv(chosen))
    table = as_markdown(chosen)
    write_atomic(output.with_suffix(".md"), table)
    sys.stdout.write(table)


def trained(name: str, seed: int, folder: Path) -> str:
    """Return the checkpoint of one training, which is made if it is not there."""
    if name == "lenet5" and seed == 0:
        return "default"
    path, network = folder / f"{name}_{seed}.pt", NETWORKS[name]
    if not path.exists():
        from foldtiny.train import train

        sys.stderr.write(f"training {path}\n")
        train(name, DATA, out=path, epochs=network.epochs, seed=seed, width=network.width)
    return str(path)


def measure(
    seed: int,
    model: nn.Module,
    test: data.ImageSet,
    unlabelled: np.ndarray,
    sparsities: list[float],
    rows: list[Row],
) -> dict[Key, Cell]:
    """Fold one network in every way and test each."""
    example = torch.from_numpy(test.images[:1])
    planned = engine.plan(model, example)
    studies = {real: engine.study(planned, images=unlabelled if real else None) for real in (False, True)}
    costs = planned.costs
    dense = Cell(
        seed, "dense", "", "", 0, 0.0, costs.total, costs.total_macs, peak(model, example), accuracy(model, test)
    )
    cells = {dense.key: dense}
    for method, budget, repair, real in rows:
        for sparsity in sparsities:
            widths = engine.choose_widths(studies[real], costs, sparsity, budget)
            folding = engine.fold_to(planned, widths, method, studied=studies[real], repair=repair)
            work = engine.restore(folding.work, model)
            cell = Cell(
                seed, method, budget, repair, len(unlabelled) if real else 0, sparsity,
                costs.parameters(widths), costs.macs(widths), peak(work, example), accuracy(work, test),
            )  # fmt: skip
            cells[cell.key] = cell
            sys.stderr.write(f"{cell}\n")
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


def as_csv(cells: Iterable[Cell]) -> str:
    """Return all cells, one a line."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    names = [field.name for field in fields(Cell)]
    writer.writerow(names)
    for cell in cells:
        writer.writerow([getattr(cell, name) for name in names])
    return stream.getvalue()


def from_csv(path: Path) -> dict[Key, Cell]:
    """Return the cells of an earlier run."""
    kinds = {"seed": int, "images": int, "parameters": int, "macs": int, "peak_activations": int}
    kinds |= {"sparsity": float, "accuracy": float}
    with path.open(newline="") as stream:
        found = [
            Cell(**{name: kinds.get(name, str)(text) for name, text in row.items()}) for row in csv.DictReader(stream)
        ]
    return {cell.key: cell for cell in found}


def as_markdown(cells: list[Cell]) -> str:
    """Return the tables: accuracies, what the default gains on the others, and what the widths cost."""
    dense = np.array([cell.accuracy for cell in cells if cell.method == "dense"])
    sparsities = sorted({cell.sparsity for cell in cells if cell.method != "dense"})
    rows = list(dict.fromkeys(cell.row for cell in cells if cell.method != "dense"))
    many = len(dense) > 1
    lines = [
        f"Dense: {_figure(dense)}. {len(dense)} training{'s, mean ± standard deviation' if many else ''}.",
        "",
        *_header("| method | widths | repair | images |", sparsities),
    ]
    for row in rows:
        figures = [_figure(_values(cells, row, s)) for s in sparsities]
        lines.append("| " + " | ".join([*row[:3], "512" if row[3] else "0", *figures]) + " |")
    if many:
        lines += ["", *_header("| `combination` ahead of | widths |", sparsities)]
        for row in rows:
            if row[0] in BASELINES and row[2:] == ("none", False):
                ours = ("combination", *row[1:])
                gains = [_gain(_values(cells, ours, s) - _values(cells, row, s)) for s in sparsities]
                lines.append("| " + " | ".join([*row[:2], *gains]) + " |")
    lines += ["", *_header("| widths | |", sparsities)]
    for budget in dict.fromkeys(row[1] for row in rows):
        for label, field in (
            ("parameters", "parameters"),
            ("MACs", "macs"),
            ("RAM: largest layer's input + output, int8 bytes", "peak_activations"),
        ):
            same = [c for c in cells if c.row == ("combination", budget, "none", False)]
            means = [np.mean([getattr(c, field) for c in same if c.sparsity == s]) for s in sparsities]
            lines.append(f"| {budget} | {label} | " + " | ".join(f"{mean:,.0f}" for mean in means) + " |")
    return "\n".join(lines) + "\n"


def _header(start: str, sparsities: list[float]) -> list[str]:
    columns = start.count("|") - 1 + len(sparsities)
    return [start + " " + " | ".join(f"{s:.0%}" for s in sparsities) + " |", "|" + "---|" * columns]


def _values(cells: list[Cell], row: Row, sparsity: float) -> np.ndarray:
    """Return the accuracies of a row at a sparsity, in the order of the trainings."""
    return np.array([c.accuracy for c in sorted(cells, key=lambda c: c.seed) if (c.row, c.sparsity) == (row, sparsity)])


def _figure(values: np.ndarray) -> str:
    mean = f"{values.mean():.4f}".removeprefix("0")
    return mean if len(values) == 1 else f"{mean} ± {values.std(ddof=1):.4f}".replace("± 0.", "± .")


def _gain(differences: np.ndarray) -> str:
    """Return the mean of paired differences and its standard error, in points."""
    return f"{100 * differences.mean():+.2f} ± {100 * differences.std(ddof=1) / len(differences) ** 0.5:.2f}"


if __name__ == "__main__":
    main()
