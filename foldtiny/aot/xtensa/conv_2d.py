"""CONV_2D in tiles of four channels times two pixels (``xt_conv_2d.h``)."""

from __future__ import annotations

import numpy as np

from foldtiny.aot.layer import Constant, Kernel, Layer, Params
from foldtiny.aot.ops.conv_2d import NO_POOL, Conv2D
from foldtiny.aot.overlap import by_pixels
from foldtiny.aot.xtensa import packing, rescaling

LANES, COLUMNS, TAPS = 4, 2, 2
"""FT_XT_CHANNELS and FT_XT_COLUMNS of ``xt_tile.h``; the number of taps is even."""


def specialise(layer: Layer, optimize: str) -> Kernel | None:
    """Return the kernel of an int8 convolution without groups."""
    if not isinstance(layer, Conv2D) or layer.rescale is None or layer.group_c != layer.in_c:
        return None
    weights = layer.weights.astype(np.int64).reshape(layer.out_c, -1)
    bias = rescaling.unsigned_bias(layer.bias, weights, layer.in_zero)
    channels = rescaling.channels(layer.rescale, layer.out_zero, weights, bias)
    if channels is None:
        return None
    packed = packing.unsigned(weights, LANES, TAPS)
    taps = packed.shape[1]
    columns = layer.pool.k_h * layer.pool.k_w if layer.pool is not NO_POOL else COLUMNS
    columns += columns % 2
    return Kernel(
        title="4 channels x 2 pixels in registers, 32-bit rescaling",
        headers=("xt_conv_2d.h",),
        call="ft_xt_conv_2d_s8($params, $weights, (const ft_xt_channel *)$channels, $in0, $out0, $scratch);",
        params=Params("ft_xt_conv_2d", _params(layer, taps)),
        constants={"weights": Constant("uint8_t", packed), "channels": Constant("int32_t", channels)},
        scratch_bytes=columns * taps + (columns * 4 if layer.pool is not NO_POOL else 0),
        # A pixel's window is copied before its outputs are written.
        overlap=by_pixels(layer.reads(), layer.out_c),
    )


def _params(layer: Conv2D, taps: int) -> dict[str, int | float | tuple[int, ...]]:
    window, pool = layer.window, layer.pool
    pooled = pool is not NO_POOL
    return {
        "batches": layer.batches,
        "in_h": layer.in_h,
        "in_w": layer.in_w,
        "in_c": layer.in_c,
        "out_h": layer.out_h,
        "out_w": layer.out_w,
        "out_c": layer.out_c,
        "k_h": window.k_h,
        "k_w": window.k_w,
        "stride_h": window.stride_h,
        "stride_w": window.stride_w,
        "dilation_h": window.dilation_h,
        "dilation_w": window.dilation_w,
        "pad_top": window.pad_top,
        "pad_left": window.pad_left,
        "pooled_h": layer.pooled_h,
        "pooled_w": layer.pooled_w,
        "pool_h": pool.k_h if pooled else 0,
        "pool_w": pool.k_w if pooled else 0,
        "pool_stride_h": pool.stride_h,
        "pool_stride_w": pool.stride_w,
        "pool_top": pool.pad_top,
        "pool_left": pool.pad_left,
        "in_zero": layer.in_zero,
        "out_min": int(layer.clamp[0]),
        "out_max": int(layer.clamp[1]),
        "taps": taps,
    }
