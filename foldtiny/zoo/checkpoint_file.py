"""What a checkpoint file holds, read without running any code that it may contain."""

from __future__ import annotations

import hashlib
import io
import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from foldtiny.errors import DataError

FORMAT = "foldtiny-checkpoint"
VERSION = 1
_ENTRIES: dict[str, type] = {
    "architecture": str,
    "config": dict,
    "input_shape": tuple,
    "classes": int,
    "class_names": tuple,
    "metadata": dict,
    "state_dict": dict,
}


def read(path: Path) -> tuple[dict[str, Any], str]:
    """Return the dictionary in a file of ``torch.save`` and the sha256 of the file.

    Raises
    ------
    DataError
        If the file is missing, damaged, foreign, or holds anything but numbers and text.
    """
    if not path.is_file():
        found = "is a folder" if path.is_dir() else "there is no such file"
        raise DataError(f"{path}: {found} (expected: a checkpoint)", "check the path")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({(error.strerror or '').lower()})", "mend its permissions") from error
    try:
        with warnings.catch_warnings():
            # torch warns about pickles of other protocols, which are refused below anyway.
            warnings.simplefilter("ignore")
            content = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        if isinstance(content, dict) and content.get("format") == FORMAT:
            _check_sums(data)
    except Exception as error:
        # torch refuses whatever is not plain numbers before it runs, and says what the pickle asked for.
        wanted = re.search(r"(?:GLOBAL|class|function|global:?) ([A-Za-z_][\w.]*\.\w+)", str(error))
        if wanted and "weights only" in str(error).lower():
            raise DataError(
                f"{path}: holds Python objects ({wanted[1]}) that could run code, so it was not opened",
                "save the network's state_dict() with torch.save instead of the network",
            ) from error
        if "torchscript" in str(error).lower():
            raise DataError(
                f"{path}: is a TorchScript file, which holds code",
                "save the network with torch.export.save (.pt2) instead",
            ) from error
        raise DataError(
            f"{path}: is not a checkpoint (it is cut short, damaged, or another kind of file)",
            "give a file written by foldtiny, or a state_dict written by torch.save",
        ) from error
    if not isinstance(content, dict):
        raise DataError(
            f"{path}: holds {type(content).__name__} (expected: a checkpoint)", "give a file written by foldtiny"
        )
    return content, hashlib.sha256(data).hexdigest()


def _check_sums(data: bytes) -> None:
    # torch does not compare the checksums that it writes, so a flipped bit in a weight would pass unnoticed.
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        damaged = archive.testzip()
    if damaged is not None:
        raise ValueError(f"{damaged} is damaged")


def header_of(path: Path, content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the checked entries of a checkpoint that foldtiny wrote.

    Raises
    ------
    DataError
        If it is not one, is of another version, or an entry is missing or of the wrong type.
    """
    if content.get("format") != FORMAT:
        raise DataError(
            f"{path}: does not say which network its weights are for",
            f"give --model package.module:factory --weights {path} --input-shape C,H,W",
        )
    if content.get("version") != VERSION:
        raise DataError(
            f"{path}: is a checkpoint of version {content.get('version')} (known: {VERSION})", "update foldtiny"
        )
    header: dict[str, Any] = {}
    for key, kind in _ENTRIES.items():
        value = content.get(key)
        if not isinstance(value, kind) or (key == "input_shape" and three(value) is None):
            raise DataError(f"{path}: its entry {key!r} is missing or damaged", "train or fold the network again")
        header[key] = value
    header["state_dict"] = state_dict_of(path, header["state_dict"])
    header["program"] = content.get("program")
    return header


def state_dict_of(path: Path, content: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """Return the weights in ``content``: itself, or what it holds as ``state_dict``.

    Raises
    ------
    DataError
        If there are none, or a value is infinite or not a number.
    """
    for key in ("state_dict", "model_state_dict", "model"):
        if isinstance(content.get(key), dict):
            content = content[key]
    if not content or not all(
        isinstance(key, str) and isinstance(value, torch.Tensor) for key, value in content.items()
    ):
        raise DataError(
            f"{path}: holds no weights (expected: a state_dict, names and tensors)",
            "save model.state_dict() with torch.save",
        )
    for key, value in content.items():
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise DataError(f"{path}: {key} holds values that are infinite or not numbers", "train the network again")
    # What nn.DataParallel puts in front.
    wrapped = all(key.startswith("module.") for key in content)
    return {key.removeprefix("module.") if wrapped else key: value for key, value in content.items()}


def three(shape: object) -> tuple[int, int, int] | None:
    """Return ``shape`` if it is channels, height and width, otherwise None."""
    if isinstance(shape, tuple | list) and len(shape) == 3 and all(type(size) is int and size > 0 for size in shape):
        return (shape[0], shape[1], shape[2])
    return None
