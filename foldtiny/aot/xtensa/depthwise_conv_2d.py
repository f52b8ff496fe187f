"""DEPTHWISE_CONV_2D, 3x3 (``xt_depthwise_conv_2d.h``)."""

from __future__ import annotations

import numpy as np

from foldtiny.aot.layer import Constant, Kernel, Layer, Params
from foldtiny.aot.ops.depthwise_conv_2d import DepthwiseConv2D
from foldtiny.aot.tiles import ROWS, depthwise_fields, depthwise_row_bytes, ring_overlap
from foldtiny.aot.xtensa import rescaling


def specialise(layer: Layer, optimize: str) -> Kernel | None:
    """Return the kernel of an int8 3x3 convolution with one output for each channel."""
    if not isinstance(layer, DepthwiseConv2D) or layer.rescale is None:
        return None
    row_bytes = depthwise_row_bytes(layer)
    if row_bytes is None:
        return None
    weights = layer.weights.astype(np.int64).reshape(ROWS * ROWS, layer.out_c).T
    bias = rescaling.unsigned_bias(layer.bias, weights, layer.in_zero)
    sums = rescaling.bounds(weights, 0, rescaling.UNSIGNED)
    channels = rescaling.channels(layer.rescale, layer.out_zero, sums, bias)
    if channels is None:
        return None
    return Kernel(
        title="one channel's weights in registers, 32-bit rescaling",
        headers=("xt_depthwise_conv_2d.h",),
        call="ft_xt_depthwise_3x3_s8($params, $weights, (const ft_xt_channel *)$channels, $in0, $out0, $scratch);",
        params=Params(
            "ft_xt_depthwise",
            {
                **depthwise_fields(layer),
                "out_min": int(layer.clamp[0]),
                "out_max": int(layer.clamp[1]),
                "row_bytes": row_bytes,
            },
        ),
        constants={
            "weights": Constant("int8_t", np.ascontiguousarray(weights).astype(np.int8)),
            "channels": Constant("int32_t", channels),
        },
        scratch_bytes=ROWS * row_bytes,
        overlap=ring_overlap(layer),
    )
