"""What channels do, without data: the network is run on synthetic images.

Two things are measured on the dense network: the second moments of what each consumer reads, and how much each
consumer's outputs matter to the network's (mean squared gradient of a random projection of the outputs).

The images are "dead leaves": discs and bars of random size, place and brightness over one another. They have the edges,
flat regions and scale invariance of natural images, whatever the network was trained on. White or pink noise do much
worse, as nothing in them excites a filter as an edge does. Where there are unlabelled images, these are used instead.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from foldtiny.errors import DataError
from foldtiny.fold.groups import CONVOLUTIONS, Group, Member
from foldtiny.fold.merge import Matrix
from foldtiny.fold.trace import tensors

#: Multiply-accumulates to spend on synthetic images, and the bounds on their number.
_WORK, _LEAST, _MOST = 1.5e10, 8, 512
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
    images: Matrix | None = None,
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
        Multiply-accumulates of one pass of ``inputs``; decides how many images are affordable.
    images : float array [N, *input shape], optional
        Real, unlabelled images; without them, synthetic ones.
    """
    network = copy.deepcopy(work).float().eval()
    for parameter in network.parameters():
        parameter.requires_grad_(False)  # gradients flow to the outputs of layers, from inputs that ask for them
    meter = _Meter(network, groups)
    single = max(1, macs // max(1, _batch(inputs)))
    count = affordable(inputs, macs) if images is None else len(images)
    chunk = int(min(count, max(1, _CHUNK / single), 128))
    rng = np.random.default_rng(seed)
    try:
        for start in range(0, count, chunk):
            size = min(chunk, count - start)
            meter.measure(batch(inputs, size, rng, None if images is None else images[start : start + size]), rng)
    finally:
        meter.close()
    return Evidence(meter.moments(), meter.weights(), images is None)


def affordable(inputs: tuple[Any, ...], macs: int) -> int:
    """Return how many synthetic images to run, given the multiply-accumulates of one pass of the inputs."""
    single = max(1, macs // max(1, _batch(inputs)))
    return int(min(_MOST, max(_LEAST, _WORK / single)))


def check_images(images: Any, inputs: tuple[Any, ...]) -> Matrix | None:
    """Return unlabelled images as a float32 array, or None.

    Raises
    ------
    DataError
        If they are not ``[N, *input shape]`` or not finite.
    """
    if images is None:
        return None
    array = images.detach().cpu().float().numpy() if isinstance(images, torch.Tensor) else np.asarray(images)
    wanted = tuple(inputs[0].shape[1:])
    if array.ndim != len(wanted) + 1 or array.shape[1:] != wanted or not len(array):
        raise DataError(
            f"images have shape {list(array.shape)} (allowed: at least one of shape {list(wanted)})",
            "give images as the network takes them, [N, C, H, W]",
        )
    array = array.astype(np.float32)
    if not np.isfinite(array).all():
        raise DataError("images hold NaN or infinite numbers", "clean them first")
    return array


def batch(inputs: tuple[Any, ...], size: int, rng: np.random.Generator, images: Any = None) -> tuple[Any, ...]:
    """Return a batch of synthetic (or given) first arguments, and the other arguments repeated."""
    result = []
    for number, value in enumerate(inputs):
        if not isinstance(value, torch.Tensor) or value.ndim == 0:
            result.append(value)
        elif not value.is_floating_point():
            result.append(value[:1].expand(size, *value.shape[1:]))
        elif number == 0 and images is not None:
            result.append(torch.from_numpy(np.ascontiguousarray(images)))
        else:
            result.append(torch.from_numpy(leaves((size, *value.shape[1:]), rng)))
    return tuple(result)


def leaves(shape: tuple[int, ...], rng: np.random.Generator) -> Any:
    """Return dead-leaves images in [0, 1], float32 ``shape`` = [N, C, H, W] (other shapes: uniform noise)."""
    if len(shape) != 4 or min(shape[2:]) < 4:
        return rng.random(shape, dtype=np.float32)
    count, channels, height, width = shape
    size = math.sqrt(height * width)
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    images = np.empty(shape, dtype=np.float32)
    images[:] = rng.random((count, channels, 1, 1), dtype=np.float32)
    # Every other image is an object on black, as small data sets often are.
    images[::2] = 0
    for image in images:
        for _ in range(int(rng.integers(2, 12))):
            y, x, radius = rng.random() * height, rng.random() * width, size * (0.06 + 0.44 * rng.random() ** 2)
            down, right = rows - y, columns - x
            if rng.random() < 0.5:
                inside = down**2 + right**2 < radius**2
            else:
                angle, aspect = rng.random() * math.pi, 0.3 + rng.random()
                along = right * math.cos(angle) + down * math.sin(angle)
                across = down * math.cos(angle) - right * math.sin(angle)
                inside = (np.abs(along) < radius) & (np.abs(across) < radius * aspect)
            colour = rng.random() + 0.15 * rng.standard_normal(channels)
            image[:, inside] = np.clip(colour, 0, 1).astype(np.float32)[:, None]
    return images


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
        self._images += _batch(arguments)

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


def _batch(inputs: tuple[Any, ...]) -> int:
    first = inputs[0]
    return int(first.shape[0]) if isinstance(first, torch.Tensor) and first.ndim else 1
