"""The property that folding stands on: duplicate channels anywhere, fold them away, get the same outputs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from foldtiny import zoo
from foldtiny.fold import engine, methods
from tests.fold import nets

METHODS = list(methods.METHODS)
#: Narrow variants of the zoo's networks: the same graphs, fewer channels.
NARROW = {
    "lenet5": 0.25,
    "resnet18": 0.125,
    "resnet50": 0.0625,
    "vgg11-bn": 0.125,
    "densenet": 0.34,
    "mobilenet-v2": 0.1,
}


def assert_fold_undoes_widening(model: nn.Module, inputs: torch.Tensor, seed: int, method: str) -> None:
    """Widen every group of a network and fold it back to the old widths."""
    rng = np.random.default_rng(seed)
    dense = engine.plan(model, inputs)
    assert dense.groups
    wide = nets.widen(model, dense.groups, rng)
    with torch.no_grad():
        expected = model(inputs)
        scale = max(1.0, float(expected.abs().max()))
        # The widening itself is right (and so are the groups, which it is built on).
        torch.testing.assert_close(wide(inputs), expected, rtol=0, atol=1e-5 * scale)
    planned = engine.plan(wide, inputs)
    assert [group.name for group in planned.groups] == [group.name for group in dense.groups]
    assert sum(p.numel() for p in wide.parameters()) > sum(p.numel() for p in model.parameters())
    widths = {group.name: group.width for group in dense.groups}
    folded = engine.restore(engine.fold_to(planned, widths, method, seed=seed).work, wide)
    assert sum(p.numel() for p in folded.parameters()) == sum(p.numel() for p in model.parameters())
    with torch.no_grad():
        torch.testing.assert_close(folded(inputs), expected, rtol=0, atol=1e-5 * scale)


@pytest.mark.parametrize("method", METHODS)
@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    derandomize=True,
)
@given(seed=st.integers(0, 2**31))
def test_random_networks(method: str, seed: int) -> None:
    model = nets.shake(nets.random_net(np.random.default_rng(seed)), seed)
    inputs = torch.randn(nets.SMALL, generator=torch.Generator().manual_seed(seed))
    assert_fold_undoes_widening(model, inputs, seed, method)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", list(zoo.MODELS))
@settings(
    max_examples=1,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    derandomize=True,
)
@given(seed=st.integers(0, 2**31))
def test_zoo(name: str, method: str, seed: int) -> None:
    model = nets.shake(zoo.create(name, width=NARROW.get(name, 0.5)), seed)
    inputs = torch.randn(1, *zoo.MODELS[name].input_shape, generator=torch.Generator().manual_seed(seed))
    assert_fold_undoes_widening(model, inputs, seed, method)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in zoo.MODELS if name != "resnet50"])
def test_zoo_at_full_width(name: str) -> None:
    model = nets.shake(zoo.create(name), 1)
    inputs = torch.randn(1, *zoo.MODELS[name].input_shape, generator=torch.Generator().manual_seed(1))
    assert_fold_undoes_widening(model, inputs, 1, "ward")
