"""What users get wrong: one sentence each, pinned."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from torch import nn

import foldtiny.fold
from foldtiny.errors import FoldError, UsageError


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))


INPUTS = torch.zeros(1, 4)


@pytest.mark.parametrize("sparsity", [-0.1, 1, 1.5, float("nan"), float("inf"), "much"])
def test_sparsity_out_of_range(sparsity: Any) -> None:
    with pytest.raises(UsageError, match=re.escape(f"sparsity is {sparsity} (allowed: at least 0 and less than 1)")):
        foldtiny.fold.fold(net(), INPUTS, sparsity=sparsity)


@pytest.mark.parametrize("option", ["method", "budget", "repair"])
def test_unknown_option(option: str) -> None:
    with pytest.raises(UsageError, match=rf"^{option} is 'magic' \(allowed: "):
        foldtiny.fold.fold(net(), INPUTS, sparsity=0.5, **{option: "magic"})


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers(value: float) -> None:
    model = net()
    with torch.no_grad():
        model[2].bias[1] = value
    with pytest.raises(FoldError) as caught:
        foldtiny.fold.fold(model, INPUTS, sparsity=0.5)
    assert str(caught.value) == (
        "layer '2' holds NaN or infinite numbers (in 'bias'); fold a network that is trained to finite weights"
    )


def test_sparsity_that_no_width_reaches() -> None:
    """58 parameters; with one hidden unit 5 + 4 = 9 are left, which is a sparsity of 0.8448."""
    with pytest.raises(UsageError) as caught:
        foldtiny.fold.fold(net(), INPUTS, sparsity=0.95)
    assert str(caught.value) == (
        "no width reaches sparsity 0.95: folding every group as far as it goes leaves 9 of 58 parameters; "
        "ask for at most 0.844"
    )
    assert foldtiny.fold.fold(net(), INPUTS, sparsity=0.844).report.parameters_folded == 9


def test_wrong_example_inputs() -> None:
    with pytest.raises(FoldError, match=r"^the network fails on its example inputs: RuntimeError: .*; give "):
        foldtiny.fold.fold(net(), torch.zeros(1, 5), sparsity=0.5)
    with pytest.raises(UsageError, match=r"^example_inputs is a dict \(allowed: a tensor, or a tuple"):
        foldtiny.fold.fold(net(), {"x": INPUTS}, sparsity=0.5)


def test_network_without_values_or_without_python() -> None:
    with pytest.raises(FoldError, match="has no values"):
        foldtiny.fold.fold(net().to("meta"), INPUTS, sparsity=0.5)
    with pytest.raises(FoldError, match="a TorchScript module cannot be folded"):
        foldtiny.fold.fold(torch.jit.trace(net(), INPUTS), INPUTS, sparsity=0.5)


def test_network_that_hides_from_autograd() -> None:
    class Hidden(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = net()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            with torch.no_grad():
                return self.body(x)

    with pytest.raises(FoldError, match=r"without torch\.no_grad\(\) inside"):
        foldtiny.fold.fold(Hidden(), INPUTS, sparsity=0.5)


def test_network_with_nothing_to_fold() -> None:
    with pytest.raises(UsageError, match=r"no width reaches sparsity 0\.5"):
        foldtiny.fold.fold(nn.Sequential(nn.Linear(4, 2)), INPUTS, sparsity=0.5)
