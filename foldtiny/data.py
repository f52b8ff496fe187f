"""Images for training, calibration and testing: read from this machine, never downloaded.

What the user may give:

===================  ==========================================================================================
``auto``             Fashion-MNIST where it is installed, otherwise the subset that is shipped
``subset``           2,000 test and 512 calibration images of Fashion-MNIST, shipped with foldtiny
``fashion-mnist``    the folder of the Debian package ``dataset-fashion-mnist``
``fashion-mnist:D``  the four idx files (``.gz`` or not) in the folder D
``cifar10:D``        the ``.bin`` files of the binary version of CIFAR-10 in the folder D
``folder:D``         pictures in ``D/train/<class>/`` and ``D/test/<class>/`` (or ``val``); ``D/<class>/`` to test only
``npz:F``            a NumPy archive: ``x`` and ``y`` (or ``images`` and ``labels``) for testing and calibration,
                     or ``x_train``, ``y_train``, ``x_test``, ``y_test``, ``x_calibration``; ``class_names`` optional
``npy:F``            one array of images without labels
===================  ==========================================================================================

Arrays are ``[N, H, W]``, ``[N, C, H, W]`` or ``[N, H, W, C]``. Integers are pixels, 0 to 255, and are divided by 255;
floats reach the network as they are. Pictures of a folder are scaled and cut to the network's input.
"""

from __future__ import annotations

import difflib
import io
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from foldtiny import data_folder, resources
from foldtiny.data_files import RawImages, read_cifar10, read_idx, read_npy, read_npz
from foldtiny.errors import DataError, FoldtinyError, UsageError

FASHION_MNIST_FOLDER = Path("/usr/share/datasets/fashion-mnist")
FASHION_MNIST_CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
SPLITS = ("test", "train", "calibration")
CALIBRATION_IMAGES = 512
SUBSET = "fashion_mnist_subset.npz"
_SUBSET_TEST_IMAGES = 2000
_WANTS_PATH = ("npz", "npy", "cifar10")
_KNOWN = (
    *("auto", "subset", "fashion-mnist", "fashion-mnist:FOLDER"),
    *("cifar10:FOLDER", "folder:FOLDER", "npz:FILE", "npy:FILE"),
)
_INSTALL = (
    "install it with `apt-get install dataset-fashion-mnist`, name its folder as fashion-mnist:FOLDER, "
    "or take the shipped images with `subset`"
)
_INSTALL_WHOLE = (
    "install the whole with `apt-get install dataset-fashion-mnist`, or name its folder as fashion-mnist:FOLDER"
)


@dataclass(frozen=True, slots=True)
class ImageSet:
    """Images as a network takes them.

    Attributes
    ----------
    name : str
        What they are, for reports.
    images : np.ndarray
        float32 ``[N, C, H, W]``; in [0, 1] where they come from pixels.
    labels : np.ndarray | None
        int64 ``[N]``, or None where there are none.
    class_names : tuple[str, ...]
        Empty where unknown.
    """

    name: str
    images: np.ndarray[Any, np.dtype[np.float32]]
    labels: np.ndarray[Any, np.dtype[np.int64]] | None
    class_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.images)


def load(
    spec: str = "auto",
    split: str = "test",
    *,
    input_shape: tuple[int, int, int] | None = None,
    size: tuple[int, int] | None = None,
    limit: int | None = None,
) -> ImageSet:
    """Read images.

    Parameters
    ----------
    spec : str
        See the module's table.
    split : str
        ``test``, ``train`` or ``calibration``; the last is a fixed selection of up to 512 training images that has
        the classes in equal number.
    input_shape : tuple[int, int, int], optional
        Channels, height and width of the network's input. Smaller images are padded with zeros, centred.
    size : tuple[int, int], optional
        Height and width of the pictures of a folder, where ``input_shape`` does not say.
    limit : int, optional
        Return at most the first ``limit`` images.

    Raises
    ------
    UsageError
        If ``spec``, ``split`` or ``limit`` is not one of those allowed.
    DataError
        If the files are missing or damaged, or their images do not suit ``input_shape``.
    """
    if split not in SPLITS:
        raise UsageError(f"there is no split {split!r} (allowed: {', '.join(SPLITS)})", "name one of these")
    if limit is not None and limit < 1:
        raise UsageError(f"the limit on images is {limit} (allowed: 1 or more)", "give a positive number")
    kind, path = split_spec(spec)
    if kind == "folder" and path:
        return _from_folder(Path(path).expanduser(), split, input_shape, size, limit)
    name, raw = _read(spec, split)
    labels = _labels(raw)
    images = raw.images
    if split == "calibration":
        chosen = balanced(labels, len(images), CALIBRATION_IMAGES)
        images, labels = images[chosen], None if labels is None else labels[chosen]
    if limit is not None:
        images, labels = images[:limit], None if labels is None else labels[:limit]
    pixels = _to_float(_to_nchw(images, raw.source, input_shape), raw.source)
    if input_shape is not None:
        pixels = fit(pixels, input_shape, str(raw.source))
    return ImageSet(f"{name} ({split})", pixels, labels, raw.class_names)


