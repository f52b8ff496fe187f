"""FULLY_CONNECTED with two products in one multiplication (``xt_pairs_fully_connected.h``)."""

from __future__ import annotations

import numpy as np

from foldtiny.aot.layer import Constant, Kernel, Layer, Params
from foldtiny.aot.ops.fully_connected import FullyConnected
from foldtiny.aot.xtensa import cost, pairs

ROWS = 6
"""FT_XT_PAIR_ROWS of ``xt_pairs_fully_connected.h``: outputs at a time."""


WORDS = 3
"""FT_XT_PAIR_WORDS: of a chunk's inputs."""


def specialise(layer: Layer, optimize: str) -> Kernel | None:
    """Return the kernel of an int8 layer that takes one vector; weights stay one byte each."""
    if optimize != "speed" or not isinstance(layer, FullyConnected) or layer.rescale is None or layer.rows != 1:
        return None
    weights = layer.weights.astype(np.int64)
    outputs, depth = weights.shape
    packed = pairs.pack(np.pad(weights, ((0, 0), (0, -depth % (2 * pairs.QUAD)))))
    if packed is None or not cost.pairs_pay(weights.size, len(packed.fixes)):
        return None
    line = pairs.output(layer, weights, packed)
    if line is None or max(weights.shape) > np.iinfo(np.int16).max:
        return None
    groups = np.full((-(-outputs // ROWS) * ROWS, packed.chunks, pairs.QUAD), 128, dtype=np.int64)
    # What the masks of two words leave: second weights below, first ones above.
    groups[:outputs] += np.concatenate([packed.second, packed.first], axis=2)
    fixes = [(channel, chunk * WORDS + word, taken, word) for channel, chunk, word, taken in packed.fixes]
    return Kernel(
        title="2 products in one, 6 outputs in registers",
        headers=("xt_pairs_fully_connected.h",),
        call="ft_xt_pairs_fully_connected_s8($params, $weights, $channels, $fixes, $in0, $out0, $scratch);",
        params=Params(
            "ft_xt_pairs_fully_connected",
            {
                "depth": depth,
                "outputs": outputs,
                "chunks": packed.chunks,
                "fixes": len(fixes),
                "line": line.shared,
            },
        ),
        constants={
            "weights": Constant("uint8_t", groups.reshape(-1, ROWS, packed.chunks, pairs.QUAD).transpose(0, 2, 1, 3)),
            "channels": Constant("int32_t", line.values),
            # One that nobody reads where there is none.
            "fixes": Constant("int16_t", np.array(fixes or [(0, 0, 0, 0)], dtype=np.int64)),
        },
        scratch_bytes=4 * WORDS * packed.chunks,
        in_place=(0,),
        overlap={0: 0},
    )
