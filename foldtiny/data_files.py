"""Readers of image files: MNIST's idx, CIFAR-10's binary batches, NumPy's .npz and .npy.

They return the arrays as stored; `foldtiny.data` brings them to one layout and range. Nothing here unpickles.
"""

from __future__ import annotations

import gzip
import math
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from foldtiny.errors import DataError

_UNREADABLE = (OSError, EOFError, ValueError, KeyError, RuntimeError, MemoryError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True, slots=True)
class RawImages:
    """Images as stored: ``[N, H, W]``, ``[N, C, H, W]`` or ``[N, H, W, C]``, any number type."""

    source: Path
    images: np.ndarray[Any, Any]
    labels: np.ndarray[Any, Any] | None
    class_names: tuple[str, ...] = ()


def read_idx(folder: Path, prefix: str, hint: str) -> RawImages:
    """Read ``<prefix>-images-idx3-ubyte`` and ``<prefix>-labels-idx1-ubyte``, plain or ``.gz``.

    Parameters
    ----------
    folder : Path
        Where the files lie.
    prefix : str
        ``train`` or ``t10k``.
    hint : str
        The way out for a missing file.

    Raises
    ------
    DataError
        If a file is missing, damaged or not of this format.
    """
    image_file = _either(folder, f"{prefix}-images-idx3-ubyte", hint)
    images = _idx_array(image_file, 3)
    label_file = _either(folder, f"{prefix}-labels-idx1-ubyte", hint)
    labels = _idx_array(label_file, 1)
    if len(images) != len(labels):
        raise DataError(
            f"{label_file}: found {len(labels)} labels for {len(images)} images",
            "take both files from the same data set",
        )
    return RawImages(image_file, images, labels)


def _either(folder: Path, name: str, hint: str) -> Path:
    for path in (folder / f"{name}.gz", folder / name):
        if path.is_file():
            return path
    found = "the folder lacks it" if folder.is_dir() else "there is no such folder"
    raise DataError(f"{folder}: {found} (expected: {name}.gz)", hint)


def _idx_array(path: Path, rank: int) -> np.ndarray[Any, Any]:
    try:
        content = path.read_bytes()
        if path.suffix == ".gz":
            content = gzip.decompress(content)
    except _UNREADABLE as error:
        raise DataError(f"{path}: cannot be read ({_reason(error)})", "replace it with a whole copy") from error
    # The magic number: two zero bytes, 8 for unsigned bytes, the rank.
    header = 4 + 4 * rank
    if len(content) < header or content[:4] != bytes((0, 0, 8, rank)):
        raise DataError(
            f"{path}: starts with {content[:4].hex() or 'nothing'} (expected: 000008{rank:02x}, an idx file of bytes)",
            "replace it with the file of that name from the data set",
        )
    shape = struct.unpack(f">{rank}I", content[4:header])
    size = math.prod(shape)
    if len(content) - header != size:
        raise DataError(
            f"{path}: holds {len(content) - header} bytes of data (expected: {size} for {_by(shape)})",
            "replace it with a whole copy",
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


_CIFAR10_RECORD = 1 + 3 * 32 * 32
_CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def read_cifar10(folder: Path, train: bool) -> RawImages:
    """Read the binary version of CIFAR-10: ``data_batch_1.bin`` to ``5``, or ``test_batch.bin``.

    Raises
    ------
    DataError
        If a file is missing or not a whole number of records.
    """
    unpacked = folder / "cifar-10-batches-bin"  # what the archive unpacks to
    folder = unpacked if unpacked.is_dir() else folder
    names = [f"data_batch_{index}.bin" for index in range(1, 6)] if train else ["test_batch.bin"]
    records = []
    for name in names:
        path = folder / name
        if not path.is_file():
            found = "the folder lacks it" if folder.is_dir() else "there is no such folder"
            raise DataError(
                f"{folder}: {found} (expected: {name})",
                "unpack cifar-10-binary.tar.gz and give the folder that holds the .bin files",
            )
        try:
            content = np.fromfile(path, np.uint8)
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({_reason(error)})", "mend its permissions") from error
        if not len(content) or len(content) % _CIFAR10_RECORD:
            raise DataError(
                f"{path}: holds {len(content)} bytes (expected: a multiple of {_CIFAR10_RECORD})",
                "replace it with a whole copy of the binary version",
            )
        records.append(content.reshape(-1, _CIFAR10_RECORD))
    joined = np.concatenate(records)
    return RawImages(folder / names[0], joined[:, 1:].reshape(-1, 3, 32, 32), joined[:, 0], _CIFAR10_CLASSES)


# For each split, the pairs of names that may hold it, best first. The names x_train ... are those of Keras's files.
_NPZ_NAMES = {
    "test": (("x_test", "y_test"), ("x", "y"), ("images", "labels")),
    "train": (("x_train", "y_train"),),
    "calibration": (("x_calibration", "y_calibration"), ("x_train", "y_train"), ("x", "y"), ("images", "labels")),
}


def read_npz(path: Path, split: str) -> RawImages:
    """Read images, and labels if there are any, from a ``.npz`` file.

    Raises
    ------
    DataError
        If the file is missing, damaged, needs unpickling, or has no images for this split.
    """
    archive = _numpy_file(path)
    if not isinstance(archive, np.lib.npyio.NpzFile):
        raise DataError(f"{path}: is a single array (expected: a .npz file)", f"give npy:{path}")
    with archive:
        for images, labels in _NPZ_NAMES[split]:
            if images in archive.files:
                names = _member(path, archive, "class_names") if "class_names" in archive.files else ()
                return RawImages(
                    path,
                    _member(path, archive, images),
                    _member(path, archive, labels) if labels in archive.files else None,
                    tuple(str(name) for name in names),
                )
        wanted = " or ".join(images for images, _ in _NPZ_NAMES[split])
        raise DataError(
            f"{path}: has no images for the {split} split (found: {', '.join(archive.files) or 'nothing'})",
            f"store the array as {wanted}",
        )


def read_npy(path: Path) -> RawImages:
    """Read unlabelled images from a ``.npy`` file.

    Raises
    ------
    DataError
        If the file is missing, damaged or needs unpickling.
    """
    array = _numpy_file(path)
    if isinstance(array, np.lib.npyio.NpzFile):
        array.close()
        raise DataError(f"{path}: is an archive of arrays (expected: a .npy file)", f"give npz:{path}")
    return RawImages(path, array, None)


def _numpy_file(path: Path) -> Any:
    if not path.is_file():
        found = "is a folder" if path.is_dir() else "there is no such file"
        raise DataError(f"{path}: {found} (expected: a NumPy file)", "check the path")
    try:
        # A pickle would run code: NumPy then raises ValueError instead.
        return np.load(path, allow_pickle=False)
    except _UNREADABLE as error:
        raise DataError(
            f"{path}: is not a NumPy file of plain numbers", "write it with numpy.savez or numpy.save"
        ) from error


def _member(path: Path, archive: Any, name: str) -> np.ndarray[Any, Any]:
    try:
        return np.asarray(archive[name])
    except _UNREADABLE as error:
        raise DataError(
            f"{path}: the array {name} is damaged or not made of plain numbers", "write it again with numpy.savez"
        ) from error


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(str(size) for size in shape)


def _reason(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error).rstrip(".").lower() or type(error).__name__
