"""FULLY_CONNECTED, four outputs at a time (``nn_fully_connected.h``)."""

from __future__ import annotations

from foldtiny.aot.aarch64 import packing
from foldtiny.aot.layer import Constant, Kernel, Layer, Params
from foldtiny.aot.ops.fully_connected import FullyConnected
from foldtiny.aot.overlap import by_pixels, strided


def specialise(layer: Layer, optimize: str) -> Kernel | None:
    """Return the kernel of an int8 layer without weights of -128."""
    if not isinstance(layer, FullyConnected) or layer.rescale is None or not packing.two_products_fit(layer.weights):
        return None
    packed = packing.tiles(layer.weights)
    outputs, depth = layer.weights.shape
    return Kernel(
        title="NEON, 4 outputs at a time",
        headers=("nn_fully_connected.h",),
        call="ft_nn_fully_connected_s8($params, $weights, (const ft_nn_channels *)$channels, $in0, $out0, $scratch);",
        params=Params(
            "ft_nn_fully_connected",
            {
                "rows": layer.rows,
                "depth": depth,
                "outputs": outputs,
                "steps": packed.shape[1],
                "out_zero": layer.out_zero,
                "out_min": int(layer.clamp[0]),
                "out_max": int(layer.clamp[1]),
            },
        ),
        constants={
            "weights": Constant("int8_t", packed),
            "channels": Constant("int32_t", packing.channels(layer.rescale, layer.folded_bias())),
        },
        scratch_bytes=packed.shape[1] * packing.TAPS,
        # A vector is copied before its outputs are written.
        overlap=by_pixels(strided((layer.rows,), (depth,)), outputs),
    )
