"""Images in folders, one folder a class: ``DIR/train/cat/1.jpg``, ``DIR/test/dog/2.png``, or ``DIR/cat/1.jpg`` alone.

Pictures are decoded one at a time, scaled to the network's input, so memory holds what the network sees and no more.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from foldtiny import data_pictures
from foldtiny.errors import DataError

_LAYOUT = "lay it out as DIR/train/<class>/*.png and DIR/test/<class>/*.png, or DIR/<class>/*.png for testing alone"
_SPLITS = {"train": ("train", "training"), "test": ("test", "val", "valid", "validation")}


@dataclass(frozen=True, slots=True)
class Listing:
    """The pictures of one split.

    Attributes
    ----------
    source : Path
        The folder that holds a folder for each class.
    files : tuple of Path
        In the order of the classes, sorted by name within.
    labels : int64 array [N]
    class_names : tuple of str
        The names of the folders, sorted.
    reference : Path
        The picture that decides whether all are grey: the first to train with, where there are any.
    """

    source: Path
    files: tuple[Path, ...]
    labels: np.ndarray[Any, np.dtype[np.int64]]
    class_names: tuple[str, ...]
    reference: Path

    def channels(self) -> int:
        """Return 1 where the pictures are grey, otherwise 3."""
        return 1 if data_pictures.is_grey(self.reference) else 3


def size_of(found: Listing) -> tuple[int, int]:
    """Return height and width of the reference picture."""
    height, width, _ = data_pictures.read(found.reference).shape
    return height, width


def listing(folder: Path, split: str) -> Listing:
    """Find the pictures of a split; none is opened.

    Parameters
    ----------
    folder : Path
    split : str
        ``test``, ``train`` or ``calibration``, which takes those to train with, or those to test with where there are
        no others.

    Raises
    ------
    DataError
        If there are none, or the folders of both splits name different classes.
    """
    if not folder.is_dir():
        found = "is a file" if folder.is_file() else "there is no such folder"
        raise DataError(f"{folder}: {found} (expected: a folder of images)", _LAYOUT)
    train, test = (_split(folder, kind) for kind in ("train", "test"))
    if train is None and test is None:
        test = folder
    source = test if split == "test" else train or (test if split == "calibration" else None)
    if source is None:
        lacking = "test" if split == "test" else "train"
        raise DataError(f"{folder}: has no folder {lacking} (found: {_names(folder)})", _LAYOUT)
    classes = _classes(train or source)
    own = _classes(source)
    unknown = sorted(set(own) - set(classes))
    if unknown:
        raise DataError(
            f"{source}: has the class {unknown[0]}, which {train} lacks (found there: {', '.join(sorted(classes))})",
            "name the folders of both alike",
        )
    names = tuple(sorted(classes))
    files = [(path, number) for number, name in enumerate(names) for path in own.get(name, ())]
    reference = next(path for name in names for path in classes[name])
    return Listing(
        source, tuple(path for path, _ in files), np.asarray([n for _, n in files], np.int64), names, reference
    )


def pixels(files: list[Path], input_shape: tuple[int, int, int]) -> data_pictures.Pixels:
    """Return pictures as a network takes them: float32 ``[N, C, H, W]``, scaled, centred and cut to its proportions.

    Raises
    ------
    DataError
        If one of them is no picture, or they need more than half of this machine's memory.
    """
    channels, height, width = input_shape
    needed = len(files) * channels * height * width * 4
    # Windows does not say how much there is.
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else None
    if memory is not None and needed > memory / 2:
        raise DataError(
            f"{len(files):,} pictures of {channels}x{height}x{width} take {needed / 2**30:.1f} GiB "
            f"(allowed: half of this machine's {memory / 2**30:.1f} GiB)",
            "give a folder with fewer pictures, or a network for smaller ones",
        )
    result = np.empty((len(files), *input_shape), np.float32)
    for number, path in enumerate(files):
        result[number] = data_pictures.load(path, input_shape, crop=True)
    return result


def _split(folder: Path, kind: str) -> Path | None:
    return next((folder / name for name in _SPLITS[kind] if (folder / name).is_dir()), None)


def _classes(source: Path) -> dict[str, list[Path]]:
    """Return the pictures of each class: whatever lies in its folder, however deep."""
    found = {}
    for folder in sorted(path for path in source.iterdir() if path.is_dir() and not path.name.startswith(".")):
        inside = sorted(p for p in folder.rglob("*") if p.suffix.lower() in data_pictures.SUFFIXES and p.is_file())
        if inside:
            found[folder.name] = inside
    if not found:
        raise DataError(
            f"{source}: holds no pictures in folders (found: {_names(source)}; "
            f"pictures end in {', '.join(data_pictures.SUFFIXES)})",
            _LAYOUT,
        )
    return found


def _names(folder: Path) -> str:
    names = sorted(path.name for path in folder.iterdir())
    shown = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
    return shown or "nothing"
