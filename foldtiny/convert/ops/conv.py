"""Convolutions."""

from __future__ import annotations

import numpy as np

from foldtiny.convert.ir import Conv
from foldtiny.convert.registry import Call, Ref, register


@register("aten.conv2d.default", "aten.conv2d.padding")
def conv2d(call: Call) -> Ref:
    """2-D convolution with any stride, padding, dilation and groups."""
    weight = call.parameter("weight")
    bias = call.constant("bias")
    dilation = call.pair("dilation")
    return call.emit(
        Conv,
        (call.ref("input"),),
        weight=weight,
        bias=np.zeros(weight.shape[0], np.float32) if bias is None else bias,
        stride=call.pair("stride"),
        padding=_padding(call, weight.shape[2:], dilation),
        dilation=dilation,
        groups=int(call.arguments["groups"]),
    )


def _padding(call: Call, kernel: tuple[int, ...], dilation: tuple[int, int]) -> tuple[int, int]:
    """Return the zeros before each axis; those after it follow from the result's shape."""
    padding = call.arguments["padding"]
    if padding == "valid":
        return (0, 0)
    if padding == "same":
        # Where the total is odd, torch puts the extra zero last.
        return (dilation[0] * (kernel[0] - 1) // 2, dilation[1] * (kernel[1] - 1) // 2)
    return call.pair("padding")
