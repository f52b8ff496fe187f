"""Repairs: what they restore, and what users get wrong with them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import foldtiny.fold
from foldtiny import zoo
from foldtiny.errors import DataError, UsageError
from foldtiny.fold import engine
from foldtiny.fold.inversion import invert
from foldtiny.fold.repair import recalibrate
from foldtiny.fold.synthetic import leaves
from tests.fold import nets


def trained_like(seed: int = 0) -> tuple[nn.Module, np.ndarray]:
    """A network with BatchNorm whose statistics are those of some images."""
    model = nets.shake(zoo.create("resnet8"), seed)
    images = torch.rand(64, 3, 32, 32, generator=torch.Generator().manual_seed(seed))
    images = torch.nn.functional.avg_pool2d(images, 5, 1, 2)
    recalibrate(model, images)
    return model, images.numpy()


def error(model: nn.Module, other: nn.Module, images: np.ndarray) -> float:
    with torch.no_grad():
        expected = model(torch.from_numpy(images))
        return float((other(torch.from_numpy(images)) - expected).square().mean() / expected.var())


def repaired(model: nn.Module, images: np.ndarray, repair: str, method: str = "ward") -> foldtiny.fold.FoldedModel:
    given = images if repair in ("data", "ls") else None
    example = torch.from_numpy(images[:1])
    return foldtiny.fold.fold(model, example, sparsity=0.5, method=method, repair=repair, images=given)


def test_real_images_repair_best() -> None:
    model, images = trained_like()
    errors = {name: error(model, repaired(model, images, name).module, images) for name in ("none", "data", "ls")}
    assert errors["ls"] < errors["data"] < errors["none"]


def test_fold_ar_restores_the_variance() -> None:
    """16 channels with orthogonal filters folded to 4: averages of 4 lose half of the deviation; Fold-AR gives it back.

    1 / sqrt(n / (1 + (n - 1) E[c])) = 1/2 for n = 4 and correlation 0.
    """
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(16, 16, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 2, 1))
    with torch.no_grad():
        model[0].weight.copy_(torch.linalg.qr(torch.randn(16, 16))[0].reshape(16, 16, 1, 1))
    model.eval()
    planned = engine.plan(model, torch.randn(1, 16, 4, 4))
    inputs = torch.randn(200, 16, 4, 4)

    def deviation(repair: str) -> torch.Tensor:
        work = engine.restore(engine.fold_to(planned, {"0": 4}, "ward", repair=repair).work, model)
        with torch.no_grad():
            return work[:2](inputs).std((0, 2, 3))

    lost, restored = deviation("none"), deviation("ar")
    assert (lost < 0.75).all()
    np.testing.assert_allclose(restored.numpy(), np.ones(4), atol=0.05)


def test_fold_ar_leaves_equal_channels_equal() -> None:
    model = nets.shake(zoo.create("resnet8"), 1)
    inputs = torch.randn(2, 3, 32, 32)
    dense = engine.plan(model, inputs)
    wide = nets.widen(model, dense.groups, np.random.default_rng(1))
    planned = engine.plan(wide, inputs)
    widths = {group.name: group.width for group in dense.groups}
    work = engine.restore(engine.fold_to(planned, widths, "ward", repair="ar").work, wide)
    with torch.no_grad():
        torch.testing.assert_close(work(inputs), model(inputs), rtol=0, atol=1e-4)


def test_recalibration_measures_the_statistics_of_the_images() -> None:
    norm = nn.BatchNorm2d(3).eval()
    images = torch.randn(128, 3, 5, 5) * 2 + 1
    recalibrate(norm, images)
    torch.testing.assert_close(norm.running_mean, images.mean((0, 2, 3)), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(norm.running_var, images.var((0, 2, 3)), rtol=0.05, atol=0.05)
    assert not norm.training and norm.momentum == 0.1


def test_inversion_brings_statistics_closer() -> None:
    model, _ = trained_like()
    labels: list[str] = []
    start = leaves((8, 3, 32, 32), np.random.default_rng(0))
    before = torch.from_numpy(start)
    after = invert(model, start, steps=25, progress=lambda label, fraction: labels.append(label))
    assert torch.equal(after, invert(model, start, steps=25))
    assert after.min() >= 0 and after.max() <= 1 and labels == ["invert"] * 25

    def mismatch(images: torch.Tensor) -> float:
        """Mean squared difference of the means that BatchNorms see and store, in deviations."""
        found: list[float] = []

        def note(norm: nn.BatchNorm2d, arguments: tuple[torch.Tensor], _: torch.Tensor) -> None:
            shift = (arguments[0].mean((0, 2, 3)) - norm.running_mean) / norm.running_var.sqrt()
            found.append(float(shift.square().mean()))

        handles = [m.register_forward_hook(note) for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
        with torch.no_grad():
            model(images)
        for handle in handles:
            handle.remove()
        return sum(found) / len(found)

    assert mismatch(after) < 0.7 * mismatch(before)


def test_fold_dir_hands_its_images_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "INVERTED", 4)
    model, images = trained_like()
    result = repaired(model, images, "dir")
    assert result.images is not None and result.images.shape == (4, 3, 32, 32)
    assert repaired(model, images, "none").images is None


def test_least_squares_recovers_a_layer_that_folding_hurt() -> None:
    """The folded features still span what the consumer needs: the fit finds it, wherever folding left the weights."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 20), nn.ReLU(), nn.Linear(20, 3))
    images = np.random.default_rng(0).random((400, 5)).astype(np.float32)
    example = torch.from_numpy(images[:1])
    plain, fitted = (
        foldtiny.fold.fold(model, example, sparsity=0.5, method="ward", repair=repair, images=images).module
        for repair in ("none", "ls")
    )
    assert error(model, fitted, images) < 0.5 * error(model, plain, images)


def test_least_squares_without_images_helps_too() -> None:
    model, images = trained_like()
    example = torch.from_numpy(images[:1])
    plain, fitted = (
        foldtiny.fold.fold(model, example, sparsity=0.5, method="ward", repair=repair).module
        for repair in ("none", "ls")
    )
    assert error(model, fitted, images) < error(model, plain, images)


@pytest.mark.parametrize("repair", ["data"])
def test_repairs_that_need_images(repair: str) -> None:
    model, images = trained_like()
    with pytest.raises(UsageError) as caught:
        foldtiny.fold.fold(model, torch.from_numpy(images[:1]), sparsity=0.5, repair=repair)
    assert (
        str(caught.value)
        == f"repair {repair!r} needs images (found: none); give some, or repair with 'ls', 'ar' or 'dir'"
    )


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((4, 1, 32, 32)), "images have shape [4, 1, 32, 32] (allowed: at least one of shape [3, 32, 32])"),
        (np.zeros((0, 3, 32, 32)), "images have shape [0, 3, 32, 32] (allowed: at least one of shape [3, 32, 32])"),
        (np.full((2, 3, 32, 32), np.nan), "images hold NaN or infinite numbers"),
    ],
)
def test_images_that_do_not_fit(images: Any, message: str) -> None:
    model, _ = trained_like()
    with pytest.raises(DataError) as caught:
        foldtiny.fold.fold(model, torch.zeros(1, 3, 32, 32), sparsity=0.5, images=images)
    assert caught.value.message == message


def test_nothing_to_repair_is_said() -> None:
    model = nn.Sequential(nn.Linear(5, 20), nn.ReLU(), nn.Linear(20, 3))
    report = foldtiny.fold.fold(model, torch.zeros(1, 5), sparsity=0.5, repair="ar").report
    assert "repair 'ar' had nothing to do: the network has no BatchNorm" in report.notes
