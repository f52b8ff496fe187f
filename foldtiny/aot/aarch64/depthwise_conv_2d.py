"""DEPTHWISE_CONV_2D, 3x3, eight channels at a time (``nn_depthwise_conv_2d.h``)."""

from __future__ import annotations

from foldtiny.aot.aarch64 import packing
from foldtiny.aot.layer import Constant, Kernel, Layer, Params
from foldtiny.aot.ops.depthwise_conv_2d import DepthwiseConv2D
from foldtiny.aot.tiles import ROWS, depthwise_fields, depthwise_row_bytes, ring_overlap

LANES = 8


def specialise(layer: Layer, optimize: str) -> Kernel | None:
    """Return the kernel of an int8 3x3 convolution with one output for each of at least eight channels."""
    if not isinstance(layer, DepthwiseConv2D) or layer.rescale is None:
        return None
    row_bytes = depthwise_row_bytes(layer)
    if row_bytes is None or layer.in_c < LANES or not packing.two_products_fit(layer.weights):
        return None
    starts = [min(start, layer.in_c - LANES) for start in range(0, layer.in_c, LANES)]
    order = [start + lane for start in starts for lane in range(LANES)]
    return Kernel(
        title="NEON, 8 channels at a time",
        headers=("nn_depthwise_conv_2d.h",),
        call="ft_nn_depthwise_3x3_s8($params, $weights, (const ft_nn_channels *)$channels, $in0, $out0, $scratch);",
        params=Params(
            "ft_nn_depthwise",
            {
                **depthwise_fields(layer),
                "out_zero": layer.out_zero,
                "out_min": int(layer.clamp[0]),
                "out_max": int(layer.clamp[1]),
                "row_bytes": row_bytes,
            },
        ),
        constants={
            "weights": Constant("int8_t", layer.weights),
            "channels": Constant("int32_t", packing.channels(layer.rescale, layer.folded_bias(), order)),
        },
        scratch_bytes=ROWS * row_bytes,
        overlap=ring_overlap(layer),
    )
