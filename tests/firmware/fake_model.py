"""The hand-written model in tests/firmware/fake, as the compiler would hand it over, and its arithmetic in Python."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

FOLDER = Path(__file__).parent / "fake"
HASH = "00112233aabbccdd"
_BIAS = np.array([7, -7, 100, -100])


def _tensor(name: str, dtype: str, shape: tuple[int, ...], scale: float, zero_point: int, size: int) -> Any:
    return SimpleNamespace(name=name, dtype=dtype, shape=shape, scale=scale, zero_point=zero_point, bytes=size)


@dataclass(frozen=True)
class FakeCompiled:
    """What the renderer reads of a CompiledModel."""

    files: dict[str, str] = field(
        default_factory=lambda: {name: (FOLDER / name).read_text() for name in ("model.h", "model.c", "weights.c")}
    )
    inputs: tuple[Any, ...] = (_tensor("a", "int8", (1, 300), 0.5, -3, 300), _tensor("b", "int8", (1, 3), 0.25, 0, 3))
    outputs: tuple[Any, ...] = (_tensor("y", "int8", (1, 300), 0.125, 5, 300), _tensor("sum", "int32", (1,), 0.5, 0, 4))
    model_hash: str = HASH
    operators: tuple[str, ...] = ("ADD", "MUL")
    layers: tuple[Any, ...] = (SimpleNamespace(constant_bytes=4),)


def samples(count: int, seed: int = 0) -> list[list[bytes]]:
    """Return random inputs; many zero bytes, which are what framing stumbles over."""
    rng = np.random.default_rng(seed)
    return [
        [
            (rng.integers(-128, 128, 300) * rng.integers(0, 2, 300)).astype(np.int8).tobytes(),
            rng.integers(-128, 128, 3).astype(np.int8).tobytes(),
        ]
        for _ in range(count)
    ]


def expected(inputs: Sequence[bytes]) -> list[bytes]:
    """Return the outputs for one sample."""
    a = np.frombuffer(inputs[0], np.int8).astype(np.int64)
    b = np.frombuffer(inputs[1], np.int8).astype(np.int64)
    index = np.arange(300)
    y = np.clip(a * 3 + b[index % 3] + _BIAS[index % 4], -128, 127).astype(np.int8)
    return [y.tobytes(), struct.pack("<i", int(a.sum()))]
