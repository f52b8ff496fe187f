"""Which images a repair gets, and those that it makes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from foldtiny import data_pictures, zoo
from foldtiny.errors import FoldError, UsageError
from foldtiny.fold import engine
from foldtiny.pipeline import commands
from foldtiny.pipeline.request import FoldOptions
from foldtiny.pipeline.steps import repair_images
from foldtiny.zoo import checkpoint

SHAPE = (1, 32, 32)


@pytest.mark.parametrize("repair", ["none", "ar", "dir"])
def test_repairs_without_data_get_none(repair: str) -> None:
    assert repair_images(FoldOptions(repair=repair), "subset", SHAPE) is None


@pytest.mark.parametrize("repair", ["data", "ls"])
def test_repairs_with_data_get_the_calibration_images(repair: str) -> None:
    found = repair_images(FoldOptions(repair=repair), "subset", SHAPE)
    assert found is not None and found.shape == (512, *SHAPE)


def test_least_squares_needs_no_data() -> None:
    assert repair_images(FoldOptions(repair="ls"), None, SHAPE) is None


def test_remeasured_statistics_need_images() -> None:
    with pytest.raises(UsageError) as caught:
        repair_images(FoldOptions(repair="data"), None, SHAPE)
    assert str(caught.value) == "--repair data needs images; give some with --data, or use --repair ls, ar or dir"


def save(path: Path, name: str) -> Path:
    torch.manual_seed(0)
    spec = zoo.MODELS[name]
    module = zoo.create(name, width=0.25).eval()
    entries = {"config": {"width": 0.25}, "input_shape": spec.input_shape, "classes": spec.classes}
    checkpoint.save(path, module, architecture=name, **entries)
    return path


def fold(path: Path, repair: str, picture: Path) -> list[float]:
    seen: list[float] = []
    options = FoldOptions(0.25, "ward", repair=repair, seed=3)
    out = path.with_suffix(".folded.pt")
    commands.fold(
        str(path), None, None, None, out, options, lambda _, fraction: seen.append(fraction), save_images=picture
    )
    return seen


def test_images_of_the_inversion_are_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "INVERTED", 4)
    path = save(tmp_path / "m.pt", "resnet8")
    progress = fold(path, "dir", tmp_path / "a.png")
    assert len(progress) > 50 and progress == sorted(progress)  # the inversion says how far it is
    assert data_pictures.read(tmp_path / "a.png").shape == (2 * 32 + 2, 2 * 32 + 2, 3)
    fold(path, "dir", tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_repairs_that_make_no_images_have_none_to_save(tmp_path: Path) -> None:
    path = save(tmp_path / "m.pt", "lenet5")
    with pytest.raises(UsageError) as caught:
        fold(path, "ls", tmp_path / "a.png")
    assert str(caught.value) == (
        "--save-images has nothing to save: --repair ls makes no images; leave it out, or repair with --repair dir"
    )
    with pytest.raises(FoldError) as failed:
        fold(path, "dir", tmp_path / "a.png")
    assert str(failed.value) == (
        "--save-images has nothing to save: repair 'dir' had nothing to do: the network has no BatchNorm; leave it out"
    )
    assert not (tmp_path / "a.png").exists() and not path.with_suffix(".folded.pt").exists()
