"""Frames of the serial protocol (docs/protocol.md), the mirror of firmware/runtime/fw_frame.c."""

from __future__ import annotations

import binascii
from dataclasses import dataclass, field
from enum import IntEnum

from cobs import cobs

PROTOCOL_VERSION = 1
PAYLOAD_MAX = 240
_HEADER_BYTES = 4
_CRC_BYTES = 2
_ENCODED_MAX = _HEADER_BYTES + PAYLOAD_MAX + _CRC_BYTES + 1


class Request(IntEnum):
    """What the host may ask; a reply carries the same number plus ``REPLY``."""

    HELLO = 0x01
    LOAD = 0x02
    RUN = 0x03
    OUTPUT = 0x04
    PROFILE = 0x05
    STACK = 0x06
    RESET = 0x07
    LEAVE = 0x08


REPLY = 0x80
RUNNING = 0x8F
NAK = 0xFF


class Refusal(IntEnum):
    """Why the board refused a request."""

    FRAME = 1
    VERSION = 2
    REQUEST = 3
    LENGTH = 4
    INDEX = 5
    RANGE = 6
    NO_INPUT = 7
    NO_OUTPUT = 8
    NO_PROFILE = 9


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame: which request it belongs to, its type, and its payload."""

    sequence: int
    type: int
    payload: bytes = b""


def encode(frame: Frame) -> bytes:
    """Return the bytes on the wire, delimiters included."""
    content = bytes((PROTOCOL_VERSION, frame.sequence, frame.type, len(frame.payload))) + frame.payload
    crc = binascii.crc_hqx(content, 0xFFFF)
    return b"\0" + cobs.encode(content + crc.to_bytes(2, "little")) + b"\0"


def decode(encoded: bytes) -> Frame | None:
    """Return the frame between two delimiters, or ``None`` if its coding, CRC, length or version is wrong."""
    try:
        content = cobs.decode(encoded)
    except cobs.DecodeError:
        return None
    body, crc = content[:-_CRC_BYTES], content[-_CRC_BYTES:]
    if len(body) < _HEADER_BYTES or int.from_bytes(crc, "little") != binascii.crc_hqx(body, 0xFFFF):
        return None
    if body[0] != PROTOCOL_VERSION or body[3] != len(body) - _HEADER_BYTES:
        return None
    return Frame(sequence=body[1], type=body[2], payload=body[_HEADER_BYTES:])


@dataclass(slots=True)
class Parser:
    """Finds frames in any stream of bytes; ``garbage`` counts pieces between delimiters that were none."""

    garbage: int = 0
    _pending: bytearray = field(default_factory=bytearray)

    def feed(self, received: bytes) -> list[Frame]:
        """Take received bytes and return the frames that they complete."""
        frames = []
        *ended, rest = (bytes(self._pending) + received).split(b"\0")
        for piece in ended:
            frame = decode(piece) if 0 < len(piece) <= _ENCODED_MAX else None
            if frame is not None:
                frames.append(frame)
            elif piece:
                self.garbage += 1
        # More than a frame without a delimiter is noise; keep just enough to know that it is not a frame.
        self._pending = bytearray(rest[: _ENCODED_MAX + 1])
        return frames
