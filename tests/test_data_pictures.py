"""Pictures: PNG files of every kind, written here by the book, other formats, damaged ones, and grids of images."""

from __future__ import annotations

import random
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from foldtiny import data_pictures
from foldtiny.errors import DataError


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _paeth(a: int, b: int, c: int) -> int:
    pa, pb, pc = abs(b - c), abs(a - c), abs(a + b - 2 * c)  # as the specification writes it
    return a if pa <= pb and pa <= pc else b if pb <= pc else c


def write_png(
    path: Path, pixels: np.ndarray, colour: int, *, filters: str = "01234", palette: bytes = b"", **header: int
) -> Path:
    """Write uint8 ``[H, W, samples]`` as PNG, its lines filtered in turn with the given filter types."""
    height, width, samples = pixels.shape
    lines = pixels.reshape(height, width * samples).astype(int)
    raw = bytearray()
    for y in range(height):
        kind = int(filters[y % len(filters)])
        raw.append(kind)
        for x in range(width * samples):
            a = lines[y, x - samples] if x >= samples else 0
            b = lines[y - 1, x] if y else 0
            c = lines[y - 1, x - samples] if y and x >= samples else 0
            guess = (0, a, b, (a + b) // 2, _paeth(a, b, c))[kind]
            raw.append((lines[y, x] - guess) & 255)
    size = header.get("width", width), header.get("height", height)
    ihdr = struct.pack(">IIBBBBB", *size, 8, colour, 0, 0, 0)
    packed = zlib.compress(bytes(raw))
    body = _chunk(b"IHDR", ihdr) + (_chunk(b"PLTE", palette) if palette else b"")
    body += _chunk(b"IDAT", packed[:7]) + _chunk(b"IDAT", packed[7:]) + _chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    return path


@pytest.mark.parametrize("filters", ["0", "1", "2", "3", "4", "01234"])
@pytest.mark.parametrize(("colour", "samples"), [(0, 1), (2, 3)])
def test_pixels_come_back(tmp_path: Path, filters: str, colour: int, samples: int) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (9, 7, samples), np.uint8)
    found = data_pictures.read(write_png(tmp_path / "p.png", pixels, colour, filters=filters))
    assert np.array_equal(found, pixels.astype(np.float32) / np.float32(255))


def test_palette_and_alpha(tmp_path: Path) -> None:
    palette = bytes((255, 0, 0, 0, 0, 255))
    found = data_pictures.read(write_png(tmp_path / "p.png", np.array([[[0], [1]]], np.uint8), 3, palette=palette))
    assert found.tolist() == [[[1, 0, 0], [0, 0, 1]]]
    half = np.array([[[200, 100, 50, 51]]], np.uint8)  # alpha 51 is a fifth
    found = data_pictures.read(write_png(tmp_path / "a.png", half, 6))
    np.testing.assert_allclose(found, half[:, :, :3] / 255 / 5, rtol=1e-6)
    found = data_pictures.read(write_png(tmp_path / "g.png", np.array([[[200, 0]]], np.uint8), 4))
    assert found.tolist() == [[[0]]]


def test_scaled_to_the_network(tmp_path: Path) -> None:
    pixels = np.zeros((40, 40, 3), np.uint8)
    pixels[:, 20:] = 255
    path = write_png(tmp_path / "p.png", pixels, 2)
    image = data_pictures.load(path, (1, 4, 4))
    assert image.shape == (1, 4, 4) and image.dtype == np.float32
    assert image[0, :, 0].max() < 0.01 and image[0, :, 3].min() > 0.99
    assert np.allclose(image.mean(), 0.5, atol=0.01)  # shrinking averages, it does not pick
    assert np.allclose(data_pictures.load(path, (1, 4, 4), invert=True), 1 - image)
    grey = write_png(tmp_path / "g.png", np.full((2, 2, 1), 51, np.uint8), 0)
    assert np.allclose(data_pictures.load(grey, (3, 5, 6)), 0.2)
    assert data_pictures.load(grey, (3, 5, 6)).shape == (3, 5, 6)


