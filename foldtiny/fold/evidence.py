"""What channels do: the network is run on images, synthetic ones where there are no others.

Two things are measured on the dense network: the second moments of what each consumer reads, and how much each
consumer's outputs matter to the network's (mean squared gradient of a random projection of the outputs).
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from foldtiny.fold.groups import CONVOLUTIONS, Group, Member
from foldtiny.fold.merge import Matrix
from foldtiny.fold.synthetic import batch_size, fill
from foldtiny.fold.trace import tensors

#: Multiply-accumulates of a batch.
_CHUNK = 1.0e9


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """Measurements on the dense network.

    Attributes
    ----------
    moments : dict
        Per (group, layer): second moments [n, n] of the group's channels as the layer reads them.
    weights : dict
        Per layer: what a squared error on each of its outputs costs, [outputs].
    synthetic : bool
        Whether the images were made up.
    """

    moments: dict[tuple[str, str], Matrix]
    weights: dict[str, Matrix]
    synthetic: bool


def gather(
    work: nn.Module,
    inputs: tuple[Any, ...],
    groups: Sequence[Group],
    *,
    macs: int,
    images: Matrix,
    synthetic: bool = False,
    seed: int = 0,
) -> Evidence:
    """Measure a dense network.

    Parameters
    ----------
    work : nn.Module
        Not changed.
    inputs : tuple
        Example arguments, of which shapes and types are used.
    groups : sequence of Group
    macs : int
        Multiply-accumulates of one pass of ``inputs``; decides how many images run at a time.
    images : float array [N, *input shape]
        Unlabelled.
    synthetic : bool
        Whether they are made up.
    """
    network = copy.deepcopy(work).float().eval()
    for parameter in network.parameters():
        parameter.requires_grad_(False)  # gradients flow to the outputs of layers, from inputs that ask for them
    meter = _Meter(network, groups)
    single = max(1, macs // batch_size(inputs))
    chunk = int(min(len(images), max(1, _CHUNK / single), 128))
    rng = np.random.default_rng(seed)
    try:
        for start in range(0, len(images), chunk):
            meter.measure(fill(inputs, images[start : start + chunk], rng), rng)
    finally:
        meter.close()
    return Evidence(meter.moments(), meter.weights(), synthetic)


class _Meter:
    """Hooks on every consumer of some groups."""

    def __init__(self, network: nn.Module, groups: Sequence[Group]) -> None:
        self._network = network
        self._sums: dict[tuple[str, str], Matrix] = {}
        self._counts: dict[tuple[str, str], int] = {}
        self._squares: dict[str, Matrix] = {}
        self._images = 0
        readers: dict[str, list[tuple[str, Member]]] = {}
        for group in groups:
            for member in group.having("in"):
                readers.setdefault(member.layer, []).append((group.name, member))
        self._handles = [
            network.get_submodule(layer).register_forward_hook(self._hook(layer, members))
            for layer, members in readers.items()
        ]

    def close(self) -> None:
        for handle in self._handles:
            handle.remove()

    def measure(self, arguments: tuple[Any, ...], rng: np.random.Generator) -> None:
        with torch.enable_grad():
            arguments = tuple(_asking(value) for value in arguments)
            outputs = [t for t in tensors(self._network(*arguments)) if t.is_floating_point() and t.requires_grad]
            score = torch.zeros(())
            for output in outputs:
                signs = rng.choice([-1.0, 1.0], size=tuple(output.shape)).astype(np.float32)
                score = score + (output * torch.from_numpy(signs)).sum()
            score.backward()
        self._images += batch_size(arguments)

    def moments(self) -> dict[tuple[str, str], Matrix]:
        return {key: total / self._counts[key] for key, total in self._sums.items()}

    def weights(self) -> dict[str, Matrix]:
        return {layer: total / max(1, self._images) for layer, total in self._squares.items()}

    def _hook(self, layer: str, members: list[tuple[str, Member]]) -> Any:
        def hook(module: nn.Module, arguments: tuple[Any, ...], output: torch.Tensor) -> None:
            features = _channels_first(module, arguments[0].detach())
            for group, member in members:
                total = np.zeros((len(member.positions),) * 2)
                for slot in member.positions.T:
                    chosen = features[torch.from_numpy(slot)]
                    total += (chosen @ chosen.T).double().numpy()
                key = (group, layer)
                self._sums[key] = self._sums.get(key, 0.0) + total
                self._counts[key] = self._counts.get(key, 0) + features.shape[1] * member.positions.shape[1]

            def square(gradient: torch.Tensor) -> None:
                found = _channels_first(module, gradient).square().sum(1).double().numpy()
                self._squares[layer] = self._squares.get(layer, 0.0) + found

            if output.requires_grad:
                output.register_hook(square)

        return hook


def _channels_first(module: nn.Module, value: torch.Tensor) -> torch.Tensor:
    """Return [channels, everything else]."""
    if isinstance(module, CONVOLUTIONS):
        axis = value.ndim - len(module.kernel_size) - 1
        return value.movedim(axis, 0).flatten(1)
    return value.reshape(-1, value.shape[-1]).T


def _asking(value: Any) -> Any:
    floating = isinstance(value, torch.Tensor) and value.is_floating_point()
    return value.detach().requires_grad_() if floating else value
