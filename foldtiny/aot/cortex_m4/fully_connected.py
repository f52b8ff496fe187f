"""FULLY_CONNECTED: int8 weights, four rows at a time (``cm4_fully_connected.h``)."""

from __future__ import annotations

import numpy as np

from foldtiny.aot.cortex_m4 import packing, rescaling
from foldtiny.aot.layer import Constant, Kernel, Layer, Params
from foldtiny.aot.ops.fully_connected import FullyConnected
from foldtiny.aot.overlap import by_pixels, strided

STEPS, STEP_BYTES = 8, 108
"""FT_ROWS_STEPS and FT_ROWS_STEP_BYTES of ``cm4_gemm.h``."""


def specialise(layer: Layer, optimize: str) -> Kernel | None:
    """Return the kernel of an int8 layer whose sums, times 256, fit 32 bits.

    Both packings of the weights were counted: int16 weights save instructions, but read twice the flash and take
    more cycles, so ``optimize`` changes nothing here.
    """
    if not isinstance(layer, FullyConnected) or layer.rescale is None:
        return None
    weights = layer.weights.astype(np.int64)
    outputs, depth = weights.shape
    if layer.rows > 1 and depth % 4:
        return None  # later vectors would not start at a word
    bias = layer.bias.astype(np.int64) - layer.in_zero * weights.sum(axis=1)
    constants = rescaling.channels(
        layer.rescale, layer.out_zero, rescaling.sum_bounds(weights, bias), rescaling.HALF_BITS
    )
    groups = -(-depth // 8) * 2
    grouped = packing.grouped(weights, groups)
    if constants is None or not packing.half_fits(grouped) or not all(c.corrected for c in constants):
        return None
    stream = packing.stream(
        packing.half_bias(bias, grouped),
        packing.half_words(grouped),
        [c.words(d=False) for c in constants],
        width=4,
        block=1,
    )
    return Kernel(
        title="SMLAD, four rows of int8 weights at a time",
        headers=("cm4_fully_connected.h",),
        call="ft_cm4_fully_connected_s8($params, $stream, $in0, $out0, $scratch);",
        params=Params(
            "ft_cm4_fully_connected",
            {
                "rows": layer.rows,
                "depth": depth,
                "outputs": outputs,
                "groups": groups,
                "skip": (-(groups // 2) % STEPS) * STEP_BYTES,
                "out_min": int(layer.clamp[0]),
                "out_max": int(layer.clamp[1]),
            },
        ),
        constants={"stream": Constant("int32_t", stream)},
        scratch_bytes=groups * 8,
        # A row is widened as a whole before the first of its outputs is written.
        overlap=by_pixels(strided((layer.rows,), (depth,)), outputs),
    )
