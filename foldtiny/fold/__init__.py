"""Folding: similar channels of a trained network become one, without data and without fine-tuning.

>>> import torch, foldtiny.zoo, foldtiny.fold
>>> model = foldtiny.zoo.create("lenet5")
>>> folded = foldtiny.fold.fold(model, torch.zeros(1, 1, 32, 32), sparsity=0.5)
>>> round(folded.report.sparsity, 2), folded.module(torch.zeros(1, 1, 32, 32)).shape
(0.5, torch.Size([1, 10]))

``foldtiny.fold(model, ...)`` is the same function. Importing this package does not import torch.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from foldtiny._callable import callable_package

if TYPE_CHECKING:
    from torch import nn

    from foldtiny.fold.engine import FoldedModel
    from foldtiny.fold.report import FoldReport, GroupReport, SkippedGroup

__all__ = ["FoldReport", "FoldedModel", "GroupReport", "SkippedGroup", "count", "fold"]

_LAZY = {"FoldedModel": "engine", "FoldReport": "report", "GroupReport": "report", "SkippedGroup": "report"}


def fold(
    model: nn.Module,
    example_inputs: Any,
    *,
    sparsity: float,
    method: str = "combination",
    budget: str = "uniform",
    repair: str = "none",
    images: Any = None,
    seed: int = 0,
    progress: Callable[[str, float], None] | None = None,
) -> FoldedModel:
    """Fold similar channels of a network into one.

    Parameters
    ----------
    model : nn.Module
        The trained network, on any device and in any floating-point type; it is not changed. Programs of
        ``torch.export`` are taken too, and come out as a module of layers.
    example_inputs : Tensor or tuple
        What the network is called with, batch dimension included; only shapes and types matter.
    sparsity : float
        Fraction of the parameters to remove, in [0, 1). The folded network has at most ``1 - sparsity`` of the dense
        parameters, and within 1 % of it where the granularity of the widths allows.
    method : {"combination", "scale-aware", "ward", "kmeans", "ifm", "random", "l1", "l2"}
        ``combination`` (the best) reads a channel that goes as a linear combination of those that stay, and ends with
        a least-squares fit of what reads them, on ``images`` or on synthetic ones;
        ``scale-aware`` merges channels that differ in scale (groups that are not positively homogeneous are folded by
        ``ward``, which the report says); ``ward`` and ``kmeans`` are the paper's; the rest are baselines.
    budget : {"uniform", "params"}
        ``uniform`` scales all widths alike, which lowers memory and time with the parameters; ``params`` searches the
        widths that lose least for the parameters left, which mostly takes from linear layers.
    repair : {"none", "ar", "dir", "data", "ls"}
        With ``none``, BatchNorm statistics of a cluster are averaged (exact where its channels are equal). ``ar``
        stretches averages back to the variance of what they average, estimated from the weights; ``dir`` measures on
        images inverted from the dense network how folding changes the statistics, ``data`` measures them again on the
        given images; ``ls`` fits the other methods too.
    images : float array [N, C, H, W], optional
        Unlabelled images as the network takes them: needed by ``data``, and a better base for ``ls``,
        ``combination`` and ``params`` than synthetic ones.
    seed : int
        Same seed, same bytes.
    progress : callable, optional
        Called with a label and a fraction in [0, 1].

    Returns
    -------
    FoldedModel
        ``module``: an ordinary, smaller network in eval mode; ``report``: what was done and what was left alone.

    Raises
    ------
    UsageError
        If an option is wrong or no width reaches the sparsity.
    DataError
        If ``images`` do not fit the network.
    FoldError
        If the network cannot be traced or holds NaN or infinite weights.
    """
    from foldtiny.fold import engine
    from foldtiny.zoo import exported

    return engine.fold(
        exported.as_module(model, example_inputs),
        example_inputs,
        sparsity=sparsity,
        method=method,
        budget=budget,
        repair=repair,
        images=images,
        seed=seed,
        progress=progress,
    )


def count(model: nn.Module, example_inputs: Any) -> tuple[int, int]:
    """Return the parameters of a network and its multiply-accumulates for one pass of the example inputs."""
    from foldtiny.fold import engine
    from foldtiny.zoo import exported

    return engine.count(exported.as_module(model, example_inputs), example_inputs)


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(f"foldtiny.fold.{_LAZY[name]}"), name)
    raise AttributeError(f"module 'foldtiny.fold' has no attribute {name!r}")


callable_package(__name__)
