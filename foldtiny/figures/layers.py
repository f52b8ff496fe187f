"""Rows of weights and activations of a network's layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from foldtiny.errors import UsageError
from foldtiny.figures.source import Images, Source

Matrix = npt.NDArray[np.float64]
_BATCH = 64
# Positions of a layer's output that are looked at, per image: enough for a correlation, and bounded for large inputs.
_POSITIONS = 64


def names(source: Source) -> list[str]:
    """Return the convolutions and linear layers of a network in the order in which they run."""
    import torch
    from torch import nn

    order: list[str] = []
    kinds = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d, nn.Linear)
    handles = []
    for name, module in source.module.named_modules():
        if isinstance(module, kinds):
            handles.append(module.register_forward_hook(lambda *_, name=name: order.append(name)))
    with torch.no_grad():
        source.module(torch.zeros(1, *source.input_shape))
    for handle in handles:
        handle.remove()
    return list(dict.fromkeys(order))


def choose(source: Source, layer: str | None) -> str:
    """Return a layer's name: the given one, or the first convolution (the first layer where there is none).

    Raises
    ------
    UsageError
        If there is no such layer.
    """
    known = names(source)
    if layer is None and known:
        return known[0]
    if layer not in known:
        raise UsageError(
            f"{source.name} has no convolution or linear layer '{layer}' (it has {', '.join(known) or 'none'})",
            "name one of these with --layer",
        )
    return layer


def weights(source: Source, layer: str) -> Matrix:
    """Return a layer's weights, one row for each output channel (biases aside)."""
    module: Any = source.module.get_submodule(layer)
    weight = module.weight.detach().double().cpu()
    if "Transpose" in type(module).__name__:
        weight = weight.transpose(0, 1)
    return weight.reshape(weight.shape[0], -1).numpy()


def cosine(rows: Matrix) -> Matrix:
    """Return the cosine similarity of each pair of rows; rows of zeros are like nothing."""
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    unit = np.divide(rows, length, out=np.zeros_like(rows), where=length > 0)
    return np.clip(unit @ unit.T, -1.0, 1.0)


def activations(source: Source, layers: Sequence[str], images: Images, seed: int) -> dict[str, Matrix]:
    """Return what layers put out, before any BatchNorm or ReLU: [channels, samples] each.

    Of large outputs, the same few positions are taken in every image.
    """
    import torch

    found: dict[str, list[Matrix]] = {name: [] for name in layers}
    chosen: dict[str, Any] = {}

    def note(name: str) -> Any:
        def hook(_module: Any, _inputs: Any, output: torch.Tensor) -> None:
            flat = output.detach().double().reshape(output.shape[0], output.shape[1], -1)
            if name not in chosen:
                count = min(_POSITIONS, flat.shape[2])
                draw = np.random.default_rng(seed).permutation(flat.shape[2])[:count]
                chosen[name] = torch.from_numpy(np.sort(draw))
            flat = flat[:, :, chosen[name]]
            found[name].append(flat.transpose(0, 1).reshape(flat.shape[1], -1).numpy())

        return hook

    handles = [source.module.get_submodule(name).register_forward_hook(note(name)) for name in layers]
    with torch.no_grad():
        for start in range(0, len(images), _BATCH):
            source.module(torch.from_numpy(images[start : start + _BATCH]))
    for handle in handles:
        handle.remove()
    return {name: np.concatenate(parts, axis=1) for name, parts in found.items()}
