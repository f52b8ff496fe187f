"""Which images a repair gets."""

from __future__ import annotations

import pytest

from foldtiny.errors import UsageError
from foldtiny.pipeline.request import FoldOptions
from foldtiny.pipeline.steps import repair_images

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
