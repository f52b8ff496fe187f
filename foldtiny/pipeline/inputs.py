"""What runs on the board: the user's inputs in the network's own type and layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from foldtiny.aot.compile import TensorInfo
from foldtiny.errors import DataError, reason


def load_inputs(path: Path, tensors: tuple[TensorInfo, ...]) -> list[list[npt.NDArray[np.generic]]]:
    """Read inputs for a network with one input from a .npy file, one sample a row.

    Floating-point values are quantised with the input's scale and zero point; integers must be of the input's type.

    Raises
    ------
    DataError
        If the file cannot be read or does not fit the network's input.
    """
    if len(tensors) != 1:
        raise DataError(
            f"--inputs takes networks with one input, this one has {len(tensors)}", "leave it out to run random inputs"
        )
    tensor = tensors[0]
    array: npt.NDArray[Any] = _read(path)
    wanted = tensor.shape[1:] if tensor.shape and tensor.shape[0] == 1 else tensor.shape
    text = f"[N, {', '.join(map(str, wanted))}]"
    if array.ndim == 0 or len(array) == 0 or int(np.prod(array.shape[1:])) != int(np.prod(tensor.shape)):
        raise DataError(
            f"{path} has shape {list(array.shape)}, the network takes {text}", "save one input per row in that shape"
        )
    if array.ndim > 2 and array.shape[1:] not in (wanted, tensor.shape):
        raise DataError(
            f"{path} has shape {list(array.shape)}, the network takes {text}", "reorder the axes (channels last)"
        )
    if array.dtype.kind == "f":
        if not np.isfinite(array).all():
            raise DataError(f"{path} holds NaN or infinite values", "clean the inputs")
        if tensor.dtype != "float32":
            limits = np.iinfo(tensor.dtype)
            array = np.clip(np.round(array / tensor.scale) + tensor.zero_point, limits.min, limits.max)
    elif str(array.dtype) != tensor.dtype:
        raise DataError(
            f"{path} holds {array.dtype}, the network takes {tensor.dtype}",
            f"save {tensor.dtype}, or real numbers to have them quantised",
        )
    return [[row.reshape(tensor.shape)] for row in array.astype(tensor.dtype)]


def _read(path: Path) -> npt.NDArray[np.generic]:
    try:
        array = np.load(path, allow_pickle=False)
    except OSError as error:
        raise DataError(f"cannot read {path}: {reason(error)}", "give the path of a .npy file") from error
    except (ValueError, EOFError) as error:
        raise DataError(f"{path} is not a .npy file of numbers", "save it with numpy.save") from error
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
        raise DataError(f"{path} is not a .npy file of numbers", "save it with numpy.save")
    return array
