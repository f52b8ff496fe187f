"""One epoch of training: the recipe, the optimiser, the augmentation and the loop over the batches."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from foldtiny.errors import TrainError

Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that decides the result besides the data.

    Attributes
    ----------
    epochs, seed, batch_size : int
        The last, incomplete batch of an epoch is left out.
    learning_rate : float
        The peak; it rises over the first tenth of the steps and falls to 0 along a cosine.
    weight_decay : float
        AdamW's, on the weights of convolutions and linear layers only. A strong one makes channels alike or idle,
        so that folding costs less.
    label_smoothing : float
        See ``torch.nn.CrossEntropyLoss``.
    shift : int
        Images are moved by up to so many pixels either way.
    flip : bool
        Half of the images are mirrored left to right.
    width : float | None
        The multiplier of the hidden channels; None is the network's own.
    threads : int
        Sums are split over so many threads, so the last bits of the result depend on it; small networks gain nothing
        from a second one.
    """

    epochs: int = 16
    seed: int = 0
    batch_size: int = 128
    learning_rate: float = 0.003
    weight_decay: float = 0.3
    label_smoothing: float = 0.05
    shift: int = 0
    flip: bool = True
    width: float | None = None
    threads: int = 1


DEFAULTS = Recipe()


def optimizer_for(module: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Return AdamW that decays the weights but not the biases and BatchNorms."""
    matrices = [parameter for parameter in module.parameters() if parameter.ndim > 1]
    vectors = [parameter for parameter in module.parameters() if parameter.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": recipe.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=recipe.learning_rate)


def _learning_rate(recipe: Recipe, fraction: float) -> float:
    warm_up = 0.1
    if fraction < warm_up:
        return recipe.learning_rate * (0.01 + 0.99 * fraction / warm_up)
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * (fraction - warm_up) / (1 - warm_up)))


def run_epoch(
    module: nn.Module,
    images: torch.Tensor,
    labels: torch.Tensor,
    input_shape: tuple[int, int, int],
    recipe: Recipe,
    optimizer: torch.optim.Optimizer,
    epoch: int,
    progress: Progress,
) -> tuple[float, float]:
    """Train for one epoch, in place.

    Parameters
    ----------
    module : nn.Module
        The network.
    images, labels : torch.Tensor
        float32 ``[N, C, H, W]``, no larger than ``input_shape``, and int64 ``[N]``.
    input_shape : tuple[int, int, int]
        Channels, height and width that the network takes.
    recipe, optimizer
        How to train.
    epoch : int
        Counted from 0; decides the random numbers and the learning rate.
    progress : Callable[[str, float], None]
        Called every 20 steps.

    Returns
    -------
    tuple[float, float]
        Mean loss and accuracy over the images as they were seen.

    Raises
    ------
    TrainError
        If the loss is no longer finite.
    """
    # A stream per epoch: there is then no generator whose state would have to be saved.
    torch.manual_seed(zlib.crc32(f"{recipe.seed} {epoch}".encode()))
    size = min(recipe.batch_size, len(images))
    steps = len(images) // size
    order = torch.randperm(len(images))
    criterion = nn.CrossEntropyLoss(label_smoothing=recipe.label_smoothing)
    module.train()
    total_loss, correct, seen = 0.0, 0, 0
    for step in range(steps):
        fraction = (epoch + step / steps) / recipe.epochs
        for group in optimizer.param_groups:
            group["lr"] = _learning_rate(recipe, fraction)
        batch = order[step * size : (step + 1) * size]
        logits = module(_augment(images[batch], input_shape, recipe))
        loss = criterion(logits, labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total_loss += float(loss.detach()) * size
        correct += int((logits.argmax(1) == labels[batch]).sum())
        seen += size
        if not math.isfinite(total_loss):
            raise TrainError(
                f"the loss is no longer finite in epoch {epoch + 1} (learning rate {recipe.learning_rate})",
                "give a smaller learning rate",
            )
        if step % 20 == 0 or step == steps - 1:
            label = f"epoch {epoch + 1}/{recipe.epochs}, loss {total_loss / seen:.3f}, accuracy {correct / seen:.1%}"
            progress(label, (epoch + (step + 1) / steps) / recipe.epochs)
    return total_loss / seen, correct / seen


def _augment(images: torch.Tensor, input_shape: tuple[int, int, int], recipe: Recipe) -> torch.Tensor:
    """Pad to the input's size, move each image by up to ``shift`` pixels, mirror half of them."""
    count, _, height, width = images.shape
    top, left = (input_shape[1] - height) // 2, (input_shape[2] - width) // 2
    bottom, right = input_shape[1] - height - top, input_shape[2] - width - left
    reach = recipe.shift
    padded = nn.functional.pad(images, (left + reach, right + reach, top + reach, bottom + reach))
    rows = torch.randint(0, 2 * reach + 1, (count, 1)) + torch.arange(input_shape[1])
    columns = torch.randint(0, 2 * reach + 1, (count, 1)) + torch.arange(input_shape[2])
    if recipe.flip:
        columns = torch.where(torch.rand(count, 1) < 0.5, columns.flip(1), columns)
    which = torch.arange(count)[:, None, None]
    # Advanced indices around the channel slice put it last.
    return padded[which, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2).contiguous()
