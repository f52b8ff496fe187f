"""What the figures measure, on networks small enough to know the answer; and what they refuse."""

from __future__ import annotations

import csv
import itertools
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from foldtiny.errors import UsageError
from foldtiny.figures import FigureOptions, Source, correlation, draw, layers, similarity, variance
from foldtiny.fold.repair import recalibrate
from foldtiny.pipeline import figures as pipeline

SHAPE = (1, 8, 8)


def _silent(*_: object) -> None:
    return None


class Small(nn.Module):
    """Two convolutions with BatchNorm, and a classifier."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.first = nn.Conv2d(1, 6, 3)
        self.norm = nn.BatchNorm2d(6)
        self.second = nn.Conv2d(6, 8, 3)
        self.norm2 = nn.BatchNorm2d(8)
        self.last = nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.norm(self.first(x)))
        x = torch.relu(self.norm2(self.second(x)))
        return self.last(x.mean((2, 3)))


def _source(count: int = 24, **fields: object) -> Source:
    rng = np.random.default_rng(0)
    images = rng.random((count, *SHAPE)).astype(np.float32)
    labels = rng.integers(0, 3, count).astype(np.int64)
    module = Small()
    recalibrate(module, torch.from_numpy(images))  # running statistics that fit the images
    values = {"images": images, "labels": labels, "dataset": "noise", "unlabelled": images, **fields}
    return Source("small", module.eval(), SHAPE, **values)  # type: ignore[arg-type]


def test_similar_channels_become_neighbours() -> None:
    rng = np.random.default_rng(1)
    base = rng.normal(size=(3, 20))
    rows = np.concatenate([base, 2.0 * base, base + 0.01])
    order = similarity.ordered(rows, layers.cosine(rows))
    kinds = [int(channel) % 3 for channel in order]
    assert sorted(order) == list(range(9))
    assert sum(a != b for a, b in itertools.pairwise(kinds)) == 2


def test_cosine_of_a_channel_of_zeros_is_zero() -> None:
    found = layers.cosine(np.array([[1.0, 0.0], [0.0, 0.0], [-2.0, 0.0]]))
    assert np.array_equal(found, [[1, 0, -1], [0, 0, 0], [-1, 0, 1]])


def test_correlations_are_numpys() -> None:
    rows = np.random.default_rng(0).normal(size=(4, 50)) + 3.0
    assert np.allclose(correlation.correlations(rows), np.corrcoef(rows))


def test_the_variance_ratio_of_scaled_activations() -> None:
    """A BatchNorm whose gain is halved leaves a quarter of the variance; of two layers the geometric mean counts."""
    source = _source()
    assert source.images is not None
    dense = variance.variances(source.module, source.images)
    assert set(dense) == {"norm", "norm2"}
    assert variance.variance_ratio(dense, dense) == pytest.approx(1.0)
    halved = Small()
    halved.load_state_dict(source.module.state_dict())
    with torch.no_grad():
        halved.norm2.weight.mul_(0.5)
    found = variance.variances(halved.eval(), source.images)
    assert found["norm"] == pytest.approx(dense["norm"])
    assert found["norm2"] == pytest.approx(dense["norm2"] / 4)
    assert variance.variance_ratio(dense, found) == pytest.approx(0.5)


def test_every_repair_is_drawn(tmp_path: Path) -> None:
    files = draw(4, [_source()], FigureOptions(sparsities=(0.3, 0.5)), tmp_path, _silent)
    rows = list(csv.DictReader(files[2].read_text().splitlines()))
    assert [(row["repair"], row["sparsity"]) for row in rows[1:]] == [
        (repair, sparsity) for repair in ("none", "ar", "dir", "data") for sparsity in ("0.3", "0.5")
    ]
    ratios = {(row["repair"], row["sparsity"]): float(row["variance_ratio"]) for row in rows[1:]}
    # Averages of channels vary less than channels; statistics measured again on these very images put that right.
    assert ratios["none", "0.5"] < 0.9
    assert ratios["data", "0.5"] == pytest.approx(1.0, abs=0.1)


def test_the_same_bytes_again_and_the_users_settings_untouched(tmp_path: Path) -> None:
    import matplotlib as mpl

    mpl.rcParams["font.size"] = 23.0
    first = draw(1, [_source()], FigureOptions(), tmp_path / "a", _silent)
    second = draw(1, [_source()], FigureOptions(), tmp_path / "b", _silent)
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert mpl.rcParams["font.size"] == 23.0


@pytest.mark.parametrize(
    ("number", "source", "options", "text"),
    [
        (
            1,
            _source(),
            FigureOptions(layer="third"),
            "small has no convolution or linear layer 'third' (it has first, second, last); "
            "name one of these with --layer",
        ),
        (
            2,
            _source(images=None),
            FigureOptions(),
            "figure 2 shows what images do in small, and there are none; "
            "give some with --data, such as npz:FILE or npy:FILE",
        ),
        (
            4,
            Source("plain", nn.Sequential(nn.Flatten(), nn.Linear(64, 3)), SHAPE),
            FigureOptions(),
            "figure 4 compares repairs of BatchNorm, and plain has none; train one that has and draw it: "
            "`foldtiny train --model resnet18 --width 0.25 --epochs 6 -o resnet18.pt`, then --model resnet18.pt",
        ),
        (
            5,
            _source(labels=None),
            FigureOptions(),
            "figure 5 shows accuracy, and there are no labelled images for small; "
            "give some with --data, such as fashion-mnist or npz:FILE",
        ),
        (
            5,
            _source(),
            FigureOptions(sparsities=(0.0,)),
            "figure 5 has no sparsity to show but 0; give some above 0, such as --sparsity 0.5",
        ),
    ],
)
def test_what_cannot_be_drawn(number: int, source: Source, options: FigureOptions, text: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        draw(number, [source], options, tmp_path, _silent)
    assert str(caught.value) == text
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        (
            pipeline.FiguresRequest(figures=(1, 3)),
            "--figure is 3 (allowed: 1, 2, 4, 5); "
            "choose one of these; figure 3 of the paper is a drawing of the method",
        ),
        (pipeline.FiguresRequest(limit=-1), "--limit is -1 (allowed: 0 or more); 0 takes all test images"),
        (
            pipeline.FiguresRequest(models=("a.pt", "b.pt"), weights=Path("w.pt")),
            "--weights goes with one --model; give checkpoints, or draw one network at a time",
        ),
        (
            pipeline.FiguresRequest(options=FigureOptions(sparsities=(1.5,))),
            "--sparsity is 1.5 (allowed: from 0 up to, but not including, 1); "
            "give fractions of the parameters, such as --sparsity 0.25 --sparsity 0.5",
        ),
    ],
)
def test_wrong_options(request_: pipeline.FiguresRequest, text: str) -> None:
    with pytest.raises(UsageError) as caught:
        request_.check()
    assert str(caught.value) == text


COLUMNS = {
    1: ["network", "layer", "channel", "other", "place", "place_of_other", "cosine_similarity"],
    2: [
        "network", "layer", "channels", "weights_cosine_mean", "matched_mean", "matched_q25", "matched_median",
        "matched_q75", "random_mean",
    ],
    5: ["network", "method", "repair", "sparsity", "accuracy", "images"],
}  # fmt: skip
LABELS = {
    1: {"output channel, reordered", "lenet5, features.0: weights", "cosine"},
    2: {"correlation", "layer, first to last", "outputs of matched channels"},
    5: {"parameters removed", "accuracy, 60 images of Fashion-MNIST subset (test)", "L1 magnitude pruning"},
}


@pytest.mark.slow
def test_the_command_on_the_shipped_network(tmp_path: Path) -> None:
    """Without --figure: all that LeNet5 allows, and a word on the one that it does not."""
    from PIL import Image

    done = subprocess.run(
        [
            sys.executable, "-m", "foldtiny", "figures", "--data", "subset", "--limit", "60", "--sparsity", "0.5",
            "-o", str(tmp_path),
        ],
        capture_output=True, text=True, timeout=300, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "figure 4 left out: figure 4 compares repairs of BatchNorm, and lenet5 has none; train one" in done.stdout
    written = {f"figure{number}.{kind}" for number in (1, 2, 5) for kind in ("png", "svg", "csv")}
    assert {path.name for path in tmp_path.iterdir()} == written
    for number, columns in COLUMNS.items():
        with Image.open(tmp_path / f"figure{number}.png") as picture:
            assert min(picture.size) > 300
            assert len(picture.convert("RGB").getcolors(1 << 24) or ()) > 20
        with (tmp_path / f"figure{number}.csv").open() as stream:
            rows = list(csv.DictReader(stream))
        assert rows and list(rows[0]) == columns
        tree = ET.parse(tmp_path / f"figure{number}.svg")
        texts = {text.text for text in tree.iter("{http://www.w3.org/2000/svg}text")}
        assert texts >= LABELS[number]
    accuracies = {row["method"]: float(row["accuracy"]) for row in rows if row["repair"] == "none"}
    assert accuracies["dense"] > 0.85 and accuracies["combination"] > 0.8
