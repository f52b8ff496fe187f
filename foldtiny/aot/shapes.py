"""Arithmetic on shapes, done now: SHAPE, and STRIDED_SLICE and PACK of its result.

A network exported with an open batch dimension computes the target of its RESHAPE from its input's shape. Here every
shape is known, so what such operators compute is a constant.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from foldtiny.aot.graph import Graph, Operator, Tensor

Values = NDArray[np.generic]

_INTEGERS = ("int32", "int64")


def settle(graph: Graph) -> Graph:
    """Return the network without the operators whose results follow from shapes alone.

    Whatever cannot be settled stays, so that it is refused where it is read.
    """
    tensors = list(graph.tensors)
    kept = []
    for operator in graph.operators:
        value = _value(operator, tensors)
        output = tensors[operator.outputs[0]] if len(operator.outputs) == 1 else None
        # An output of the network is computed at run time, even where it is always the same.
        if value is None or output is None or output.index in graph.outputs or value.shape != output.shape:
            kept.append(operator)
        else:
            stored = value.astype(np.dtype(output.dtype).newbyteorder("<"))
            tensors[output.index] = replace(output, data=stored.tobytes())
    return replace(graph, tensors=tuple(tensors), operators=tuple(kept))


def _value(operator: Operator, tensors: Sequence[Tensor]) -> Values | None:
    """Return what an operator computes, or ``None`` where that is not known yet."""
    compute = _OPERATORS.get(operator.name)
    if compute is None or min(operator.inputs, default=-1) < 0 or not operator.outputs:
        return None
    if tensors[operator.outputs[0]].dtype not in _INTEGERS:
        return None
    return compute(operator, [tensors[i] for i in operator.inputs])


def _shape(_: Operator, inputs: Sequence[Tensor]) -> Values | None:
    return np.array(inputs[0].shape, np.int64) if len(inputs) == 1 else None


def _constants(inputs: Sequence[Tensor]) -> list[Values] | None:
    """Return the values of integer constants, or ``None`` if any is something else."""
    if any(tensor.data is None or tensor.dtype not in _INTEGERS for tensor in inputs):
        return None
    return [tensor.array() for tensor in inputs]


def _slice(operator: Operator, inputs: Sequence[Tensor]) -> Values | None:
    """Cut a list of numbers; shapes have one axis."""
    values, options = _constants(inputs), operator.options or {}
    if values is None or len(values) != 4 or values[0].ndim != 1 or any(v.size != 1 for v in values[1:]):
        return None
    if any(options.get(name, 0) for name in ("EllipsisMask", "NewAxisMask", "Offset")):
        return None
    begin, end, stride = (int(v.reshape(-1)[0]) for v in values[1:])
    if options.get("ShrinkAxisMask", 0):
        return np.asarray(values[0][begin]) if -values[0].size <= begin < values[0].size else None
    low, high = None if options.get("BeginMask", 0) else begin, None if options.get("EndMask", 0) else end
    return values[0][low:high:stride] if stride else None


def _pack(_: Operator, inputs: Sequence[Tensor]) -> Values | None:
    """Put single numbers in a row."""
    values = _constants(inputs)
    return np.array(values) if values and all(v.shape == () for v in values) else None


_OPERATORS: dict[str, Callable[[Operator, Sequence[Tensor]], Values | None]] = {
    "SHAPE": _shape,
    "STRIDED_SLICE": _slice,
    "PACK": _pack,
}
