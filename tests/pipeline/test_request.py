"""What a request refuses, and what its folder is called."""

from __future__ import annotations

import pytest

from foldtiny.errors import UsageError
from foldtiny.pipeline.request import BUDGETS, METHODS, REPAIRS, DeployRequest, FoldOptions


def test_the_options_are_those_of_folding() -> None:
    from foldtiny.fold import engine, methods, repair

    assert set(METHODS) == set(methods.METHODS)
    assert engine.BUDGETS == BUDGETS
    assert repair.REPAIRS == REPAIRS


@pytest.mark.parametrize(
    ("options", "slug"),
    [
        (FoldOptions(), "s25"),
        (FoldOptions(0.125), "s12.5"),
        (FoldOptions(0.5, "ward", "params", "ar"), "s50-ward-params-ar"),
    ],
)
def test_folders_tell_what_is_not_the_default(options: FoldOptions, slug: str) -> None:
    assert options.slug == slug


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (FoldOptions(1.0), "--sparsity is 1 (allowed: from 0 up to, but not including, 1); 0.25 removes a quarter"),
        (FoldOptions(float("nan")), "--sparsity is nan"),
        (FoldOptions(method="wards"), "--method is 'wards' (allowed: combination, scale-aware, ward"),
        (FoldOptions(budget="flash"), "--budget is 'flash' (allowed: uniform, params)"),
        (FoldOptions(repair="all"), "--repair is 'all' (allowed: none, ar, dir, data, ls)"),
    ],
)
def test_wrong_fold_options(options: FoldOptions, text: str) -> None:
    with pytest.raises(UsageError) as caught:
        DeployRequest(board="esp-eye", folding=options).check()
    assert str(caught.value).startswith(text)


def test_an_interpreter_fuses_nothing_anyway() -> None:
    with pytest.raises(UsageError) as caught:
        DeployRequest(board="nano33ble", runtime="tflm", fuse=False).check()
    assert str(caught.value) == (
        "--no-fuse goes with --runtime aot; leave it out: TFLite Micro runs each operator as it is anyway"
    )
