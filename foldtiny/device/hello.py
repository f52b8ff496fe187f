"""What a board says about itself: the description behind HELLO (docs/protocol.md)."""

from __future__ import annotations

import binascii
import struct
from dataclasses import dataclass
from typing import Literal

from foldtiny.errors import LinkError

TickKind = Literal["cycles", "instructions", "nanoseconds"]
_TICK_KINDS: tuple[TickKind, ...] = ("cycles", "instructions", "nanoseconds")
_DTYPES = ("int8", "float32", "uint8", "int16", "int32")


@dataclass(frozen=True, slots=True)
class Tensor:
    """An input or output of the model on the board; ``shape`` as in the .tflite, ``bytes`` its size."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    scale: float
    zero_point: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Hello:
    """Board, runtime, model and clock. A tick of the board's clock is ``tick_scale`` of ``tick_kind``.

    ``simulated`` says that a twin answers, whatever port it is on: no real board counts instructions.
    """

    protocol: int
    board: str
    runtime: str
    model_hash: str
    clock_hz: int
    tick_kind: TickKind
    tick_scale: int
    run_max: int
    arena_bytes: int
    layers: int
    profile: bool
    simulated: bool
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


class _Reader:
    def __init__(self, blob: bytes) -> None:
        self._blob = blob
        self._at = 0

    def take(self, layout: str) -> tuple[int, ...]:
        values = struct.unpack_from("<" + layout, self._blob, self._at)
        self._at += struct.calcsize("<" + layout)
        return values

    def text(self) -> str:
        (length,) = self.take("B")
        (raw,) = self.take(f"{length}s")
        return raw.decode("utf-8", "replace")  # type: ignore[attr-defined]

    def tensor(self) -> Tensor:
        name = self.text()
        dtype, rank = self.take("BB")
        shape = self.take(f"{rank}i")
        scale, zero_point, size = self.take("fiI")
        return Tensor(name, _DTYPES[dtype], shape, float(scale), zero_point, size)


def parse(blob: bytes) -> Hello:
    """Read a whole description.

    Raises
    ------
    LinkError
        If its checksum or layout is wrong.
    """
    try:
        if binascii.crc32(blob[:-4]) != int.from_bytes(blob[-4:], "little"):
            raise ValueError("its checksum is wrong")
        reader = _Reader(blob)
        protocol, features, kind, run_max = reader.take("BBBB")
        scale, clock_hz, arena, layers = reader.take("IIIH")
        board, runtime, model_hash = reader.text(), reader.text(), reader.text()
        inputs = tuple(reader.tensor() for _ in range(reader.take("B")[0]))
        outputs = tuple(reader.tensor() for _ in range(reader.take("B")[0]))
        return Hello(
            protocol=protocol,
            board=board,
            runtime=runtime,
            model_hash=model_hash,
            clock_hz=clock_hz,
            tick_kind=_TICK_KINDS[kind],
            tick_scale=scale,
            run_max=run_max,
            arena_bytes=arena,
            layers=layers,
            profile=bool(features & 1),
            simulated=bool(features & 2) or _TICK_KINDS[kind] == "instructions",
            inputs=inputs,
            outputs=outputs,
        )
    except (ValueError, IndexError, struct.error) as error:
        raise LinkError(
            f"the board's description of {len(blob)} bytes cannot be read: {error}", "flash it with this foldtiny"
        ) from error
