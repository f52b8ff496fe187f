"""The fit that ends a combination, the statistics that follow it, and the images that both run on."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import foldtiny.fold
from foldtiny import zoo
from foldtiny.fold import engine, refit, synthetic
from foldtiny.fold.merge import rescale
from foldtiny.fold.repair import recalibrate
from tests.fold import nets
from tests.fold.test_repair import error, repaired, trained_like

CONVOLUTIONS = [
    nn.Conv2d(3, 5, 3),
    nn.Conv2d(3, 5, 3, stride=2, padding=1, bias=False),
    nn.Conv2d(3, 5, (2, 5), stride=(1, 2), padding=(1, 3), dilation=(2, 1)),
    nn.Conv2d(3, 5, (3, 5), padding="same", dilation=(2, 1)),
    nn.Conv2d(3, 5, 1, padding="valid"),
]


@pytest.mark.parametrize("layer", CONVOLUTIONS, ids=str)
def test_what_a_convolution_reads_explains_what_it_computes(layer: nn.Conv2d) -> None:
    features = torch.randn(2, 3, 12, 13, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        target = refit._chosen(layer, layer(features), seed=0)
        found = refit._patches(layer, features, seed=0) @ layer.weight.flatten(1).T
        torch.testing.assert_close(found if layer.bias is None else found + layer.bias, target)


@pytest.mark.parametrize("count", [6, 40])
def test_fit_minimises_the_error_and_the_pull(count: int) -> None:
    """Fewer examples than weights, and more: the gradient of what is minimised is zero at the solution."""
    generator = torch.Generator().manual_seed(0)
    features, target = (torch.randn(count, n, generator=generator, dtype=torch.float64) for n in (10, 3))
    layer = nn.Linear(10, 3).double()
    start = layer.weight.detach().clone()
    refit._solve(layer, features, target, strength=0.5)
    weight = layer.weight.detach().clone().requires_grad_()
    strength = 0.5 * (1 + refit._SCARCITY * 10 / count) * float((features - features.mean(0)).square().mean())
    fit = (features @ weight.T + layer.bias.detach() - target).square().sum() / count
    (fit + strength * (weight - start).square().sum()).backward()
    assert weight.grad is not None
    torch.testing.assert_close(weight.grad, torch.zeros_like(weight), rtol=0, atol=1e-9)


def test_fit_leaves_a_layer_that_is_right() -> None:
    layer = nn.Linear(4, 3)
    features = torch.randn(9, 4)
    before = layer.weight
    refit._solve(layer, features.double(), layer(features).detach().double(), strength=0.5)
    assert layer.weight is before


def test_combination_ends_with_a_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    model, images = trained_like()
    fitted = error(model, repaired(model, images, "none", "combination").module, images)
    monkeypatch.setattr(engine, "REFITTED", frozenset())
    assert fitted < 0.8 * error(model, repaired(model, images, "none", "combination").module, images)


def test_repairs_without_data_are_in_the_order_of_what_they_know(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "INVERTED", 16)
    model, images = trained_like()
    errors = [error(model, repaired(model, images, name).module, images) for name in ("none", "ar", "dir", "data")]
    assert errors == sorted(errors, reverse=True)


def test_statistics_stay_where_folding_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The inverted images have other statistics than those stored; only what folding changes may count."""
    monkeypatch.setattr(engine, "INVERTED", 4)
    model, inputs = nets.shake(zoo.create("resnet8"), 1), torch.randn(2, 3, 32, 32)
    dense = engine.plan(model, inputs)
    wide = nets.widen(model, dense.groups, np.random.default_rng(1))
    widths = {group.name: group.width for group in dense.groups}
    work = engine.restore(engine.fold_to(engine.plan(wide, inputs), widths, "ward", repair="dir").work, wide)
    with torch.no_grad():
        torch.testing.assert_close(work(inputs), model(inputs), rtol=0, atol=1e-4)


def test_statistics_can_be_measured_after_channels_were_rescaled() -> None:
    """Scale-aware folding divides channels by their lengths; BatchNorms measured again must not undo that."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 2, 1)).eval()
    images = torch.randn(32, 3, 8, 8)
    recalibrate(model, images)
    (group,) = engine.plan(model, images[:1]).groups
    with torch.no_grad():
        expected = model(images)
        rescale(model, group, np.array([0.5, 2.0, 3.0, 1.0, 0.25, 4.0]))
        torch.testing.assert_close(model(images), expected)
        recalibrate(model, images)
        torch.testing.assert_close(model(images), expected, rtol=1e-3, atol=1e-3)


def test_synthetic_images_fall_into_all_classes() -> None:
    model = nets.shake(zoo.create("lenet5", width=0.5), 0)
    planned = engine.plan(model, torch.zeros(1, 1, 32, 32))
    images = synthetic.sample(planned.work, planned.inputs, planned.costs.total_macs, seed=0)
    # 16 dead leaves (see conftest), 16 made of more, and all of them dimmed.
    assert images.shape == (64, 1, 32, 32) and images.dtype == np.float32
    assert images.min() >= 0 and images.max() <= 1
    brightest = images.max((1, 2, 3))
    assert (brightest[32:] <= brightest[:32]).all() and (brightest[32:] >= 0.3 * brightest[:32]).all()
    with torch.no_grad():
        found = [len(model(torch.from_numpy(part)).argmax(1).unique()) for part in (images[:16], images[16:32])]
    assert found[1] > found[0]
    # Where a pass is dear, eight dead leaves have to do.
    assert synthetic.sample(planned.work, planned.inputs, 10**11, seed=0).shape == (8, 1, 32, 32)


def test_brightness_is_what_batchnorm_says_where_there_is_one() -> None:
    model = zoo.create("resnet8", width=0.5)
    planned = engine.plan(model, torch.zeros(1, 3, 32, 32))
    assert len(synthetic.sample(planned.work, planned.inputs, planned.costs.total_macs, seed=0)) == 32


def test_combination_beats_ward_without_data() -> None:
    model, images = trained_like(2)
    example = torch.from_numpy(images[:1])
    ours, ward = (
        foldtiny.fold.fold(model, example, sparsity=0.5, method=name).module for name in ("combination", "ward")
    )
    assert error(model, ours, images) < 0.5 * error(model, ward, images)
