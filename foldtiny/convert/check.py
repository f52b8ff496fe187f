"""Checks on a converted network: the operators it uses, and whether it still computes the same."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from foldtiny.convert.calibration import Images
from foldtiny.convert.int8 import channels_last
from foldtiny.convert.quiet import native_silence
from foldtiny.errors import ConvertError

ALLOWED = frozenset(
    (
        "ADD",
        "AVERAGE_POOL_2D",
        "CONCATENATION",
        "CONV_2D",
        "DEPTHWISE_CONV_2D",
        "FULLY_CONNECTED",
        "HARD_SWISH",
        "LOGISTIC",
        "MAX_POOL_2D",
        "MEAN",
        "MUL",
        "PAD",
        "RELU",
        "RELU6",
        "RESHAPE",
        "SOFTMAX",
        "SUB",
    )
)
# Between two neighbours of different scale (the inputs of a CONCATENATION) an int8 network may have to requantise.
_INT8_ALSO = frozenset({"QUANTIZE"})

RELATIVE_LIMIT = 1e-3


def operators(data: bytes) -> tuple[str, ...]:
    """Return the operator of each step of a .tflite file, in order."""
    from ai_edge_litert import schema_py_generated as schema

    names = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
    model = schema.Model.GetRootAs(data, 0)
    graph = model.Subgraphs(0)
    codes = [model.OperatorCodes(i) for i in range(model.OperatorCodesLength())]
    builtin = [names[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())] for code in codes]
    return tuple(builtin[graph.Operators(i).OpcodeIndex()] for i in range(graph.OperatorsLength()))


def check_operators(data: bytes, precision: str) -> tuple[str, ...]:
    """Return the operators of a file, each once.

    Raises
    ------
    ConvertError
        If one is outside the set that the microcontroller runtimes have.
    """
    unique = tuple(dict.fromkeys(operators(data)))
    allowed = ALLOWED | (_INT8_ALSO if precision == "int8" else frozenset())
    foreign = [name for name in unique if name not in allowed]
    if foreign:
        raise ConvertError(
            f"the converted network needs {', '.join(foreign)} (allowed: {', '.join(sorted(ALLOWED))})",
            "replace the layer that needs it",
        )
    return unique


def torch_outputs(module: nn.Module, images: Images) -> Images:
    """Return the network's outputs for images ``[N, C, H, W]``, channels last where they are maps.

    One image at a time where the network cannot take more (a graph exported for batch 1 need not).
    """
    with torch.inference_mode():
        parts = [module(torch.from_numpy(images[i : i + 1])) for i in range(len(images))]
    outputs = channels_last(torch.cat(parts).numpy().astype(np.float32))
    if not np.isfinite(outputs).all():
        raise ConvertError(
            "the network's outputs are NaN or infinite (allowed: finite numbers)", "check its weights, or train it anew"
        )
    return outputs


def tflite_outputs(data: bytes, images: Images, progress: Callable[[float], None]) -> Images:
    """Return a .tflite file's outputs for images ``[N, C, H, W]`` as float32.

    An int8 file gets quantised images; its outputs are dequantised. The kernels are LiteRT's fast ones: these figures
    are about accuracy, byte for byte comparison with the reference kernels is the business of later stages.
    """
    from ai_edge_litert.interpreter import Interpreter

    with native_silence():
        interpreter = Interpreter(model_content=data, num_threads=1)
        interpreter.allocate_tensors()
    source, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    results = []
    for index, image in enumerate(channels_last(images)):
        progress(index / len(images))
        interpreter.set_tensor(source["index"], _quantised(image[None], source))
        interpreter.invoke()
        results.append(_dequantised(interpreter.get_tensor(target["index"]), target))
    return np.concatenate(results)


def _quantised(values: Images, details: dict[str, npt.NDArray[np.generic]]) -> npt.NDArray[np.generic]:
    if details["dtype"] == np.float32:
        return values
    scale, zero = details["quantization"]
    return np.clip(np.round(values / scale) + zero, -128, 127).astype(np.int8)


def _dequantised(values: npt.NDArray[np.generic], details: dict[str, npt.NDArray[np.generic]]) -> Images:
    if details["dtype"] == np.float32:
        return np.array(values, np.float32)
    scale, zero = details["quantization"]
    return np.asarray((values.astype(np.float32) - zero) * scale, np.float32)


def difference(expected: Images, found: Images) -> tuple[float, float]:
    """Return the largest absolute difference, and the same relative to the largest expected value.

    Raises
    ------
    ConvertError
        If the shapes differ, or the relative difference exceeds `RELATIVE_LIMIT`.
    """
    if expected.shape != found.shape:
        raise ConvertError(
            f"the converted network returns shape {list(found.shape[1:])} (torch: {list(expected.shape[1:])})",
            "report this with the network's source",
        )
    absolute = float(np.abs(expected - found).max())
    relative = absolute / max(float(np.abs(expected).max()), float(np.finfo(np.float32).tiny))
    if not relative <= RELATIVE_LIMIT:
        raise ConvertError(
            f"the converted network's outputs differ from torch's by {absolute:.3g}, relatively {relative:.3g} "
            f"(allowed: {RELATIVE_LIMIT:g})",
            "report this with the network's source",
        )
    return absolute, relative


def agreement(expected: Images, found: Images) -> float:
    """Return the fraction of top-1 classes (last axis) that are the same."""
    return float((expected.argmax(-1) == found.argmax(-1)).mean())
