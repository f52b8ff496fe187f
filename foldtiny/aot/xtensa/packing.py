"""Weights in the order in which the tiles read them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def interleave(weights: NDArray[np.int64], lanes: int, multiple: int) -> NDArray[np.int64]:
    """Return [channels, taps] as [groups of ``lanes`` channels][taps][lanes], with zeros for what is missing.

    The number of taps becomes a multiple of ``multiple``.
    """
    channels, taps = weights.shape
    padded = np.zeros((-(-channels // lanes) * lanes, -(-taps // multiple) * multiple), dtype=np.int64)
    padded[:channels, :taps] = weights
    return padded.reshape(-1, lanes, padded.shape[1]).transpose(0, 2, 1)


def unsigned(weights: NDArray[np.int64], lanes: int, multiple: int) -> NDArray[np.uint8]:
    """Return int8 weights interleaved, as w + 128."""
    return (interleave(weights, lanes, multiple) + 128).astype(np.uint8)
