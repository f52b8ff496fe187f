"""Inputs from a .npy file: quantised, shaped, or refused with a reason."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from foldtiny.aot.compile import TensorInfo
from foldtiny.errors import DataError
from foldtiny.pipeline.inputs import load_inputs

INT8 = TensorInfo("x", "int8", (1, 2, 3, 1), 0.5, -1, 6)
FLOAT = TensorInfo("x", "float32", (1, 2, 3, 1), 0.0, 0, 24)


def _save(path: Path, array: object) -> Path:
    np.save(path / "x.npy", np.asarray(array), allow_pickle=True)
    return path / "x.npy"


def test_real_numbers_are_quantised(tmp_path: Path) -> None:
    values = np.array([[0.0, 0.5, -0.5, 100.0, -100.0, 0.26]], np.float32).reshape(1, 2, 3, 1)
    ((sample,),) = load_inputs(_save(tmp_path, values), (INT8,))
    # round(x / 0.5) - 1, within int8.
    assert sample.dtype == np.int8
    assert sample.reshape(-1).tolist() == [-1, 0, -2, 127, -128, 0]


def test_integers_and_flat_rows_go_as_they_are(tmp_path: Path) -> None:
    rows = np.arange(12, dtype=np.int8).reshape(2, 6)
    samples = load_inputs(_save(tmp_path, rows), (INT8,))
    assert [sample[0].shape for sample in samples] == [(1, 2, 3, 1)] * 2
    assert samples[1][0].reshape(-1).tolist() == list(range(6, 12))


def test_float_networks_take_float32(tmp_path: Path) -> None:
    ((sample,),) = load_inputs(_save(tmp_path, np.ones((1, 2, 3, 1))), (FLOAT,))
    assert sample.dtype == np.float32


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (np.zeros((2, 5), np.int8), "has shape [2, 5], the network takes [N, 2, 3, 1]; save one input per row"),
        (np.zeros((0, 2, 3, 1), np.int8), "has shape [0, 2, 3, 1]"),
        (np.zeros((4, 1, 2, 3), np.int8), "reorder the axes (channels last)"),
        (np.zeros((1, 2, 3, 1), np.uint8), "holds uint8, the network takes int8"),
        (np.full((1, 2, 3, 1), np.nan), "holds NaN or infinite values"),
        (np.array(["a"]), "is not a .npy file of numbers"),
        (np.array([{}]), "is not a .npy file of numbers"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, array: object, text: str) -> None:
    with pytest.raises(DataError) as caught:
        load_inputs(_save(tmp_path, array), (INT8,))
    assert text in str(caught.value)


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot read .*gone.npy: no such file or directory"):
        load_inputs(tmp_path / "gone.npy", (INT8,))
    (tmp_path / "text.npy").write_text("hello")
    with pytest.raises(DataError, match=r"text.npy is not a .npy file of numbers"):
        load_inputs(tmp_path / "text.npy", (INT8,))
    np.savez(tmp_path / "many.npz", a=np.zeros(3))
    with pytest.raises(DataError, match=r"is not a .npy file of numbers"):
        load_inputs(tmp_path / "many.npz", (INT8,))
    with pytest.raises(DataError, match="takes networks with one input, this one has 2"):
        load_inputs(tmp_path / "text.npy", (INT8, INT8))
