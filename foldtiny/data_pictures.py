"""Pictures from files and into files, by Pillow: for showing a network something, for folders of images, for grids."""

from __future__ import annotations

import io
import math
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from foldtiny import resources
from foldtiny.errors import DataError, reason

if TYPE_CHECKING:
    from PIL.Image import Image

Pixels = np.ndarray[Any, np.dtype[np.float32]]

#: What a picture's name ends in, in lower case.
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".ppm", ".pgm")
# Pillow knows formats that run other programs (EPS), and some that nobody takes pictures in.
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "PPM")
_GREY = ("1", "L", "LA", "La", "I;16", "I;16L", "I;16B", "I")
_MOST_PIXELS = 64_000_000
# What the eye takes for brightness (ITU-R BT.601).
_BRIGHTNESS = np.array([0.299, 0.587, 0.114], np.float32)
_GAP = 2


def load(path: Path, input_shape: tuple[int, int, int], *, invert: bool = False, crop: bool = False) -> Pixels:
    """Read a picture as a network takes it: scaled to its size, in its number of channels.

    Parameters
    ----------
    path : Path
        PNG, JPEG, BMP, GIF (the first picture), WebP or PPM; transparent parts are taken against black.
    input_shape : tuple[int, int, int]
        Channels (1 or 3), height and width.
    invert : bool
        Swap light and dark, for a dark thing photographed on a light table.
    crop : bool
        Cut off what is too long on one side, so that nothing is squeezed.

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
    if crop:
        image = _cropped(image, height, width)
    scaled = np.stack([_scaled(image[:, :, channel], height, width) for channel in range(channels)])
    return 1.0 - scaled if invert else scaled


def is_grey(path: Path) -> bool:
    """Return whether a picture has no colours; only its first bytes are read."""
    with _opened(path) as image:
        return image.mode in _GREY


def read(path: Path) -> Pixels:
    """Return a picture's pixels: float32 ``[H, W, 1 or 3]`` in [0, 1]."""
    from PIL import ImageOps

    with _opened(path) as image:
        try:
            upright = ImageOps.exif_transpose(image)
            if upright.mode.startswith("I"):  # 16 bits a sample
                return np.asarray(np.asarray(upright, np.float32)[:, :, None] / np.float32(65535))
            plain = upright.convert("LA" if upright.mode in _GREY else "RGBA")
        except Exception as error:
            raise DataError(f"{path} is a damaged picture", "save it again") from error
    pixels = np.asarray(plain, np.float32) / np.float32(255)
    return pixels[:, :, :-1] * pixels[:, :, -1:]


def _opened(path: Path) -> Image:
    """Open a picture; its pixels are not decoded yet."""
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of large pictures, which have their own limit below
            image = Image.open(path, formats=_FORMATS)
    except UnidentifiedImageError as error:
        raise DataError(f"{path} is not a picture (allowed: {', '.join(_FORMATS)})", "save it as PNG") from error
    except Exception as error:
        if isinstance(error, OSError) and error.errno:
            raise DataError(f"cannot read {path}: {reason(error)}", "give a PNG or JPEG file") from error
        raise DataError(f"{path} is a damaged picture", "save it again") from error
    width, height = image.size
    if not 0 < width * height <= _MOST_PIXELS:
        image.close()
        raise DataError(f"{path} has {width} x {height} pixels (allowed: 64 million)", "save it smaller")
    return image


def _cropped(image: Pixels, height: int, width: int) -> Pixels:
    """Cut an image ``[H, W, C]`` to the proportions of another size, centred."""
    rows, columns = image.shape[:2]
    keep_rows, keep_columns = min(rows, round(columns * height / width)), min(columns, round(rows * width / height))
    top, left = (rows - max(1, keep_rows)) // 2, (columns - max(1, keep_columns)) // 2
    return image[top : top + max(1, keep_rows), left : left + max(1, keep_columns)]


def _scaled(image: Pixels, height: int, width: int) -> Pixels:
    """Scale an image ``[H, W]``: linear between pixels, averaging when shrinking."""
    from PIL import Image

    resized = Image.fromarray(np.ascontiguousarray(image)).resize((width, height), Image.Resampling.BILINEAR)
    return np.clip(np.asarray(resized, np.float32), 0.0, 1.0)


def write_grid(path: Path, images: np.ndarray[Any, Any]) -> None:
    """Write images ``[N, C, H, W]`` in [0, 1] side by side as one PNG; more than 3 channels become their mean.

    Raises
    ------
    FoldtinyError
        If the file cannot be written.
    """
    from PIL import Image

    count, channels, height, width = images.shape
    shown = images if channels in (1, 3) else images.mean(axis=1, keepdims=True)
    columns = math.ceil(math.sqrt(count * height / width))
    rows = math.ceil(count / columns)
    grid = np.full((rows * (height + _GAP) - _GAP, columns * (width + _GAP) - _GAP, 3), 255, np.uint8)
    for number, image in enumerate(np.clip(np.rint(shown * 255), 0, 255).astype(np.uint8)):
        top, left = number // columns * (height + _GAP), number % columns * (width + _GAP)
        grid[top : top + height, left : left + width] = image.transpose(1, 2, 0)
    buffer = io.BytesIO()
    Image.fromarray(grid).save(buffer, "PNG")
    resources.write_atomic(path, buffer.getvalue())
