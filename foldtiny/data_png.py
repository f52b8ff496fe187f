"""Pictures from PNG files, for showing a network something from one's own desk; no imaging library needed."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from foldtiny.errors import DataError, reason

Pixels = np.ndarray[Any, np.dtype[np.float32]]

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY, _RGB, _PALETTE, _GREY_ALPHA, _RGB_ALPHA = 0, 2, 3, 4, 6
_SAMPLES = {_GREY: 1, _RGB: 3, _PALETTE: 1, _GREY_ALPHA: 2, _RGB_ALPHA: 4}
_MOST_PIXELS = 64_000_000
# What the eye takes for brightness (ITU-R BT.601).
_BRIGHTNESS = np.array([0.299, 0.587, 0.114], np.float32)


def load(path: Path, input_shape: tuple[int, int, int], *, invert: bool = False) -> Pixels:
    """Read a picture as a network takes it: scaled to its size, in its number of channels.

    Parameters
    ----------
    path : Path
        A PNG file: 8 bits a sample, grey, RGB or palette, with or without alpha (taken against black), not interlaced.
    input_shape : tuple[int, int, int]
        Channels (1 or 3), height and width.
    invert : bool
        Swap light and dark, for a dark thing photographed on a light table.

    Returns
    -------
    np.ndarray
        float32 ``[C, H, W]`` in [0, 1].

    Raises
    ------
    DataError
        If the file is not such a picture.
    """
    channels, height, width = input_shape
    if channels not in (1, 3):
        raise DataError(f"the network takes {channels} channels (pictures have 1 or 3)", "give its inputs with --data")
    image = read(path)
    if channels == 1:
        image = image @ _BRIGHTNESS if image.shape[2] == 3 else image[:, :, 0]
        image = image[:, :, None]
    elif image.shape[2] == 1:
        image = np.repeat(image, 3, axis=2)
    rows, columns = _weights(image.shape[0], height), _weights(image.shape[1], width)
    scaled = np.einsum("yh,hwc,xw->cyx", rows, image, columns, optimize=True)
    scaled = np.clip(scaled, 0.0, 1.0).astype(np.float32)
    return 1.0 - scaled if invert else scaled


def read(path: Path) -> Pixels:
    """Return a PNG file's pixels: float32 ``[H, W, 1 or 3]`` in [0, 1]."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {path}: {reason(error)}", "give a PNG file") from error
    if not content.startswith(_SIGNATURE):
        raise DataError(f"{path} is not a PNG file", "save the picture as PNG")
    try:
        chunks = _chunks(content)
        width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
        if depth != 8 or interlaced or colour not in _SAMPLES or not 0 < width * height <= _MOST_PIXELS:
            raise DataError(
                f"{path} is a PNG of {width} x {height} pixels with {depth} bits a sample, colour type {colour}"
                f"{', interlaced' if interlaced else ''} (allowed: 8 bits, not interlaced, 64 million pixels)",
                "save it again with 8 bits and without interlacing",
            )
        samples = _SAMPLES[colour]
        inflater = zlib.decompressobj()
        raw = inflater.decompress(chunks[b"IDAT"], height * (width * samples + 1))
        pixels = _unfilter(np.frombuffer(raw, np.uint8).reshape(height, width * samples + 1), samples)
        pixels = pixels.reshape(height, width, samples)
        if colour == _PALETTE:
            pixels = np.frombuffer(chunks[b"PLTE"], np.uint8).reshape(-1, 3)[pixels[:, :, 0]]
    except (KeyError, ValueError, IndexError, struct.error, zlib.error) as error:
        raise DataError(f"{path} is a damaged PNG file", "save it again") from error
    image = pixels.astype(np.float32) / np.float32(255)
    if colour in (_GREY_ALPHA, _RGB_ALPHA):
        image = image[:, :, :-1] * image[:, :, -1:]
    return image


def _chunks(content: bytes) -> dict[bytes, bytes]:
    """Return the chunks by type, those of the pixels joined."""
    found: dict[bytes, bytes] = {}
    at = len(_SIGNATURE)
    while at + 12 <= len(content):
        (length,) = struct.unpack_from(">I", content, at)
        kind, body = content[at + 4 : at + 8], content[at + 8 : at + 8 + length]
        if len(body) != length:
            raise ValueError("cut short")
        found[kind] = found.get(kind, b"") + body
        at += 12 + length
    return found


def _unfilter(lines: np.ndarray[Any, np.dtype[np.uint8]], samples: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Undo PNG's prediction: each line says how its bytes were predicted from those to the left and above."""
    height, length = lines.shape[0], lines.shape[1] - 1
    out = np.zeros((height + 1, length + samples), np.int64)  # a border of zeros above and to the left
    for y in range(height):
        kind, line = int(lines[y, 0]), lines[y, 1:].astype(np.int64)
        above, here = out[y], out[y + 1]
        if kind == 0:
            here[samples:] = line
        elif kind == 1:
            columns = line.reshape(-1, samples)
            here[samples:] = (np.cumsum(columns, axis=0) & 255).reshape(-1)
        elif kind == 2:
            here[samples:] = (line + above[samples:]) & 255
        elif kind in (3, 4):
            for x in range(samples, length + samples):
                left, up, corner = int(here[x - samples]), int(above[x]), int(above[x - samples])
                guess = (left + up) // 2 if kind == 3 else _paeth(left, up, corner)
                here[x] = (int(line[x - samples]) + guess) & 255
        else:
            raise ValueError(f"filter {kind}")
    return out[1:, samples:].astype(np.uint8)


def _paeth(left: int, up: int, corner: int) -> int:
    """Return the neighbour that is nearest to left + up - corner (PNG specification, section 9.4)."""
    target = left + up - corner
    distances = (abs(target - left), abs(target - up), abs(target - corner))
    return (left, up, corner)[distances.index(min(distances))]


def _weights(source: int, target: int) -> Pixels:
    """Return the matrix ``[target, source]`` that scales a line: linear between pixels, averaging when shrinking."""
    step = source / target
    support = max(1.0, step)
    centres = (np.arange(target) + 0.5) * step - 0.5
    distance = np.abs(np.arange(source)[None] - centres[:, None]) / support
    weights = np.maximum(0.0, 1.0 - distance)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)