def _from_folder(
    folder: Path,
    split: str,
    input_shape: tuple[int, int, int] | None,
    size: tuple[int, int] | None,
    limit: int | None,
) -> ImageSet:
    found = data_folder.listing(folder, split)
    if input_shape is None:
        height, width = size or data_folder.size_of(found)
        input_shape = (found.channels(), height, width)
    total = len(found.files)
    chosen = balanced(found.labels, total, CALIBRATION_IMAGES) if split == "calibration" else np.arange(total)
    chosen = chosen[:limit]
    images = data_folder.pixels([found.files[index] for index in chosen], input_shape)
    return ImageSet(f"{folder.name} ({split})", images, found.labels[chosen], found.class_names)


def fit(
    images: np.ndarray[Any, Any], input_shape: tuple[int, int, int], name: str = "the images"
) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Pad images ``[N, C, H, W]`` with zeros, centred, to the height and width of a network's input.

    Raises
    ------
    DataError
        If they have another number of channels or are larger.
    """
    channels, height, width = input_shape
    _, found_channels, found_height, found_width = images.shape
    if found_channels != channels or found_height > height or found_width > width:
        raise DataError(
            f"{name}: the images are {found_channels}x{found_height}x{found_width} (channels x height x width), "
            f"but the network takes {channels}x{height}x{width}",
            "give images with that number of channels and no larger, or a network made for these",
        )
    top, left = (height - found_height) // 2, (width - found_width) // 2
    padded = np.zeros((len(images), *input_shape), np.float32)
    padded[:, :, top : top + found_height, left : left + found_width] = images
    return padded


def balanced(labels: np.ndarray[Any, Any] | None, total: int, count: int) -> np.ndarray[Any, Any]:
    """Return the rising indices of ``count`` images: the first ones of each class, the classes in equal number.

    Without labels the images are taken at equal distances. There is no randomness, so the choice never changes.
    """
    if count >= total:
        return np.arange(total)
    if labels is None:
        return np.arange(count) * total // count
    # The rank of each image within its class; taking the lowest ranks first goes round the classes.
    rank = np.empty(total, np.int64)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        rank[members] = np.arange(len(members))
    return np.sort(np.argsort(rank, kind="stable")[:count])


def split_spec(spec: str) -> tuple[str, str]:
    """Return what kind of data ``spec`` names, and its file or folder; ``F.npz`` stands for ``npz:F.npz``."""
    kind, _, path = spec.partition(":")
    if not path and Path(spec).suffix in (".npz", ".npy"):
        return Path(spec).suffix[1:], spec
    return kind, path


def _read(spec: str, split: str) -> tuple[str, RawImages]:
    kind, path = split_spec(spec)
    if kind == "auto" and not path:
        kind = "fashion-mnist" if installed() or split == "train" else "subset"
    if kind == "fashion-mnist":
        folder = Path(path).expanduser() if path else FASHION_MNIST_FOLDER
        raw = read_idx(folder, "t10k" if split == "test" else "train", _INSTALL)
        return "Fashion-MNIST", RawImages(raw.source, raw.images, raw.labels, FASHION_MNIST_CLASSES)
    if kind == "subset" and not path:
        if split == "train":
            raise DataError("the shipped subset of Fashion-MNIST has no training images", _INSTALL_WHOLE)
        return "Fashion-MNIST subset", read_npz(resources.asset(SUBSET), split)
    if kind in _WANTS_PATH and path:
        file = Path(path).expanduser()
        if kind == "cifar10":
            return "CIFAR-10", read_cifar10(file, train=split != "test")
        if kind == "npy" and split == "train":
            raise DataError(
                f"{file}: a .npy file has no labels to train with", "give npz:FILE with x_train and y_train"
            )
        return file.name, read_npz(file, split) if kind == "npz" else read_npy(file)
    near = difflib.get_close_matches(kind, [known.partition(":")[0] for known in _KNOWN], n=1)
    guess = f"did you mean {near[0]}? " if near and near[0] != kind else ""
    raise UsageError(f"there is no data called {spec!r} (known: {', '.join(_KNOWN)})", f"{guess}name one of these")


def installed() -> bool:
    """Return whether the whole of Fashion-MNIST is where Debian's package puts it."""
    return (FASHION_MNIST_FOLDER / "t10k-images-idx3-ubyte.gz").is_file()


