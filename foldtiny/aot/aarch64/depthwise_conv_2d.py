"""DEPTHWISE_CONV_2D, 3x3, eight channels at a time (``nn_depthwise_conv_2d.h``)."""

from __future__ import annotations

from foldtiny.aot.aarch64 import packing
from foldtiny.aot.layer import Constant, Kernel, Layer, Params
from foldtiny.aot.ops.depthwise_conv_2d import DepthwiseConv2D
from foldtiny.aot.xtensa.depthwise_conv_2d import ring_overlap

WINDOW, LANES = 3, 8


def specialise(layer: Layer, optimize: str) -> Kernel | None:
    """Return the kernel of an int8 3x3 convolution with one output for each of at least eight channels."""
    if not isinstance(layer, DepthwiseConv2D) or layer.rescale is None:
        return None
    window = layer.window
    shape = (window.k_h, window.k_w, window.dilation_h, window.dilation_w)
    if shape != (WINDOW, WINDOW, 1, 1) or layer.out_c != layer.in_c or layer.in_c < LANES:
        return None
    row_bytes = ((layer.out_w - 1) * window.stride_w + WINDOW) * layer.in_c
    if window.pad_left * layer.in_c > row_bytes or not packing.two_products_fit(layer.weights):
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
                "batches": layer.batches,
                "in_h": layer.in_h,
                "in_w": layer.in_w,
                "channels": layer.in_c,
                "out_h": layer.out_h,
                "out_w": layer.out_w,
                "stride_h": window.stride_h,
                "stride_w": window.stride_w,
                "pad_top": window.pad_top,
                "pad_left": window.pad_left,
                "in_zero": layer.in_zero,
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
        scratch_bytes=WINDOW * row_bytes,
        overlap=ring_overlap(layer),
    )
