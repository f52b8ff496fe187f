"""FULLY_CONNECTED, eight outputs at a time (``xt_fully_connected.h``)."""

from __future__ import annotations

import numpy as np

from foldtiny.aot.layer import Constant, Kernel, Layer, Params
from foldtiny.aot.ops.fully_connected import FullyConnected
from foldtiny.aot.xtensa import packing, rescaling

LANES, TAPS = 8, 4
"""FT_XT_ROWS of ``xt_fully_connected.h``, and the taps of one step."""


def specialise(layer: Layer, optimize: str) -> Kernel | None:
    """Return the kernel of an int8 layer that takes one vector."""
    if not isinstance(layer, FullyConnected) or layer.rescale is None or layer.rows != 1:
        return None
    weights = layer.weights.astype(np.int64)
    bias = rescaling.unsigned_bias(layer.bias, weights, layer.in_zero)
    sums = rescaling.bounds(weights, 0, rescaling.UNSIGNED)
    channels = rescaling.channels(layer.rescale, layer.out_zero, sums, bias)
    if channels is None:
        return None
    packed = packing.unsigned(weights, LANES, TAPS)
    outputs, depth = weights.shape
    return Kernel(
        title="8 outputs in registers, 32-bit rescaling",
        headers=("xt_fully_connected.h",),
        call="ft_xt_fully_connected_s8($params, $weights, (const ft_xt_channel *)$channels, $in0, $out0, $scratch);",
        params=Params(
            "ft_xt_fully_connected",
            {
                "depth": depth,
                "outputs": outputs,
                "steps": packed.shape[1] // TAPS,
                "out_min": int(layer.clamp[0]),
                "out_max": int(layer.clamp[1]),
            },
        ),
        constants={"weights": Constant("uint8_t", packed), "channels": Constant("int32_t", channels)},
        scratch_bytes=packed.shape[1],
        in_place=(0,),
        overlap={0: 0},
    )
