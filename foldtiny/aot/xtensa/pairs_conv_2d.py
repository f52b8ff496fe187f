"""CONV_2D with two products in one multiplication (``xt_pairs_conv_2d.h``)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from foldtiny.aot.layer import Constant, Kernel, Layer, Params
from foldtiny.aot.ops.conv_2d import NO_POOL, Conv2D
from foldtiny.aot.overlap import by_pixels
from foldtiny.aot.tiles import convolution_fields
from foldtiny.aot.xtensa import cost, packing, pairs

PAIR = 2
"""FT_XT_PAIR of ``xt_pairs.h``: channels, and columns, of a tile."""


def specialise(layer: Layer, optimize: str) -> Kernel | None:
    """Return the kernel where it needs fewer instructions than the bytes' one; weights take twice their flash."""
    if optimize != "speed" or not isinstance(layer, Conv2D) or layer.rescale is None or layer.group_c != layer.in_c:
        return None
    weights = layer.weights.astype(np.int64).reshape(layer.out_c, -1)
    packed = pairs.pack(weights, reorder=_at_once(layer))
    if packed is None or cost.pairs(layer, len(packed.fixes)) >= cost.bytes_tile(layer):
        return None
    line = pairs.output(layer, weights, packed)
    if line is None or max(layer.out_c, 2 * packed.chunks) * PAIR > np.iinfo(np.int16).max:
        return None
    channels = -(-layer.out_c // PAIR)
    columns = layer.pool.k_h * layer.pool.k_w if layer.pool is not NO_POOL else PAIR
    columns += columns % PAIR
    scratch = columns * packed.chunks * 8 + channels * 16 * (2 if layer.pool is not NO_POOL else 1)
    return Kernel(
        title="2 products in one, 2 channels x 2 pixels in registers",
        headers=("xt_pairs_conv_2d.h",),
        call="ft_xt_pairs_conv_2d_s8($params, $weights, $channels, $fixes, $order, $in0, $out0, $scratch);",
        params=Params(
            "ft_xt_pairs_conv_2d",
            {
                **convolution_fields(layer),
                "chunks": packed.chunks,
                "pairs": channels,
                "fixes": len(packed.fixes) + len(packed.fixes) % 2,
                "ordered": int(packed.places is not None),
                "line": line.shared,
            },
        ),
        constants={
            "weights": Constant("int32_t", packing.interleave(packed.words.reshape(layer.out_c, -1), PAIR, PAIR)),
            "channels": Constant("int32_t", line.values),
            "fixes": Constant("int16_t", _fixes(packed)),
            "order": Constant("int16_t", np.zeros(1) if packed.places is None else packed.places * PAIR),
        },
        # The bytes of a window whose rows are not whole words come last.
        scratch_bytes=scratch + packed.chunks * pairs.QUAD,
        # A pixel's window is copied before its outputs are written.
        overlap=by_pixels(layer.reads(), layer.out_c),
    )


def _at_once(layer: Conv2D) -> bool:
    """Tell whether a window is turned into words at once: one of one pixel, or one that is copied as bytes before."""
    return layer.window.k_h * layer.window.k_w == 1 or layer.in_c % pairs.QUAD != 0 or layer.window.dilation_w != 1


def _fixes(packed: pairs.Packed) -> NDArray[np.int64]:
    """Return ``ft_xt_fix`` of each, and one or two that change nothing: an even number of them, and not none."""
    rows = [(channel * PAIR, (chunk * 2 + word) * PAIR, taken, word) for channel, chunk, word, taken in packed.fixes]
    rows += [(0, 0, 0, 0)] * (2 - len(rows) % 2)
    return np.array(rows, dtype=np.int64)
