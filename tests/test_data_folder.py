"""Folders of pictures: layouts, sizes, classes, and what can be wrong with them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from foldtiny import data, data_folder
from foldtiny.errors import DataError
from foldtiny.train import train
from foldtiny.zoo import checkpoint


def picture(path: Path, colour: int | tuple[int, int, int], size: tuple[int, int] = (12, 8)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L" if isinstance(colour, int) else "RGB", size, colour).save(path)


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """Cats are red, dogs are blue; 3 + 2 to train with, 1 + 2 to test with."""
    folder = tmp_path / "pets"
    for split, cats, dogs in (("train", 3, 2), ("val", 1, 2)):
        for number in range(cats):
            picture(folder / split / "cat" / f"{number}.png", (255, 0, 0), (12 + number, 8))
        for number in range(dogs):
            picture(folder / split / "dog" / "more" / f"{number}.JPG", (0, 0, 255))
    (folder / "train" / "cat" / "notes.txt").write_text("not a picture")
    (folder / ".cache").mkdir()
    return folder


def test_splits_classes_and_sizes(pets: Path) -> None:
    test = data.load(f"folder:{pets}", "test", input_shape=(3, 6, 6))
    assert (test.name, test.class_names) == ("pets (test)", ("cat", "dog"))
    assert test.images.shape == (3, 3, 6, 6) and test.images.dtype == np.float32
    assert test.labels is not None and test.labels.tolist() == [0, 1, 1]
    assert test.images[0, 0].min() > 0.95 and test.images[1, 2].min() > 0.95 and test.images[:, 1].max() < 0.05
    assert data.load(f"folder:{pets}", "train").images.shape == (5, 3, 8, 12)  # the size of the first
    assert data.load(f"folder:{pets}", "train", size=(4, 5), limit=2).images.shape == (2, 3, 4, 5)
    grey = data.load(f"folder:{pets}", "test", input_shape=(1, 6, 6)).images
    np.testing.assert_allclose(grey[:2, 0, 0, 0], [0.299, 0.114], atol=0.02)


def test_calibration_takes_as_many_of_each_class(pets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "CALIBRATION_IMAGES", 4)
    labels = data.load(f"folder:{pets}", "calibration", input_shape=(3, 4, 4)).labels
    assert labels is not None and labels.tolist() == [0, 0, 1, 1]


def test_classes_alone_are_for_testing(pets: Path) -> None:
    alone = data.load(f"folder:{pets / 'val'}", "test")
    assert alone.class_names == ("cat", "dog") and len(alone) == 3
    assert len(data.load(f"folder:{pets / 'val'}", "calibration")) == 3
    with pytest.raises(DataError) as caught:
        data.load(f"folder:{pets / 'val'}", "train")
    assert str(caught.value) == (
        f"{pets / 'val'}: has no folder train (found: cat, dog); lay it out as DIR/train/<class>/*.png and "
        "DIR/test/<class>/*.png, or DIR/<class>/*.png for testing alone"
    )


def test_what_is_wrong(pets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        DataError, match=r"nowhere: there is no such folder \(expected: a folder of images\); lay it out"
    ):
        data.load(f"folder:{tmp_path / 'nowhere'}")
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        DataError, match=r"empty: holds no pictures in folders \(found: nothing; pictures end in .png, "
    ):
        data.load(f"folder:{tmp_path / 'empty'}")
    picture(pets / "val" / "bird" / "0.png", 9)
    with pytest.raises(DataError) as caught:
        data.load(f"folder:{pets}")
    assert str(caught.value) == (
        f"{pets / 'val'}: has the class bird, which {pets / 'train'} lacks (found there: cat, dog); "
        "name the folders of both alike"
    )
    (pets / "val" / "bird" / "0.png").unlink()
    (pets / "train" / "cat" / "0.png").write_bytes(b"hello")
    with pytest.raises(DataError, match=r"cat/0.png is not a picture"):
        data.load(f"folder:{pets}", "train")
    monkeypatch.setattr(data_folder.os, "sysconf", lambda name: 4)
    with pytest.raises(
        DataError, match=r"3 pictures of 3x8x8 take 0.0 GiB \(allowed: half of this machine's 0.0 GiB\)"
    ):
        data.load(f"folder:{pets}", "test", input_shape=(3, 8, 8))


def test_a_network_trains_on_a_folder(pets: Path, tmp_path: Path) -> None:
    report = train("resnet8", f"folder:{pets}", out=tmp_path / "m.pt", epochs=1, batch_size=4, width=0.25)
    assert (report.classes, report.input_shape, report.test_images) == (2, (3, 32, 32), 3)
    loaded = checkpoint.load(tmp_path / "m.pt")
    assert (loaded.class_names, loaded.metadata["data"]) == (("cat", "dog"), "folder")
