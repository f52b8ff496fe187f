"""The conversion from end to end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import nn

from foldtiny.convert import check
from foldtiny.convert.calibration import chosen_images
from foldtiny.convert.int8 import Converter
from foldtiny.convert.keras_graph import keras_model
from foldtiny.convert.layout import channels_last
from foldtiny.convert.quiet import tensorflow
from foldtiny.convert.report import ConvertReport, TfliteModel
from foldtiny.convert.simplify import simplify
from foldtiny.convert.trace import evaluation_copy, trace
from foldtiny.errors import ConvertError, UsageError

PRECISIONS = ("int8", "float32")


def convert(
    module: nn.Module,
    input_shape: tuple[int, ...],
    *,
    precision: str = "int8",
    calibration: npt.NDArray[np.float32] | None = None,
    seed: int = 0,
    progress: Callable[[str, float], None] | None = None,
) -> TfliteModel:
    """Convert a torch network to a .tflite file and check that it still computes the same.

    Parameters
    ----------
    module : nn.Module
        Takes float32 ``[N, *input_shape]``; it is not changed.
    input_shape : tuple[int, ...]
        Shape of one image, (C, H, W).
    precision : str
        ``int8`` or ``float32``.
    calibration : ndarray, optional
        float32 ``[N, *input_shape]``: they set the int8 ranges and serve for the checks. Synthetic images where none
        are given; see `foldtiny.convert.calibration.synthetic_images`.
    seed : int
        Of the synthetic images.
    progress : Callable, optional
        Called with a label and the fraction done.

    Raises
    ------
    ConvertError
        If the network uses something that cannot be converted, or the result differs from torch.
    UsageError
        If the precision is unknown.
    """
    if precision not in PRECISIONS:
        raise UsageError(f"precision is {precision!r} (allowed: {', '.join(PRECISIONS)})", "choose one of these")
    report = progress or (lambda _label, _fraction: None)
    shape = _checked_shape(input_shape)
    images, probes, text = chosen_images(calibration, shape, seed)
    report("tracing the network", 0.0)
    network = evaluation_copy(module)
    graph = channels_last(simplify(trace(network, shape)))
    expected = check.torch_outputs(network, probes)
    report("starting TensorFlow", 0.1)
    converter = Converter(keras_model(graph, tensorflow().keras))
    report("converting to float32", 0.3)
    floating = converter.float32()
    found = check.tflite_outputs(floating, probes, _part(report, "comparing with torch", 0.4, 0.5))
    absolute, relative = check.difference(expected, found)
    data = floating
    if precision == "int8":
        data = converter.int8(images, _part(report, "calibrating", 0.5, 0.8))
        found = check.tflite_outputs(data, probes, _part(report, "comparing int8 with torch", 0.8, 1.0))
    used = check.check_operators(data, precision)
    report("converted", 1.0)
    return TfliteModel(
        data,
        precision,
        ConvertReport(text, used, absolute, relative, check.agreement(expected, found), len(probes)),
    )


def _checked_shape(input_shape: Any) -> tuple[int, ...]:
    shape = tuple(int(size) for size in input_shape)
    if not shape or any(size < 1 for size in shape):
        raise ConvertError(f"the input shape is {list(shape)} (allowed: sizes of 1 and more)", "give C, H and W")
    return shape


def _part(report: Callable[[str, float], None], label: str, start: float, end: float) -> Callable[[float], None]:
    return lambda fraction: report(label, start + (end - start) * fraction)
