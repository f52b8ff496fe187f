"""How much memory the interpreter needs on a board, before anything runs there."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from foldtiny import reference
from foldtiny.aot import read

_ALIGNMENT = 16
# What the allocator's own alignment can take, and what another version of the interpreter may want more.
_MARGIN_BYTES = 1024


def estimate(tflite: bytes, name: str = "model") -> int:
    """Return the bytes of arena to set aside: the interpreter's need on this machine, and a margin.

    The figure comes from TFLite Micro's Python package (recording allocator, reference kernels). The margin holds what
    CMSIS-NN's kernels ask for besides: two columns of a convolution's input as 16-bit numbers, or a window of a
    depthwise one (``arm_convolve_wrapper_s8_get_buffer_size`` and its kin).

    Raises
    ------
    CompileError
        If the interpreter refuses the network.
    """
    needed = reference.arena_bytes(tflite) + max(_scratch(tflite, name), default=0) + _MARGIN_BYTES
    return -(-needed // _ALIGNMENT) * _ALIGNMENT


def _scratch(tflite: bytes, name: str) -> Iterator[int]:
    graph = read(tflite, name)
    for operator in graph.operators:
        if operator.name in ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV"):
            _, *window = graph.tensors[operator.inputs[1]].shape
            yield 4 * prod(window)
        elif operator.name in ("AVERAGE_POOL_2D", "FULLY_CONNECTED"):
            yield 4 * graph.tensors[operator.outputs[0]].shape[-1]
