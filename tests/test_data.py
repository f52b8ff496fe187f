"""Images: every format from tiny files made here, and every way in which they can be wrong."""

from __future__ import annotations

import gzip
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from foldtiny import data, resources
from foldtiny.errors import DataError, UsageError

installed = pytest.mark.skipif(not data.installed(), reason="Fashion-MNIST is not installed")


def idx(array: np.ndarray[Any, Any]) -> bytes:
    return struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data set of 30 training and 4 test images of 2x2, gzipped and plain."""
    for prefix, count in (("train", 30), ("t10k", 4)):
        images, labels = np.arange(count * 4).reshape(count, 2, 2), np.arange(count) % 3
        packed = gzip.compress(idx(images))
        (tmp_path / f"{prefix}-images-idx3-ubyte.gz").write_bytes(packed)
        (tmp_path / f"{prefix}-labels-idx1-ubyte").write_bytes(idx(labels))
    return tmp_path


def pixels(shape: tuple[int, ...]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def test_idx_files(folder: Path) -> None:
    images = data.load(f"fashion-mnist:{folder}", "test")
    assert images.name == "Fashion-MNIST (test)"
    assert images.images.dtype == np.float32
    assert np.array_equal(images.images * 255, np.arange(16).reshape(4, 1, 2, 2))
    assert images.labels is not None
    assert images.labels.dtype == np.int64
    assert images.labels.tolist() == [0, 1, 2, 0]
    assert images.class_names[9] == "Ankle boot"
    assert len(data.load(f"fashion-mnist:{folder}", "train")) == 30


def test_images_are_padded_centred(folder: Path) -> None:
    images = data.load(f"fashion-mnist:{folder}", "test", input_shape=(1, 5, 4), limit=1).images
    expected = np.zeros((1, 1, 5, 4), np.float32)
    expected[0, 0, 1:3, 1:3] = np.array([[0, 1], [2, 3]], np.float32) / np.float32(255)
    assert np.array_equal(images, expected)


@pytest.mark.parametrize("shape", [(3, 4, 4), (1, 1, 4), (1, 4, 1)])
def test_images_that_do_not_suit_the_network(folder: Path, shape: tuple[int, int, int]) -> None:
    with pytest.raises(DataError) as caught:
        data.load(f"fashion-mnist:{folder}", "test", input_shape=shape)
    assert str(caught.value) == (
        f"{folder / 't10k-images-idx3-ubyte.gz'}: the images are 1x2x2 (channels x height x width), "
        f"but the network takes {shape[0]}x{shape[1]}x{shape[2]}; "
        "give images with that number of channels and no larger, or a network made for these"
    )


INSTALL = (
    "install it with `apt-get install dataset-fashion-mnist`, name its folder as fashion-mnist:FOLDER, "
    "or take the shipped images with `subset`"
)


def test_missing_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "FASHION_MNIST_FOLDER", tmp_path / "none")
    with pytest.raises(DataError) as caught:
        data.load("fashion-mnist")
    assert str(caught.value) == (
        f"{tmp_path / 'none'}: there is no such folder (expected: t10k-images-idx3-ubyte.gz); {INSTALL}"
    )
    with pytest.raises(DataError) as caught:
        data.load("auto", "train")
    assert str(caught.value).endswith(INSTALL)
    with pytest.raises(DataError, match=r"the folder lacks it \(expected: t10k-images-idx3-ubyte.gz\)"):
        data.load(f"fashion-mnist:{tmp_path}")


def test_auto_falls_back_to_the_shipped_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "FASHION_MNIST_FOLDER", tmp_path)
    assert data.load("auto").name == "Fashion-MNIST subset (test)"
    assert data.load("auto", "calibration").name == "Fashion-MNIST subset (calibration)"
    with pytest.raises(DataError) as caught:
        data.load("subset", "train")
    assert str(caught.value) == (
        "the shipped subset of Fashion-MNIST has no training images; install the whole with "
        "`apt-get install dataset-fashion-mnist`, or name its folder as fashion-mnist:FOLDER"
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (gzip.compress(b"PK not idx"), "starts with 504b206e (expected: 00000803, an idx file of bytes)"),
        (gzip.compress(b""), "starts with nothing (expected: 00000803, an idx file of bytes)"),
        (gzip.compress(idx(np.zeros((4, 2, 2))))[:-12], "cannot be read ("),
        (b"not gzip", "cannot be read ("),
        (gzip.compress(idx(np.zeros((4, 2, 2)))[:-3]), "holds 13 bytes of data (expected: 16 for 4x2x2)"),
        (
            gzip.compress(struct.pack(">4B3I", 0, 0, 8, 3, *[2**32 - 1] * 3)),
            "holds 0 bytes of data (expected: 79228162458924105385300197375 for 4294967295x4294967295x4294967295)",
        ),
    ],
    ids=["foreign", "empty", "cut gzip", "no gzip", "short", "huge"],
)
def test_damaged_idx_files(content: bytes, message: str, folder: Path) -> None:
    path = folder / "t10k-images-idx3-ubyte.gz"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        data.load(f"fashion-mnist:{folder}")
    assert str(caught.value).startswith(f"{path}: {message}")


def test_as_many_labels_as_images(folder: Path) -> None:
    (folder / "t10k-labels-idx1-ubyte").write_bytes(idx(np.zeros(3)))
    with pytest.raises(DataError, match="found 3 labels for 4 images; take both files from the same data set"):
        data.load(f"fashion-mnist:{folder}")


def test_calibration_images_are_balanced_and_fixed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "CALIBRATION_IMAGES", 7)
    images = data.load(f"fashion-mnist:{folder}", "calibration")
    assert images.labels is not None
    assert images.labels.tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert images.images[1, 0, 0, 0] == np.float32(4) / np.float32(255)


def test_balanced() -> None:
    labels = np.array([0, 0, 0, 0, 1, 0, 2, 1])
    assert data.balanced(labels, 8, 6).tolist() == [0, 1, 2, 4, 6, 7]
    assert data.balanced(labels, 8, 99).tolist() == list(range(8))
    assert data.balanced(None, 8, 4).tolist() == [0, 2, 4, 6]


@pytest.mark.parametrize(
    ("shape", "input_shape", "axes"),
    [
        ((5, 4, 6), None, None),
        ((5, 3, 4, 6), None, (0, 1, 2, 3)),
        ((5, 4, 6, 3), None, (0, 3, 1, 2)),
        ((5, 4, 6, 1), None, (0, 3, 1, 2)),
        ((5, 3, 4, 1), (1, 3, 4), (0, 3, 1, 2)),
        ((5, 8, 6, 2), (2, 8, 6), (0, 3, 1, 2)),
    ],
)
def test_npz_layouts(
    shape: tuple[int, ...], input_shape: tuple[int, int, int] | None, axes: tuple[int, ...] | None, tmp_path: Path
) -> None:
    array = pixels(shape)
    np.savez(tmp_path / "d.npz", x=array, y=np.arange(5)[:, None])
    images = data.load(f"npz:{tmp_path / 'd.npz'}", input_shape=input_shape)
    expected = array[:, None] if axes is None else array.transpose(axes)
    assert np.array_equal(images.images, expected.astype(np.float32) / np.float32(255))
    assert images.labels is not None
    assert images.labels.tolist() == [0, 1, 2, 3, 4]
    assert images.name == "d.npz (test)"


def test_npz_splits_and_names(tmp_path: Path) -> None:
    path = tmp_path / "d.npz"
    arrays = {f"x_{split}": pixels((count, 4, 4)) for split, count in (("train", 6), ("test", 3), ("calibration", 2))}
    np.savez(path, **arrays, y_train=np.zeros(6, int), y_test=np.ones(3, int), class_names=np.array(["a", "b"]))
    sets = {split: data.load(str(path), split) for split in data.SPLITS}
    assert {split: len(images) for split, images in sets.items()} == {"test": 3, "train": 6, "calibration": 2}
    assert sets["test"].class_names == ("a", "b")
    assert sets["calibration"].labels is None
    assert np.array_equal(sets["train"].images[:, 0] * 255, arrays["x_train"])


def test_npy_images_without_labels(tmp_path: Path) -> None:
    floats = np.random.default_rng(0).normal(size=(3, 1, 4, 4))
    np.save(tmp_path / "d.npy", floats)
    images = data.load(f"npy:{tmp_path / 'd.npy'}")
    assert images.labels is None
    assert np.array_equal(images.images, floats.astype(np.float32))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": np.zeros(3)}, "has no images for the test split (found: a); store the array as x_test or x or images"),
        ({}, "has no images for the test split (found: nothing); store the array as x_test or x or images"),
        (
            {"x": np.zeros((3, 4))},
            "the images have the shape [3, 4] (expected: [N, H, W], [N, C, H, W] or [N, H, W, C], none of them 0); "
            "store them in one of these layouts",
        ),
        (
            {"x": np.zeros((0, 4, 4))},
            "the images have the shape [0, 1, 4, 4] "
            "(expected: [N, H, W], [N, C, H, W] or [N, H, W, C], none of them 0); store them in one of these layouts",
        ),
        (
            {"x": np.zeros((2, 5, 6, 7))},
            "cannot tell which axis of [2, 5, 6, 7] holds the channels (expected: 1 or 3 of them); "
            "store the images as [N, C, H, W] with 1 or 3 channels",
        ),
        (
            {"x": np.full((2, 4, 4), 300)},
            "the pixels are whole numbers from 300 to 300 (allowed: 0 to 255); scale them to 0...255, or store floats",
        ),
        (
            {"x": np.full((2, 4, 4), np.nan)},
            "some of the image values are infinite or not numbers; remove those images",
        ),
        (
            {"x": np.full((2, 4, 4), 255.0)},
            "the floats are whole numbers up to 255, as pixels are (expected: the values that the network takes); "
            "store them as uint8, or divide them by 255",
        ),
        (
            {"x": np.zeros((2, 4, 4), bool)},
            "the images are bool (allowed: integers and floats); store them as uint8",
        ),
        (
            {"x": np.zeros((2, 4, 4)), "y": np.zeros((2, 10))},
            "the labels are float64 of shape [2, 10] (expected: 2 whole numbers, one for each image); "
            "store the class of each image, counted from 0",
        ),
        (
            {"x": np.zeros((2, 4, 4)), "y": np.array([1, -1])},
            "found the label -1 (allowed: 0 or more); count the classes from 0",
        ),
        (
            {"x": np.array([Path("a")], dtype=object)},
            "the array x is damaged or not made of plain numbers; write it again with numpy.savez",
        ),
    ],
)
def test_npz_contents_that_are_wrong(arrays: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = tmp_path / "d.npz"
    np.savez(path, **arrays)
    with pytest.raises(DataError) as caught:
        data.load(f"npz:{path}")
    assert str(caught.value) == f"{path}: {message}"


@pytest.mark.parametrize(
    "content", [b"", b"hello", pickle.dumps([1, 2]), b"PK\x03\x04 not a zip"], ids=["empty", "text", "pickle", "zip"]
)
@pytest.mark.parametrize("kind", ["npz", "npy"])
def test_files_that_are_not_numpy(content: bytes, kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"d.{kind}"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        data.load(f"{kind}:{path}")
    assert str(caught.value) == (
        f"{path}: is not a NumPy file of plain numbers; write it with numpy.savez or numpy.save"
    )


def test_numpy_files_of_the_wrong_kind(tmp_path: Path) -> None:
    np.save(tmp_path / "d.npy", np.zeros((2, 4, 4)))
    np.savez(tmp_path / "d.npz", x=np.zeros((2, 4, 4)))
    with pytest.raises(DataError, match=r"is a single array \(expected: a .npz file\)"):
        data.load(f"npz:{tmp_path / 'd.npy'}")
    with pytest.raises(DataError, match=r"is an archive of arrays \(expected: a .npy file\)"):
        data.load(f"npy:{tmp_path / 'd.npz'}")
    with pytest.raises(DataError, match=r"there is no such file \(expected: a NumPy file\); check the path"):
        data.load(f"npy:{tmp_path / 'none.npy'}")
    with pytest.raises(DataError, match=r"is a folder \(expected: a NumPy file\); check the path"):
        data.load(f"npz:{tmp_path}")
    with pytest.raises(DataError, match=r"has no labels to train with; give npz:FILE with x_train and y_train"):
        data.load(f"npy:{tmp_path / 'd.npy'}", "train")
    with pytest.raises(DataError, match=r"has no images for the train split \(found: x\); store the array as x_train"):
        data.load(f"npz:{tmp_path / 'd.npz'}", "train")


def test_cut_short_npz(tmp_path: Path) -> None:
    path = tmp_path / "d.npz"
    np.savez(path, x=pixels((20, 8, 8)))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)
    with pytest.raises(DataError, match="the array x is damaged or not made of plain numbers"):
        data.load(f"npz:{path}")


def test_cifar10(tmp_path: Path) -> None:
    images, labels = pixels((12, 3, 32, 32)), np.arange(12, dtype=np.uint8) % 10
    records = np.concatenate([labels[:, None], images.reshape(12, -1)], axis=1)
    for index in range(5):
        (tmp_path / f"data_batch_{index + 1}.bin").write_bytes(records[2 * index : 2 * index + 2].tobytes())
    (tmp_path / "test_batch.bin").write_bytes(records[10:].tobytes())
    train, test = (data.load(f"cifar10:{tmp_path}", split, input_shape=(3, 32, 32)) for split in ("train", "test"))
    joined = np.concatenate([train.images, test.images])
    assert np.array_equal(joined, images.astype(np.float32) / np.float32(255))
    assert test.labels is not None
    assert test.labels.tolist() == [0, 1]
    assert test.class_names[:2] == ("airplane", "automobile")
    (tmp_path / "above").mkdir()
    (tmp_path / "above" / "cifar-10-batches-bin").symlink_to(tmp_path)
    assert len(data.load(f"cifar10:{tmp_path / 'above'}", "train")) == 10
    (tmp_path / "test_batch.bin").write_bytes(b"123")
    with pytest.raises(DataError) as caught:
        data.load(f"cifar10:{tmp_path}")
    assert str(caught.value) == (
        f"{tmp_path / 'test_batch.bin'}: holds 3 bytes (expected: a multiple of 3073); "
        "replace it with a whole copy of the binary version"
    )
    with pytest.raises(DataError, match=r"the folder lacks it \(expected: data_batch_1.bin\)"):
        data.load(f"cifar10:{resources.root('boards')}", "train")


KNOWN = "(known: auto, subset, fashion-mnist, fashion-mnist:FOLDER, cifar10:FOLDER, folder:FOLDER, npz:FILE, npy:FILE)"


@pytest.mark.parametrize(
    ("spec", "guess"),
    [
        ("fashon-mnist", "did you mean fashion-mnist? "),
        ("cifar10", ""),
        ("npz", ""),
        ("subset:here", ""),
        ("", ""),
        ("imagenet", ""),
    ],
)
def test_unknown_data(spec: str, guess: str) -> None:
    with pytest.raises(UsageError) as caught:
        data.load(spec)
    assert str(caught.value) == f"there is no data called {spec!r} {KNOWN}; {guess}name one of these"


def test_wrong_split_and_limit() -> None:
    with pytest.raises(UsageError, match=r"there is no split 'valid' \(allowed: test, train, calibration\)"):
        data.load("subset", "valid")
    with pytest.raises(UsageError, match=r"the limit on images is 0 \(allowed: 1 or more\)"):
        data.load("subset", limit=0)


def test_shipped_images() -> None:
    test, calibration = data.load("subset"), data.load("subset", "calibration")
    assert test.labels is not None
    assert calibration.labels is not None
    assert test.images.shape == (2000, 1, 28, 28)
    assert np.bincount(test.labels).tolist() == [200] * 10
    assert calibration.images.shape == (512, 1, 28, 28)
    assert sorted(np.bincount(calibration.labels)) == [51] * 8 + [52] * 2
    assert test.class_names == data.FASHION_MNIST_CLASSES


@installed
def test_shipped_images_are_those_of_the_data_set() -> None:
    test, whole = data.load("subset"), data.load("fashion-mnist")
    with np.load(resources.asset(data.SUBSET)) as archive:
        indices = archive["indices_test"]
    assert test.labels is not None
    assert whole.labels is not None
    assert np.array_equal(test.images, whole.images[indices])
    assert np.array_equal(test.labels, whole.labels[indices])
    calibration = [data.load(spec, "calibration") for spec in ("subset", "fashion-mnist")]
    assert np.array_equal(calibration[0].images, calibration[1].images)


def test_the_subset_command(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = tmp_path / "a.npz", tmp_path / "b.npz"
    assert data.main(["subset", str(first), str(folder)]) == 0
    assert data.main(["subset", str(second), str(folder)]) == 0
    assert first.read_bytes() == second.read_bytes()
    with np.load(first) as archive:
        assert archive["x_test"].shape == (4, 2, 2)
        assert archive["indices_calibration"].tolist() == list(range(30))
    assert data.main(["subset"]) == 2
    assert data.main(["subset", str(first), str(tmp_path / "none")]) == 1
    assert "there is no such folder" in capsys.readouterr().err
