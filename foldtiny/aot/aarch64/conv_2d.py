"""CONV_2D in tiles of four channels times two pixels (``nn_conv_2d.h``)."""

from __future__ import annotations

from foldtiny.aot.aarch64 import packing
from foldtiny.aot.layer import Constant, Kernel, Layer, Params
from foldtiny.aot.ops.conv_2d import NO_POOL, Conv2D
from foldtiny.aot.overlap import by_pixels
from foldtiny.aot.tiles import convolution_fields

COLUMNS = 2


def specialise(layer: Layer, optimize: str) -> Kernel | None:
    """Return the kernel of an int8 convolution without groups and without weights of -128."""
    if not isinstance(layer, Conv2D) or layer.rescale is None or layer.group_c != layer.in_c:
        return None
    if not packing.two_products_fit(layer.weights):
        return None
    packed = packing.tiles(layer.weights.reshape(layer.out_c, -1))
    steps = packed.shape[1]
    direct = _direct(layer)
    columns = layer.pool.k_h * layer.pool.k_w if layer.pool is not NO_POOL else COLUMNS
    return Kernel(
        title="NEON, 4 channels x 2 pixels" + (", windows read in place" if direct else ""),
        headers=("nn_conv_2d.h",),
        call="ft_nn_conv_2d_s8($params, $weights, (const ft_nn_channels *)$channels, $in0, $out0, "
        + ("(void *)0);" if direct else "$scratch);"),
        params=Params(
            "ft_nn_conv_2d",
            {
                **convolution_fields(layer),
                "out_zero": layer.out_zero,
                "out_min": int(layer.clamp[0]),
                "out_max": int(layer.clamp[1]),
                "steps": steps,
                "direct": int(direct),
            },
        ),
        constants={
            "weights": Constant("int8_t", packed),
            "channels": Constant("int32_t", packing.channels(layer.rescale, layer.folded_bias())),
        },
        scratch_bytes=0 if direct else (columns + columns % 2) * steps * packing.TAPS,
        # A pixel's window is copied before its outputs are written; not so where windows are read in place.
        overlap={} if direct else by_pixels(layer.reads(), layer.out_c),
    )


def _direct(layer: Conv2D) -> bool:
    """Tell whether each window is a run of whole sixteens of the image."""
    window = layer.window
    pointwise = window.k_h == window.k_w == 1 and (window.pad_top, window.pad_left) == (0, 0)
    inside = (layer.out_h - 1) * window.stride_h < layer.in_h and (layer.out_w - 1) * window.stride_w < layer.in_w
    return pointwise and inside and layer.in_c % packing.TAPS == 0 and layer.pool is NO_POOL
