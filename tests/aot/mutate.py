"""Damages .tflite files in ways that get past the first checks."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

_WORDS = (0, 1, 2, 3, 4, 5, 7, 8, 16, 255, 256, 65536, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFFE, 0x3F800000)
"""Numbers at which shapes, indices, options and scales turn strange; the last is 1.0."""


def _byte(data: bytearray, at: int, dice: random.Random) -> None:
    data[at] = dice.randrange(256)


def _bit(data: bytearray, at: int, dice: random.Random) -> None:
    data[at] ^= 1 << dice.randrange(8)


def _step(data: bytearray, at: int, dice: random.Random) -> None:
    data[at] = (data[at] + dice.choice((-2, -1, 1, 2))) % 256


def _word(data: bytearray, at: int, dice: random.Random) -> None:
    at &= ~3
    data[at : at + 4] = dice.choice(_WORDS).to_bytes(4, "little")


def _copied(data: bytearray, at: int, dice: random.Random) -> None:
    """Put a word from elsewhere here: offsets, indices and sizes that are right in another place."""
    source = dice.randrange(len(data)) & ~3
    at &= ~3
    data[at : at + 4] = data[source : source + 4]


def _cut(data: bytearray, at: int, dice: random.Random) -> None:
    del data[max(at, 16) :]


_CHANGES = (_byte, _bit, _step, _step, _word, _word, _copied, _cut)


def mutants(originals: Sequence[bytes], number: int, seed: int) -> Iterator[bytes]:
    """Yield damaged files, always the same ones for a seed: by turns as bytes and as well-formed flatbuffers."""
    dice = random.Random(seed)
    for turn in range(number):
        original = dice.choice(originals)
        if turn % 2:
            yield _rewritten(original, dice)
            continue
        data = bytearray(original)
        for _ in range(dice.choice((1, 1, 1, 2, 3, 8))):
            # Tables lie at both ends, large weights in between.
            near = dice.randrange(min(len(data), 2000))
            at = near if dice.random() < 0.5 else len(data) - 1 - near
            dice.choice(_CHANGES)(data, at, dice)
        yield bytes(data)


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Return (container, key) of every number and list of numbers in an unpacked model."""
    found: list[tuple[Any, Any]] = []
    items: Any
    if isinstance(value, list | np.ndarray):
        items = enumerate(value)
    elif hasattr(value, "__dict__"):
        items = vars(value).items()
    else:
        return found
    for key, inner in items:
        if isinstance(inner, bool | int | float | np.integer | np.floating):
            found.append((value, key))
        elif isinstance(inner, list | np.ndarray) and len(inner) and not hasattr(inner[0], "__dict__"):
            # The list as a whole, to be made longer or shorter, and at most a few of its numbers.
            found.append((value, key))
            found += [(inner, i) for i in range(min(len(inner), 4))]
        else:
            found += _places(inner)
    return found


def _changed(value: Any, dice: random.Random) -> Any:
    if isinstance(value, list | np.ndarray):
        values = list(value)
        return values[:-1] if dice.random() < 0.5 else [*values, dice.choice(values)]
    if isinstance(value, bool):
        return not value
    if isinstance(value, float | np.floating):
        return dice.choice((0.0, -1.0, 1.0, 1e-30, 1e30, float("inf"), float("nan"), value * 2, value / 2, -value))
    return dice.choice((int(value) + 1, int(value) - 1, int(value) * 2, -int(value), 0, 1, 2, 127, dice.randrange(256)))


def _rewritten(original: bytes, dice: random.Random) -> bytes:
    """Change one to three numbers of the network itself: shapes, indices, options, scales, constants."""
    while True:
        model = schema.ModelT.InitFromPackedBuf(bytearray(original), 0)
        for _ in range(dice.choice((1, 1, 2, 3))):
            container, key = dice.choice(_places([model.subgraphs, model.buffers, model.operatorCodes]))
            value = container[key] if isinstance(key, int) else getattr(container, key)
            try:
                if isinstance(key, int):
                    container[key] = _changed(value, dice)
                else:
                    setattr(container, key, _changed(value, dice))
            except (OverflowError, ValueError):
                continue
        builder = flatbuffers.Builder(1024)
        try:
            builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
        except Exception:
            # A number that its field cannot hold: try another.
            continue
        return bytes(builder.Output())
