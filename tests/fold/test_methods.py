"""Methods and budgets: what each promises beyond the duplicate property."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import foldtiny.fold
from foldtiny import zoo
from foldtiny.fold import combine, engine, evidence, synthetic
from foldtiny.fold.methods import METHODS
from tests.fold import nets


def hidden_layer(width: int = 24, inputs: int = 6) -> tuple[nn.Sequential, torch.Tensor]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, 3))
    return model, torch.rand(200, inputs)


def folded(model: nn.Module, inputs: torch.Tensor, width: int, method: str) -> nn.Module:
    planned = engine.plan(model, inputs[:1])
    (group,) = planned.groups
    return engine.restore(engine.fold_to(planned, {group.name: width}, method).work, model)


@pytest.mark.parametrize("method", list(METHODS))
def test_every_method_reaches_the_widths_and_says_what_it_did(method: str) -> None:
    model = nets.shake(zoo.create("resnet8"), 0)
    inputs = torch.randn(1, 3, 32, 32)
    result = foldtiny.fold.fold(model, inputs, sparsity=0.6, method=method)
    assert 0.6 <= result.report.sparsity < 0.61
    assert {group.method for group in result.report.groups} == {method}
    again = foldtiny.fold.fold(model, inputs, sparsity=0.6, method=method)
    assert all(torch.equal(a, b) for a, b in zip(result.module.parameters(), again.module.parameters(), strict=True))


@pytest.mark.parametrize("method", ["scale-aware", "combination"])
def test_channels_that_differ_in_scale_fold_exactly(method: str) -> None:
    """relu(a z) = a relu(z): 6 directions, 24 channels; mean merging loses here, scales do not."""
    model, inputs = hidden_layer()
    labels = torch.arange(24) % 6
    scale = torch.rand(24) * 4 + 0.25
    with torch.no_grad():
        model[0].weight.copy_(torch.randn(6, 6)[labels] * scale[:, None])
        model[0].bias.copy_(torch.randn(6)[labels] * scale)
        expected = model(inputs)
        difference = (folded(model, inputs, 6, method)(inputs) - expected).abs().max()
        plain = (folded(model, inputs, 6, "ward")(inputs) - expected).abs().max()
    # The ridge on the second moments keeps the combination from being exact.
    assert difference < (1e-5 if method == "scale-aware" else 0.05 * float(plain))
    assert plain > 0.1


def test_scale_aware_says_where_it_does_not_apply() -> None:
    model = nn.Sequential(nn.Linear(6, 12), nn.GELU(), nn.Linear(12, 12), nn.ReLU(), nn.Linear(12, 2))
    report = foldtiny.fold.fold(model, torch.zeros(1, 6), sparsity=0.5, method="scale-aware").report
    assert [group.method for group in report.groups] == ["ward", "scale-aware"]


def test_l1_and_l2_keep_the_largest_filters() -> None:
    model, inputs = hidden_layer(4, 2)
    with torch.no_grad():
        # L1 norms 3, 2, 2.2, 1; L2 norms 2.12, 2, 1.56, 1.
        model[0].weight.copy_(torch.tensor([[1.5, 1.5], [2.0, 0.0], [1.1, -1.1], [0.0, 1.0]]))
    assert folded(model, inputs, 2, "l1")[0].weight.tolist() == [[1.5, 1.5], pytest.approx([1.1, -1.1])]
    assert folded(model, inputs, 2, "l2")[0].weight.tolist() == [[1.5, 1.5], [2.0, 0.0]]


def test_ifm_merges_the_closest_pair_first() -> None:
    model, inputs = hidden_layer(3, 2)
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[0.0, 1.0], [5.0, 0.0], [5.1, 0.0]]))
        model[0].bias.zero_()
        model[2].weight.copy_(torch.ones(3, 3))
    module = folded(model, inputs, 2, "ifm")
    torch.testing.assert_close(module[0].weight, torch.tensor([[0.0, 1.0], [5.05, 0.0]]))
    torch.testing.assert_close(module[2].weight, torch.tensor([[1.0, 2.0]] * 3))


def test_arc_cosine_kernel_is_the_expectation() -> None:
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((5, 3))
    sampled = np.maximum(rng.standard_normal((400_000, 3)) @ rows.T, 0)
    # 400,000 samples: the standard error is below 0.01 for moments of this size.
    np.testing.assert_allclose(combine.arc_cosine(rows @ rows.T), sampled.T @ sampled / len(sampled), atol=0.05)


def test_elimination_is_the_optimal_brain_surgeon_step() -> None:
    """The first cost equals the error of the best linear redistribution, by brute force over all channels."""
    model, inputs = hidden_layer(8)
    planned = engine.plan(model, inputs[:1])
    (group,) = planned.groups
    study = engine.study(planned)
    found = study.elimination(group, 1)
    (reader,) = found.readers
    costs = []
    for gone in range(8):
        rest = np.delete(np.arange(8), gone)
        k = reader.moments
        residual = k[gone, gone] - k[gone, rest] @ np.linalg.solve(k[np.ix_(rest, rest)], k[rest, gone])
        costs.append(reader.gram[gone, gone] * residual)
    assert found.order[0] == int(np.argmin(costs))
    assert found.costs[0] == pytest.approx(min(costs))
    assert sorted([*found.order, *np.setdiff1d(np.arange(8), found.order)]) == list(range(8))


def test_moments_and_output_weights_are_measured_where_they_are_used() -> None:
    model, inputs = hidden_layer(8)
    planned = engine.plan(model, inputs[:1])
    images = inputs.numpy()
    measured = evidence.gather(planned.work, planned.inputs, planned.groups, macs=1, images=images)
    features = torch.relu(model[0](inputs)).detach().double().numpy()
    np.testing.assert_allclose(measured.moments["0", "2"], features.T @ features / len(features), rtol=1e-4, atol=1e-6)
    # The consumer is the last layer: the gradient of a sum of +-outputs is +-1.
    np.testing.assert_allclose(measured.weights["2"], np.ones(3), rtol=1e-6)
    assert not measured.synthetic and study_is_synthetic(planned)


def study_is_synthetic(planned: engine.Plan) -> bool:
    return engine.study(planned).evidence.synthetic


def test_dead_leaves_are_images() -> None:
    images = synthetic.leaves((16, 3, 24, 20), np.random.default_rng(0))
    assert images.shape == (16, 3, 24, 20) and images.dtype == np.float32
    assert images.min() == 0 and 0.5 < images.max() <= 1
    # Neighbours are alike, as in photographs and unlike noise (where this is 1/3 of the range on average).
    assert np.abs(np.diff(images, axis=3)).mean() < 0.1


def test_searched_widths_beat_uniform_ones_on_their_own_measure() -> None:
    model = nets.shake(zoo.create("resnet8"), 0)
    planned = engine.plan(model, torch.randn(1, 3, 32, 32))
    study = engine.study(planned)
    errors = {group.name: study.errors(group) for group in planned.groups}
    for sparsity in (0.3, 0.6, 0.9):
        chosen = [engine.choose_widths(study, planned.costs, sparsity, budget) for budget in ("uniform", "params")]
        uniform, searched = (sum(errors[name][width] for name, width in widths.items()) for widths in chosen)
        assert searched < uniform
        left = planned.costs.parameters(chosen[1]) / planned.costs.total
        assert 0 <= 1 - sparsity - left < 0.01


def test_errors_fall_with_the_width_to_zero() -> None:
    model = nets.shake(zoo.create("ds-cnn", width=0.5), 0)
    planned = engine.plan(model, torch.randn(1, 1, 49, 10))
    study = engine.study(planned)
    for group in planned.groups:
        errors = study.errors(group)
        assert errors[group.width] == 0 and np.isinf(errors[0])
        assert (np.diff(errors[1:]) <= 1e-12).all() and errors[1] < 1.5
