"""A TFLite network as plain immutable data, already checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod

import numpy as np
from numpy.typing import NDArray

ITEM_BYTES = {"float32": 4, "int32": 4, "uint8": 1, "int64": 8, "bool": 1, "int16": 2, "int8": 1}
"""Bytes of one element of each type that a tensor may have."""


@dataclass(frozen=True, slots=True)
class Quantisation:
    """real = scale * (stored - zero_point), with one scale or one for each index of ``axis``."""

    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    axis: int


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor; ``data`` holds the bytes of a constant and is ``None`` for what is computed or given.

    A ``variable`` tensor keeps its content from run to run.
    """

    index: int
    name: str
    dtype: str
    shape: tuple[int, ...]
    quantisation: Quantisation | None = None
    data: bytes | None = field(default=None, repr=False)
    variable: bool = False

    @property
    def count(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    @property
    def bytes(self) -> int:
        """Size in memory."""
        return self.count * ITEM_BYTES[self.dtype]

    @property
    def scale(self) -> float:
        """The scale of a per-tensor quantisation; 0 where there is none."""
        return self.quantisation.scales[0] if self.quantisation else 0.0

    @property
    def zero_point(self) -> int:
        """The zero point of a per-tensor quantisation; 0 where there is none."""
        return self.quantisation.zero_points[0] if self.quantisation else 0

    def array(self) -> NDArray[np.generic]:
        """Return a constant's values in its own shape."""
        if self.data is None:
            raise ValueError(f"tensor {self.index} is not a constant")
        return np.frombuffer(self.data, dtype=np.dtype(self.dtype).newbyteorder("<")).reshape(self.shape)


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator: tensor indices (-1: an optional input left out) and its scalar options by schema name."""

    index: int
    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: dict[str, int | float | bool] | None


@dataclass(frozen=True, slots=True)
class Graph:
    """A checked network: operators in an order in which each input is known before it is used."""

    name: str
    sha256: str
    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
