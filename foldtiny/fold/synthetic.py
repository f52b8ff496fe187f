"""Images for networks whose data is not there: dead leaves, and what the network makes of some of them.

"Dead leaves" are discs and bars of random size, place and brightness over one another. They have the edges, flat
regions and scale invariance of natural images, whatever the network was trained on. White or pink noise do much worse,
as nothing in them excites a filter as an edge does. A network sees most of them as one or two of its classes, so more
are pulled towards the others by a few steps of inversion; together the two kinds excite its channels more evenly.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import nn

from foldtiny.errors import DataError
from foldtiny.fold.groups import NORMS
from foldtiny.fold.inversion import invert
from foldtiny.fold.merge import Matrix

#: Multiply-accumulates to spend on dead leaves, and the bounds on their number; the last one where all are there twice.
_WORK, _LEAST, _MOST, _MOST_TWICE = 1.5e10, 8, 256, 192
#: Multiply-accumulates to spend on pulling images towards classes, and the steps.
_WORK_INVERTED, _STEPS = 2.4e10, 8
#: Least brightness of a dimmed copy, and how far it is shifted at most, as a fraction of its size.
_DIMMEST, _SHIFT = 0.3, 0.1


def sample(model: nn.Module, inputs: tuple[Any, ...], macs: int, seed: int) -> Matrix:
    """Return synthetic first arguments of a network, as many as are affordable: float32 [N, *input shape].

    Parameters
    ----------
    model : nn.Module
        Not changed.
    inputs : tuple
        Its arguments; shapes and types are used.
    macs : int
        Multiply-accumulates of one pass of ``inputs``.
    seed : int
    """
    first = inputs[0]
    single = max(1, macs // batch_size(inputs))
    rng = np.random.default_rng(seed)
    twice = not any(isinstance(module, NORMS) for module in model.modules())
    count = int(min(_MOST_TWICE if twice else _MOST, max(_LEAST, _WORK / single)))
    if not isinstance(first, torch.Tensor) or not first.is_floating_point():
        return np.zeros((count, 1), np.float32)  # nothing to make up: such an argument is repeated
    images: Matrix = leaves((count, *first.shape[1:]), rng)
    more = int(min(count, _WORK_INVERTED / (3 * _STEPS * single)))
    if more < _LEAST or first.ndim != 4 or len(inputs) != 1:
        return images
    started = leaves((more, *first.shape[1:]), rng)
    images = np.concatenate([images, invert(model, started, steps=_STEPS).numpy()])
    return np.concatenate([images, dimmed(images, rng)]) if twice else images


def batch_size(inputs: tuple[Any, ...]) -> int:
    """Return how many images some arguments hold."""
    first = inputs[0]
    return max(1, int(first.shape[0])) if isinstance(first, torch.Tensor) and first.ndim else 1


def fill(inputs: tuple[Any, ...], images: Matrix, rng: np.random.Generator) -> tuple[Any, ...]:
    """Return a network's arguments with given images as the first one and the others made up or repeated."""
    size, result = len(images), []
    for number, value in enumerate(inputs):
        if not isinstance(value, torch.Tensor) or value.ndim == 0:
            result.append(value)
        elif not value.is_floating_point():
            result.append(value[:1].expand(size, *value.shape[1:]))
        elif number == 0:
            result.append(torch.from_numpy(np.ascontiguousarray(images)))
        else:
            result.append(torch.from_numpy(leaves((size, *value.shape[1:]), rng)))
    return tuple(result)


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


def dimmed(images: Matrix, rng: np.random.Generator) -> Matrix:
    """Return copies of images [N, C, H, W], each shifted a little (around the edges) and less bright."""
    most = [int(_SHIFT * size) for size in images.shape[2:]]
    copies = [np.roll(image, [rng.integers(-m, m + 1) for m in most], (1, 2)) for image in images]
    return np.asarray(copies * rng.uniform(_DIMMEST, 1.0, (len(images), 1, 1, 1)), dtype=np.float32)


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