def _labels(raw: RawImages) -> np.ndarray[Any, np.dtype[np.int64]] | None:
    if raw.labels is None:
        return None
    labels = raw.labels[:, 0] if raw.labels.ndim == 2 and raw.labels.shape[1] == 1 else raw.labels
    if labels.dtype.kind not in "iu" or labels.ndim != 1 or len(labels) != len(raw.images):
        raise DataError(
            f"{raw.source}: the labels are {labels.dtype} of shape {list(labels.shape)} "
            f"(expected: {len(raw.images)} whole numbers, one for each image)",
            "store the class of each image, counted from 0",
        )
    if len(labels) and int(labels.min()) < 0:
        raise DataError(
            f"{raw.source}: found the label {int(labels.min())} (allowed: 0 or more)", "count the classes from 0"
        )
    return labels.astype(np.int64)


def _to_nchw(
    images: np.ndarray[Any, Any], source: Path, input_shape: tuple[int, int, int] | None
) -> np.ndarray[Any, Any]:
    if images.ndim == 3:
        images = images[:, None]
    if images.ndim != 4 or not images.size:
        raise DataError(
            f"{source}: the images have the shape {list(images.shape)} "
            "(expected: [N, H, W], [N, C, H, W] or [N, H, W, C], none of them 0)",
            "store them in one of these layouts",
        )
    # A network of 1x49x10 gets 49x10x1 right, and one of 3 channels 3xHxW, before the usual numbers are tried.
    for usual in (() if input_shape is None else (input_shape[0],), (1, 3)):
        if images.shape[1] in usual:
            return images
        if images.shape[3] in usual:
            return images.transpose(0, 3, 1, 2)
    raise DataError(
        f"{source}: cannot tell which axis of {list(images.shape)} holds the channels (expected: 1 or 3 of them)",
        "store the images as [N, C, H, W] with 1 or 3 channels",
    )


def _to_float(images: np.ndarray[Any, Any], source: Path) -> np.ndarray[Any, np.dtype[np.float32]]:
    if images.dtype.kind in "iu":
        low, high = int(images.min()), int(images.max())
        if low < 0 or high > 255:
            raise DataError(
                f"{source}: the pixels are whole numbers from {low} to {high} (allowed: 0 to 255)",
                "scale them to 0...255, or store floats",
            )
        return np.ascontiguousarray(images.astype(np.float32) / np.float32(255))
    if images.dtype.kind != "f":
        raise DataError(
            f"{source}: the images are {images.dtype} (allowed: integers and floats)", "store them as uint8"
        )
    if not np.isfinite(images).all():
        raise DataError(f"{source}: some of the image values are infinite or not numbers", "remove those images")
    # Whole numbers up to 255 that happen to be stored as floats would swamp a network that was trained on [0, 1].
    if images.min() >= 0 and images.max() > 16 and (images == np.floor(images)).all():
        raise DataError(
            f"{source}: the floats are whole numbers up to {images.max():.0f}, as pixels are "
            "(expected: the values that the network takes)",
            "store them as uint8, or divide them by 255",
        )
    return np.ascontiguousarray(images, np.float32)


def subset_bytes(folder: Path = FASHION_MNIST_FOLDER) -> bytes:
    """Return the content of ``fashion_mnist_subset.npz``: the first images of each class, with their indices.

    The bytes depend on the four source files and zlib alone.

    Raises
    ------
    DataError
        If the data set is not in ``folder``.
    """
    arrays: dict[str, np.ndarray[Any, Any]] = {"class_names": np.array(FASHION_MNIST_CLASSES)}
    for split, prefix, count in (("test", "t10k", _SUBSET_TEST_IMAGES), ("calibration", "train", CALIBRATION_IMAGES)):
        raw = read_idx(folder, prefix, _INSTALL)
        chosen = balanced(raw.labels, len(raw.images), count)
        arrays |= {f"x_{split}": raw.images[chosen], f"indices_{split}": chosen.astype(np.int32)}
        if raw.labels is not None:
            arrays[f"y_{split}"] = raw.labels[chosen]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, array in arrays.items():
            stream = io.BytesIO()
            np.save(stream, array, allow_pickle=False)
            # ZipInfo's own date (1980) instead of today's.
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), stream.getvalue(), zipfile.ZIP_DEFLATED, 9)
    return buffer.getvalue()


def main(arguments: list[str]) -> int:
    """Run ``python -m foldtiny.data subset OUT [FOLDER]``, which makes the shipped images."""
    if len(arguments) not in (2, 3) or arguments[0] != "subset":
        print("usage: python -m foldtiny.data subset OUT [FOLDER]", file=sys.stderr)
        return UsageError.exit_code
    try:
        resources.write_atomic(Path(arguments[1]), subset_bytes(*map(Path, arguments[2:])))
    except FoldtinyError as error:
        print(f"foldtiny: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
