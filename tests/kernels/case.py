"""One comparison of a kernel with the reference: a one-operator network and what to feed it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from tests.aot.tflite_builder import Builder


@dataclass(frozen=True)
class Case:
    """A network, its samples, and words that tell a failure's reader what it was."""

    label: str
    tflite: bytes
    samples: list[list[np.ndarray]]


FILLS = ("random", "random", "random", "lowest", "highest", "ends")
"""How arrays are filled; random thrice as often as each extreme."""


def fill(generator: np.random.Generator, how: str, shape: tuple[int, ...], dtype: str = "int8") -> np.ndarray:
    """Return an array of int8 (all of its range) or float32 (-2 to 2)."""
    if dtype == "float32":
        return generator.uniform(-2, 2, shape).astype(np.float32)
    low, high = -128, 127
    if how == "lowest":
        return np.full(shape, low, dtype=dtype)
    if how == "highest":
        return np.full(shape, high, dtype=dtype)
    if how == "ends":
        return generator.choice(np.array([low, high], dtype=dtype), size=shape)
    return generator.integers(low, high, shape, dtype=dtype, endpoint=True)


def samples(generator: np.random.Generator, shapes: list[tuple[int, ...]], dtype: str) -> list[list[np.ndarray]]:
    """Return four samples: two random ones, one at each end of the range."""
    kinds = ("random", "ends", "lowest", "highest") if dtype == "int8" else ("random", "random")
    return [[fill(generator, kind, shape, dtype) for shape in shapes] for kind in kinds]


seeds = st.integers(0, 2**32 - 1)
# Whole powers of two make multipliers of exactly 2^30, with which halves occur that must round the right way.
exponents = st.one_of(st.floats(-9.0, 1.0), st.integers(-9, 1))
scales = exponents.map(lambda e: float(np.float32(2.0**e)))
zeros = st.one_of(st.integers(-128, 127), st.sampled_from((-128, 127, 0)))
activations = st.sampled_from((0, 0, 1, 2, 3))


def out_scale(product: float, exponent: float) -> float:
    """Return the output scale for which input scale * weight scale / output scale is 2^exponent."""
    return float(np.float32(product / 2.0**exponent))


def single(label: str, build: Builder, inputs: list[int], outputs: list[int], values: list[list[np.ndarray]]) -> Case:
    """Finish a case."""
    return Case(label, build.build(inputs, outputs), values)
