"""The user's own networks, and every way in which naming one can go wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from foldtiny.errors import DataError, UsageError
from foldtiny.zoo import checkpoint, factory

pytestmark = pytest.mark.usefixtures("factories")


def test_a_factory_in_the_current_folder_may_return_a_trained_network() -> None:
    loaded = checkpoint.load_model("nets:small", input_shape=(3, 2, 2))
    assert (loaded.architecture, loaded.classes, loaded.input_shape) == ("nets:small", 3, (3, 2, 2))
    assert loaded.sha256 == checkpoint.load_model("nets:ready", input_shape=(3, 2, 2)).sha256


def test_a_network_in_half_precision() -> None:
    loaded = checkpoint.load_model("nets:half", input_shape=(3, 2, 2))
    assert {weight.dtype for weight in loaded.module.parameters()} == {torch.float32}
    images = torch.rand(1, 3, 2, 2)
    wanted = checkpoint.load_model("nets:small", input_shape=(3, 2, 2)).module(images)
    torch.testing.assert_close(loaded.module(images), wanted, rtol=0, atol=1e-2)


def test_a_network_may_say_its_input_shape() -> None:
    assert checkpoint.load_model("nets:Known").input_shape == (3, 2, 2)


def test_without_an_input_shape() -> None:
    with pytest.raises(UsageError) as caught:
        checkpoint.load_model("nets:small")
    assert str(caught.value) == (
        "nets:small does not say what images it takes; give --input-shape C,H,W, or set the network's input_shape"
    )


def test_weights_for_a_factory(tmp_path: Path) -> None:
    trained = nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
    images = torch.rand(1, 3, 2, 2)
    torch.save({"state_dict": trained.state_dict()}, tmp_path / "w.pt")
    loaded = checkpoint.load_model("nets:small", tmp_path / "w.pt", (3, 2, 2))
    assert torch.equal(loaded.module(images), trained(images))


def test_a_checkpoint_of_a_factory_loads_only_if_the_user_names_the_factory(tmp_path: Path) -> None:
    path = tmp_path / "m.pt"
    folded = nn.Sequential(nn.Flatten(), nn.Linear(12, 4))
    checkpoint.save(path, folded, architecture="nets:small", config={}, input_shape=(3, 2, 2), classes=4)
    with pytest.raises(DataError) as caught:
        checkpoint.load_model(str(path))
    assert str(caught.value) == (
        f"{path}: its network is nets:small, which is not part of foldtiny; "
        f"if you trust that code, give --model nets:small --weights {path}"
    )
    assert checkpoint.load_model("nets:small", path).classes == 4
    assert checkpoint.load(path, trusted_factory="nets:small").input_shape == (3, 2, 2)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            "no_such_module:net",
            "there is no Python module 'no_such_module' here or among those installed; "
            "run foldtiny in the folder that holds it, or install it into the same environment",
        ),
        (
            "nets.deeper:net",
            "there is no Python module 'nets.deeper' here or among those installed; "
            "run foldtiny in the folder that holds it, or install it into the same environment",
        ),
        ("nets:smal", "the module nets has no smal; did you mean nets:small?"),
        ("nets:zzzzz", "the module nets has no zzzzz; name a function in it that returns the network"),
        (
            "nets:text",
            "nets:text is of type str (expected: a function that returns a torch.nn.Module); name the function",
        ),
        ("nets:number", "nets:number returned int (expected: a torch.nn.Module); return the network itself"),
        (
            "nets:needs",
            "nets:needs raised TypeError: needs() missing 1 required positional argument: 'argument'; "
            "make it callable without arguments and mend the error",
        ),
        ("nets:leaves", "nets:leaves raised SystemExit: 3; make it callable without arguments and mend the error"),
        (
            "nets:lazy",
            "nets:lazy: 1 (LazyLinear) has no weights before its first run (expected: layers of known sizes); "
            "run the network once on an image before returning it",
        ),
        (
            "needy:net",
            "the module needy needs 'no_such_package_at_all', which is not installed; "
            "install it into the same environment",
        ),
        ("leaving:net", "importing leaving raised SystemExit: 3; mend the error in that module"),
        (
            "broken:net",
            "importing broken raised SyntaxError: invalid syntax (broken.py, line 1); mend the error in that module",
        ),
    ],
)
def test_what_can_go_wrong(spec: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        checkpoint.load_model(spec, input_shape=(3, 2, 2))
    assert str(caught.value) == message


def test_a_network_that_returns_no_logits() -> None:
    with pytest.raises(DataError) as caught:
        checkpoint.load_model("nets:images", input_shape=(3, 2, 2))
    assert str(caught.value) == (
        "nets:images: for one image the network returns [1, 4, 2, 2] (expected: logits of shape [1, classes]); "
        "give a classifier that returns one row of logits for each image"
    )


@pytest.mark.parametrize(
    ("spec", "expected"), [("a:b", True), ("a.b_c:d", True), ("a", False), ("C:\\x.pt", False), ("a:b:c", False)]
)
def test_is_factory(spec: str, expected: bool) -> None:
    assert factory.is_factory(spec) is expected
