"""Weights and constants in the order in which the NEON kernels read them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from foldtiny.aot.ops._weights import Rescale

LANES, TAPS = 4, 16
"""FT_NN_CHANNELS and FT_NN_TAPS of ``nn_tile.h``."""


def two_products_fit(weights: NDArray[np.generic]) -> bool:
    """Tell whether two products of int8 numbers always fit 16 bits: -128 times -128, twice, does not."""
    return int(weights.astype(np.int64).min(initial=0)) > -128


def tiles(weights: NDArray[np.generic]) -> NDArray[np.int8]:
    """Return [channels, taps] as [fours of channels][sixteens of taps][4][16], zeros for what is missing."""
    channels, taps = weights.shape
    padded = np.zeros((-(-channels // LANES) * LANES, -(-taps // TAPS) * TAPS), dtype=np.int8)
    padded[:channels, :taps] = weights
    return np.ascontiguousarray(padded.reshape(-1, LANES, padded.shape[1] // TAPS, TAPS).transpose(0, 2, 1, 3))


def channels(rescale: Rescale, bias: NDArray[np.int32], order: list[int] | None = None) -> NDArray[np.int32]:
    """Return ``ft_nn_channels`` for each four channels, taken in ``order``; the last four are filled up."""
    wanted = order if order is not None else list(range(len(bias)))
    wanted = wanted + wanted[-1:] * (-len(wanted) % LANES)
    factors = [rescale.of(c) for c in wanted]
    table = np.array(
        [
            [int(bias[c]) for c in wanted],
            [multiplier for multiplier, _ in factors],
            [max(shift, 0) for _, shift in factors],
            [min(shift, 0) for _, shift in factors],
        ],
        dtype=np.int32,
    )
    return np.ascontiguousarray(table.reshape(4, -1, LANES).transpose(1, 0, 2))
