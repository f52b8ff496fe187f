"""Weights in the order and width in which the routines of ``cm4_gemm.h`` read them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from foldtiny.aot.cortex_m4.rescaling import Channel
from foldtiny.aot.ops.conv_2d import Conv2D

Words = NDArray[np.int64]


def as_words(values: NDArray[np.int64]) -> NDArray[np.int32]:
    """Return the low 32 bits of each number."""
    return (values & 0xFFFFFFFF).astype(np.uint32).view(np.int32)


def folded(layer: Conv2D) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return weights [channels, taps], and the bias [channels] with what the input's zero point adds to the sums."""
    flat = layer.weights.astype(np.int64).reshape(layer.out_c, -1)
    return flat, layer.bias.astype(np.int64) - layer.in_zero * flat.sum(axis=1)


def half_fits(weights: NDArray[np.int64]) -> bool:
    """Tell whether both 16-bit lanes 256*h + l of each group fit."""
    lanes = 256 * weights[..., 1::2] + weights[..., 0::2]
    return bool((lanes >= -(1 << 15)).all() and (lanes < 1 << 15).all())


def _lanes(low: NDArray[np.int64], high: NDArray[np.int64]) -> Words:
    return (low & 0xFFFF) | ((high & 0xFFFF) << 16)


def half_words(weights: NDArray[np.int64]) -> Words:
    """Return one word for each group: [channels, groups, 4] to [channels, groups]."""
    lanes = 256 * weights[..., 1::2] + weights[..., 0::2]
    return _lanes(lanes[..., 0], lanes[..., 1])


def half_bias(bias: NDArray[np.int64], weights: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the bias of sums times 256, less what x' adds too much (127 times each low weight)."""
    return 256 * bias - 127 * weights[..., 0::2].sum(axis=(1, 2))


def wide_words(weights: NDArray[np.int64], constants: Sequence[Channel]) -> Words:
    """Return two words for each group, scaled: [channels, groups, 4] to [channels, groups, 2]."""
    bits = np.array([c.bits for c in constants], dtype=np.int64)
    scaled = weights << bits[:, None, None]
    return np.stack([_lanes(scaled[..., 0], scaled[..., 2]), _lanes(scaled[..., 1], scaled[..., 3])], axis=-1)


def wide_bias(bias: NDArray[np.int64], constants: Sequence[Channel]) -> NDArray[np.int64]:
    """Return the bias at the scale of each channel."""
    return np.array([int(b) << c.bits for b, c in zip(bias, constants, strict=True)], dtype=np.int64)


def stream(
    bias: NDArray[np.int64],
    words: Words,
    rescaling: Sequence[Sequence[int]],
    *,
    width: int,
    block: int,
    repeat: int = 1,
) -> NDArray[np.int32]:
    """Return the stream of constants of one layer.

    Channels come ``width`` at a time: their biases, then their words by turns, ``block`` words of each channel at a
    time, then their rescaling constants. Channels left over come one by one, in the same form.

    Parameters
    ----------
    bias : array [channels]
        At the scale of the sums.
    words : array [channels, n]
        Packed weights; n is a multiple of ``block``.
    rescaling : sequence of [channels]
        Words that follow each channel's weights; may be empty.
    width : int
        Channels that a routine computes together.
    block : int
        Words of one channel before the next one's turn.
    repeat : int
        How often a bias comes where ``width`` channels are together.
    """
    channels = len(bias)
    parts: list[NDArray[np.int64]] = []
    whole = channels - channels % width
    spans = [(c, c + width) for c in range(0, whole, width)] + [(c, c + 1) for c in range(whole, channels)]
    for first, end in spans:
        parts.append(np.repeat(bias[first:end], repeat if end - first == width else 1))
        parts.append(words[first:end].reshape(end - first, -1, block).transpose(1, 0, 2).reshape(-1))
        parts += [np.array(constants, dtype=np.int64) for constants in rescaling[first:end]]
    flat = np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)
    return as_words(flat)
