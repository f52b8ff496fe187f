"""Iterative feature merging: weights and activations decide together."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from foldtiny.fold import engine


def test_ifm_looks_at_activations_too() -> None:
    """Two pairs are equally close in weights; on these images one of them does the same."""
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 3))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[0.0, 0.0, 1.0], [0.0, 0.0, 1.5], [1.0, 0.0, 0.0], [1.0, 0.5, 0.0]]))
        model[0].bias.zero_()
        model[2].weight.copy_(torch.ones(3, 4))
    images = np.random.default_rng(0).random((64, 3), np.float32)
    images[:, 1] = 0
    planned = engine.plan(model, torch.zeros(1, 3))
    studied = engine.study(planned, images=images)
    module = engine.restore(engine.fold_to(planned, {"0": 3}, "ifm", studied=studied).work, model)
    torch.testing.assert_close(module[0].weight[2], torch.tensor([1.0, 0.25, 0.0]))
