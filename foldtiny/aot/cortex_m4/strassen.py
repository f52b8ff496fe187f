"""CONV_2D, 1x1, by Strassen's algorithm in Winograd's form (``cm4_strassen.h``): for speed, at 3.5 times the flash."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from foldtiny.aot.cortex_m4 import conv_2d, packing, rescaling
from foldtiny.aot.cortex_m4.four_pixels import overlap, params, pointwise
from foldtiny.aot.layer import Constant, Kernel, Layer
from foldtiny.aot.ops.conv_2d import Conv2D

PIXELS, STEPS, STEP_BYTES, PRODUCTS = 6, 32, 32, 7
"""Of a tile; FT_STRASSEN_STEPS and FT_STRASSEN_STEP_BYTES; products of matrices."""

_EXACT_STEPS = (16, 32)
"""Steps for which there are routines that can do no fewer."""


def specialise(layer: Layer, optimize: str) -> Kernel | None:
    """Return the kernel of a 1x1 layer that is to be fast: int8, channels in eights and fours, a ReLU, one shift."""
    if optimize != "speed" or not isinstance(layer, Conv2D) or not pointwise(layer):
        return None
    if layer.in_c % 8 or layer.in_c > 4 * STEPS or layer.out_c % 4:
        return None
    found = _constants(layer)
    if found is None:
        return None
    steps = layer.in_c // 4
    kind = steps if steps in _EXACT_STEPS else "any"
    return Kernel(
        title="Strassen's algorithm, 4 channels x 6 pixels",
        headers=("cm4_strassen.h",),
        call=f"ft_cm4_strassen_s8($params, ft_strassen_{kind}_{found[0]}, $stream, $in0, $out0, $scratch);",
        params=params("ft_cm4_strassen", layer, (STEPS - steps) * STEP_BYTES),
        constants={"stream": Constant("int32_t", found[1])},
        scratch_bytes=PRODUCTS * layer.in_c * 3,
        in_place=(0,) if layer.out_c <= layer.in_c else (),
        overlap=overlap(layer, PIXELS),
    )


def _constants(layer: Conv2D) -> tuple[int, NDArray[np.int32]] | None:
    """Return a shift that all channels can end with, under which the prepared weights fit 16 bits; and the stream."""
    assert layer.rescale is not None
    flat, bias = packing.folded(layer)
    bounds = rescaling.sum_bounds(flat, bias)
    for shift in conv_2d.SHIFTS:
        constants = rescaling.channels_sharing(layer.rescale, layer.out_zero, bounds, shift)
        if constants is None:
            continue
        bits = np.array([c.bits for c in constants], dtype=np.int64)
        prepared = prepare(flat << bits[:, None])
        if np.abs(prepared).max() < 1 << 15:
            return shift, _stream(packing.wide_bias(bias, constants), prepared, constants)
    return None


def prepare(weights: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return what the products take of weights [out, in], in their order: [out / 4, products, 2 channels, in / 2]."""
    fours = weights.reshape(-1, 2, 2, 2, weights.shape[1] // 2)
    # [four, channel, half]: a, b of the first two channels, c, d of the other two.
    a, b, c, d = fours[:, 0, :, 0], fours[:, 0, :, 1], fours[:, 1, :, 0], fours[:, 1, :, 1]
    return np.stack([a, b, d - c + a, d - c, b - (d - c + a), c - a, d], axis=1)


def _stream(
    bias: NDArray[np.int64], prepared: NDArray[np.int64], constants: list[rescaling.Channel]
) -> NDArray[np.int32]:
    """Return the stream: of each four channels the products' weights, the biases before, and rescaling between them.

    The sums of the first product, of which all others are made, start from the first two channels' bias; the product
    that only the others share adds the difference.
    """
    groups = prepared.reshape(*prepared.shape[:3], -1, 4)
    pairs = np.stack([_lanes(groups, 0, 2), _lanes(groups, 1, 3)], axis=-1)
    # [four, product, pairs of values, channels]
    words = pairs.reshape(*prepared.shape[:3], -1).transpose(0, 1, 3, 2)
    numbers = np.array([c.words(d=False, e=False) for c in constants], dtype=np.int64).reshape(-1, 2, 4)
    biases = bias.reshape(-1, 2, 2)
    parts: list[NDArray[np.int64]] = []
    for four in range(len(prepared)):
        first, other = numbers[four]
        product = [words[four, i].reshape(-1) for i in range(PRODUCTS)]
        parts += [np.repeat(biases[four, 0], 3), product[0], product[1], first, *product[2:5], first]
        parts += [np.repeat(biases[four, 1] - biases[four, 0], 3), product[5], other, product[6], other]
    return packing.as_words(np.concatenate(parts))


def _lanes(groups: NDArray[np.int64], low: int, high: int) -> NDArray[np.int64]:
    return (groups[..., low] & 0xFFFF) | ((groups[..., high] & 0xFFFF) << 16)