def test_cropped_to_the_proportions_of_the_network(tmp_path: Path) -> None:
    pixels = np.zeros((20, 60, 3), np.uint8)
    pixels[:, 20:40] = 255  # the middle third is what a square keeps
    path = write_png(tmp_path / "p.png", pixels, 2)
    assert data_pictures.load(path, (1, 5, 5), crop=True).min() > 0.99
    assert data_pictures.load(path, (1, 5, 5)).min() < 0.01


def test_other_formats(tmp_path: Path) -> None:
    from PIL import Image

    deep = Image.fromarray(np.array([[0, 65535], [13107, 0]], np.uint16))  # 13107 is a fifth
    deep.save(tmp_path / "deep.png")
    np.testing.assert_allclose(data_pictures.read(tmp_path / "deep.png")[:, :, 0], [[0, 1], [0.2, 0]], atol=1e-6)
    photo = Image.new("RGB", (8, 4), (255, 0, 0))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright
    photo.save(tmp_path / "photo.jpg", exif=exif, quality=100)
    found = data_pictures.read(tmp_path / "photo.jpg")
    assert found.shape == (8, 4, 3) and found[:, :, 0].min() > 0.9 and found[:, :, 1:].max() < 0.1
    assert data_pictures.is_grey(tmp_path / "deep.png") and not data_pictures.is_grey(tmp_path / "photo.jpg")
    for name in ("p.bmp", "p.gif", "p.webp", "p.ppm"):
        photo.save(tmp_path / name)
        assert data_pictures.load(tmp_path / name, (3, 2, 2)).shape == (3, 2, 2)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_grid_holds_every_image(channels: int, tmp_path: Path) -> None:
    images = np.random.default_rng(0).random((7, channels, 6, 10)).astype(np.float32)
    data_pictures.write_grid(tmp_path / "grid.png", images)
    found = data_pictures.read(tmp_path / "grid.png")
    assert found.shape == (3 * 6 + 2 * 2, 3 * 10 + 2 * 2, 3)
    last = images[6] if channels == 3 else images[6].mean(0, keepdims=True).repeat(3, 0)
    np.testing.assert_allclose(found[16:22, :10].transpose(2, 0, 1), last, atol=0.5 / 255 + 1e-6)
    assert (found[16:22, 12:] == 1).all()


def test_brightness(tmp_path: Path) -> None:
    green = write_png(tmp_path / "p.png", np.array([[[0, 255, 0]]], np.uint8), 2)
    assert np.allclose(data_pictures.load(green, (1, 1, 1)), 0.587)


def test_what_cannot_be_read(tmp_path: Path) -> None:
    good = write_png(tmp_path / "good.png", np.zeros((4, 4, 1), np.uint8), 0)
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8\xff\xe0 not a whole JPEG")
    (tmp_path / "text.png").write_bytes(b"hello")
    (tmp_path / "cut.png").write_bytes(good.read_bytes()[:50])
    gap = "cannot read .*gone.png: no such file or directory; give a PNG or JPEG file"
    cases = {
        tmp_path / "gone.png": gap,
        tmp_path / "photo.jpg": "photo.jpg is a damaged picture; save it again",
        tmp_path / "text.png": "text.png is not a picture .allowed: PNG, JPEG, BMP, GIF, WEBP, PPM.; save it as PNG",
        write_png(tmp_path / "big.png", np.zeros((1, 1, 1), np.uint8), 0, width=9000, height=9000): (
            "big.png has 9000 x 9000 pixels .allowed: 64 million.; save it smaller"
        ),
        tmp_path / "cut.png": "cut.png is a damaged picture; save it again",
    }
    for path, text in cases.items():
        with pytest.raises(DataError, match=text):
            data_pictures.read(path)
    with pytest.raises(DataError, match=r"takes 4 channels \(pictures have 1 or 3\); give its inputs with --data"):
        data_pictures.load(good, (4, 8, 8))
    content = good.read_bytes()
    rng = random.Random(3)
    refused = 0
    for _ in range(300):
        damaged = bytearray(content[: rng.randrange(len(content) + 1)])
        for _ in range(rng.randrange(4)):
            if damaged:
                damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        (tmp_path / "bad.png").write_bytes(damaged)
        try:
            data_pictures.read(tmp_path / "bad.png")
        except DataError:
            refused += 1
    assert refused > 200
