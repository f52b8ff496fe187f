"""The networks that foldtiny knows by name.

Importing this package does not import torch; a network's own module is imported when it is built.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from foldtiny.errors import UsageError

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A network of the zoo.

    Attributes
    ----------
    name : str
        What the user types.
    factory : Callable
        Builds the network; takes ``in_channels``, ``classes`` and ``width``. The network maps float32
        ``[N, *input_shape]`` in [0, 1] to logits ``[N, classes]``.
    input_shape : tuple[int, int, int]
        Channels, height and width that it is meant for.
    classes : int
        The number of classes unless asked otherwise.
    description : str
        One line for listings.
    """

    name: str
    factory: Callable[..., nn.Module]
    input_shape: tuple[int, int, int]
    classes: int
    description: str


def _lazy(module: str, attribute: str) -> Callable[..., nn.Module]:
    def build(**options: float) -> nn.Module:
        constructor = getattr(importlib.import_module(f"foldtiny.zoo.{module}"), attribute)
        allowed = list(inspect.signature(constructor).parameters)
        for option, value in options.items():
            if option not in allowed:
                raise UsageError(
                    f"{attribute} has no option {option!r} (allowed: {', '.join(allowed)})", "leave it out or rename it"
                )
            if not value > 0:
                raise UsageError(f"{attribute}: {option} is {value} (allowed: more than 0)", "choose a larger value")
        return constructor(**options)

    return build


_ALL = (
    ModelSpec("lenet5", _lazy("lenet5", "LeNet5"), (1, 32, 32), 10, "LeNet5 widened 2x: the poster's network"),
    ModelSpec("resnet8", _lazy("resnet8", "ResNet8"), (3, 32, 32), 10, "ResNet8 of MLPerf Tiny (CIFAR-10)"),
    ModelSpec("resnet18", _lazy("resnet18", "ResNet18"), (3, 32, 32), 10, "ResNet18 with the stem for small images"),
    ModelSpec("resnet50", _lazy("resnet50", "ResNet50"), (3, 32, 32), 10, "ResNet50 with the stem for small images"),
    ModelSpec("vgg11-bn", _lazy("vgg11_bn", "VGG11BN"), (3, 32, 32), 10, "VGG11 with BatchNorm for small images"),
    ModelSpec("densenet", _lazy("densenet", "DenseNet"), (3, 32, 32), 10, "DenseNet-BC of 40 layers and growth 12"),
    ModelSpec("ds-cnn", _lazy("ds_cnn", "DSCNN"), (1, 49, 10), 12, "DS-CNN of MLPerf Tiny (keyword spotting)"),
    ModelSpec(
        "mobilenet-v1",
        _lazy("mobilenet_v1", "MobileNetV1"),
        (3, 96, 96),
        2,
        "MobileNetV1 x 0.25 of MLPerf Tiny (person detection)",
    ),
    ModelSpec("mobilenet-v2", _lazy("mobilenet_v2", "MobileNetV2"), (3, 96, 96), 2, "MobileNetV2 x 0.35 for 96x96"),
)

MODELS: dict[str, ModelSpec] = {spec.name: spec for spec in _ALL}


def get(name: str) -> ModelSpec:
    """Return the network called ``name``.

    Raises
    ------
    UsageError
        If there is none; the message names the nearest one and all that there are.
    """
    if name in MODELS:
        return MODELS[name]
    near = difflib.get_close_matches(name.lower().replace("_", "-"), MODELS, n=1)
    guess = f"did you mean {near[0]}? " if near else ""
    raise UsageError(
        f"there is no network called {name!r} (known: {', '.join(MODELS)})",
        f"{guess}give one of these, a checkpoint file, or package.module:factory",
    )


def create(name: str, **options: float) -> nn.Module:
    """Build an untrained network of the zoo.

    Parameters
    ----------
    name : str
        A key of `MODELS`.
    **options
        ``in_channels``, ``classes`` and ``width`` (a multiplier of the hidden channels).

    Raises
    ------
    UsageError
        If the name or an option is unknown, or an option is not positive.
    """
    return get(name).factory(**options)
