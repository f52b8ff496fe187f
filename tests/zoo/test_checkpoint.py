"""Checkpoints: what goes in comes out, whatever was folded, and no file runs code."""

from __future__ import annotations

import copy
import io
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from foldtiny import resources, zoo
from foldtiny.errors import DataError, UsageError
from foldtiny.zoo import checkpoint


def write(path: Path, module: nn.Module, architecture: str = "lenet5", **changes: Any) -> Path:
    spec = zoo.MODELS.get(architecture, zoo.MODELS["lenet5"])
    entries = {"config": {}, "input_shape": spec.input_shape, "classes": spec.classes} | changes
    checkpoint.save(path, module, architecture=architecture, **entries)
    return path


def randomised(module: nn.Module) -> nn.Module:
    """Give BatchNorm statistics and shifts other than 0 and 1, so that losing them would show."""
    generator = torch.Generator().manual_seed(0)
    for tensor in [*module.parameters(), *module.buffers()]:
        if tensor.ndim == 1:
            tensor.data = torch.rand(tensor.shape, generator=generator) + 0.5
    return module.eval()


@pytest.mark.parametrize("name", zoo.MODELS)
def test_round_trip_of_every_network(name: str, tmp_path: Path) -> None:
    spec = zoo.MODELS[name]
    module = randomised(zoo.create(name, width=0.25))
    loaded = checkpoint.load(write(tmp_path / "m.pt", module, name, config={"width": 0.25}))
    images = torch.rand(2, *spec.input_shape, generator=torch.Generator().manual_seed(1))
    assert torch.equal(loaded.module(images), module(images))
    assert (loaded.architecture, loaded.input_shape, loaded.classes) == (name, spec.input_shape, spec.classes)
    assert not loaded.module.training


def test_header_round_trip_and_same_bytes_each_time(tmp_path: Path) -> None:
    module = zoo.create("lenet5", classes=2, width=0.5)
    entries = {
        "config": {"classes": 2, "width": 0.5},
        "classes": 2,
        "class_names": ("cat", "dog"),
        "metadata": {"seed": 3, "note": "x"},
    }
    first, second = (write(tmp_path / name, module, **entries) for name in ("a.pt", "b.pt"))
    assert first.read_bytes() == second.read_bytes()
    loaded = checkpoint.load(first)
    assert loaded.class_names == ("cat", "dog")
    assert loaded.metadata == {"seed": 3, "note": "x"}
    assert loaded.config == {"classes": 2, "width": 0.5}
    assert len(loaded.sha256) == 64


def shrunk_lenet5() -> nn.Module:
    """Keep 5, 7, 11 and 3 channels, as a fold would."""
    module: Any = zoo.create("lenet5")
    module.features[0], module.features[3] = nn.Conv2d(1, 5, 5), nn.Conv2d(5, 7, 5)
    module.classifier[0], module.classifier[2] = nn.Linear(7 * 25, 11), nn.Linear(11, 3)
    module.classifier[4] = nn.Linear(3, 10)
    return module


def shrunk_ds_cnn() -> nn.Module:
    """Keep 9 channels of the first depthwise block and leave the others alone."""
    module: Any = zoo.create("ds-cnn")
    module.stem[0], module.stem[1] = nn.Conv2d(1, 9, (10, 4), 2, (5, 1)), nn.BatchNorm2d(9)
    depthwise, pointwise = module.blocks[0]
    depthwise[0], depthwise[1] = nn.Conv2d(9, 9, 3, padding=1, groups=9), nn.BatchNorm2d(9)
    pointwise[0] = nn.Conv2d(9, 64, 1)
    return module


def shrunk_resnet8() -> nn.Module:
    """Keep 3 inner channels of the last block."""
    module: Any = zoo.create("resnet8")
    body = module.blocks[2].body
    body[0], body[1], body[3] = nn.Conv2d(32, 3, 3, 2, 1), nn.BatchNorm2d(3), nn.Conv2d(3, 64, 3, padding=1)
    return module


def fused_vgg11() -> nn.Module:
    """Fuse the first BatchNorm away, and drop a bias."""
    module: Any = zoo.create("vgg11-bn", width=0.25)
    module.features[1] = nn.Identity()
    module.features[4].bias = None
    return module


@pytest.mark.parametrize(
    ("name", "shrink"),
    [("lenet5", shrunk_lenet5), ("ds-cnn", shrunk_ds_cnn), ("resnet8", shrunk_resnet8), ("vgg11-bn", fused_vgg11)],
)
def test_a_folded_network_gets_its_own_widths(name: str, shrink: Callable[[], nn.Module], tmp_path: Path) -> None:
    module = randomised(shrink())
    loaded = checkpoint.load(write(tmp_path / "folded.pt", module, name))
    images = torch.rand(2, *zoo.MODELS[name].input_shape, generator=torch.Generator().manual_seed(1))
    assert torch.equal(loaded.module(images), module(images))
    for key, layer in loaded.module.named_modules():
        original = module.get_submodule(key)
        for attribute in ("in_channels", "out_channels", "groups", "in_features", "out_features", "num_features"):
            assert getattr(layer, attribute, None) == getattr(original, attribute, None), key


def test_a_grouped_convolution_keeps_its_groups(tmp_path: Path, factories: Path) -> None:
    layers: list[nn.Module] = [nn.Conv2d(1, 4, 1), nn.Conv2d(4, 8, 1, groups=2), nn.Flatten(), nn.Linear(32, 3)]
    write(tmp_path / "m.pt", nn.Sequential(*layers), "nets:grouped", input_shape=(1, 2, 2))
    loaded = checkpoint.load_model("nets:grouped", tmp_path / "m.pt")
    assert loaded.module.get_submodule("1").groups == 2
    assert loaded.classes == 3


class Opens:
    """A pickle that would make a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("save", [torch.save, lambda content, path: path.write_bytes(pickle.dumps(content, 2))])
def test_a_pickle_that_would_run_code_is_not_opened(save: Callable[[Any, Path], Any], tmp_path: Path) -> None:
    path = tmp_path / "evil.pt"
    save({"format": "foldtiny-checkpoint", "state_dict": Opens(tmp_path / "opened")}, path)
    with pytest.raises(DataError) as caught:
        checkpoint.load(path)
    assert str(caught.value) == (
        f"{path}: holds Python objects (posix.mkdir) that could run code, so it was not opened; "
        "save the network's state_dict() with torch.save instead of the network"
    )
    assert not (tmp_path / "opened").exists()


def test_a_whole_pickled_network_is_not_opened(tmp_path: Path) -> None:
    torch.save(zoo.create("lenet5", width=0.25), tmp_path / "m.pt")
    with pytest.raises(DataError, match=r"holds Python objects \(foldtiny.zoo.lenet5.LeNet5\) that could run code"):
        checkpoint.load(tmp_path / "m.pt")


def zip_of(name: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, "hello")
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00\x01\x02 anything else",
        zip_of("readme.txt"),
        zip_of("archive/data.pkl"),
        pickle.dumps(Opens(Path("never")), 4),
        bytes(range(256)) * 20,
    ],
    ids=["empty", "text", "zip", "zip like torch's", "newer pickle", "bytes"],
)
def test_foreign_files(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "m.pt"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        checkpoint.load(path)
    assert str(caught.value) == (
        f"{path}: is not a checkpoint (it is cut short, damaged, or another kind of file); "
        "give a file written by foldtiny, or a state_dict written by torch.save"
    )


@pytest.mark.parametrize("fraction", [0.01, 0.5, 0.99])
def test_cut_short(fraction: float, tmp_path: Path) -> None:
    path = write(tmp_path / "m.pt", zoo.create("lenet5", width=0.25), config={"width": 0.25})
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * fraction)])
    with pytest.raises(DataError, match="is not a checkpoint"):
        checkpoint.load(path)


@pytest.mark.parametrize("place", [0.3, 0.5, 0.7])
def test_a_flipped_bit_in_a_weight(place: float, tmp_path: Path) -> None:
    path = write(tmp_path / "m.pt", zoo.create("lenet5", width=0.25), config={"width": 0.25})
    content = bytearray(path.read_bytes())
    content[int(len(content) * place)] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"is not a checkpoint \(it is cut short, damaged, or another kind of file\)"):
        checkpoint.load(path)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        checkpoint.load_model(str(tmp_path / "none.pt"))
    assert str(caught.value) == (
        f"{tmp_path / 'none.pt'}: there is no such file (expected: a checkpoint); check the path"
    )
    with pytest.raises(DataError, match=r": is a folder \(expected: a checkpoint\); check the path"):
        checkpoint.load_model(str(tmp_path))


def test_a_bare_state_dict_needs_a_network(tmp_path: Path) -> None:
    path = tmp_path / "m.pt"
    torch.save(zoo.create("lenet5", width=0.25).state_dict(), path)
    with pytest.raises(DataError) as caught:
        checkpoint.load_model(str(path))
    assert str(caught.value) == (
        f"{path}: does not say which network its weights are for; "
        f"give --model package.module:factory --weights {path} --input-shape C,H,W"
    )


def test_contents_that_are_no_weights(tmp_path: Path) -> None:
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(DataError, match=r"holds list \(expected: a checkpoint\)"):
        checkpoint.load(tmp_path / "list.pt")
    torch.save({"a": 1}, tmp_path / "dict.pt")
    with pytest.raises(DataError, match=r"holds no weights \(expected: a state_dict, names and tensors\)"):
        checkpoint.load_model("lenet5", tmp_path / "dict.pt")


def test_weights_that_are_not_numbers(tmp_path: Path) -> None:
    module = zoo.create("lenet5", width=0.25)
    module.get_parameter("classifier.4.bias").data[3] = float("nan")
    write(tmp_path / "m.pt", module, config={"width": 0.25})
    with pytest.raises(DataError, match=r"classifier.4.bias holds values that are infinite or not numbers"):
        checkpoint.load(tmp_path / "m.pt")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "is a checkpoint of version 2 (known: 1); update foldtiny"),
        ({"input_shape": (1, 32)}, "its entry 'input_shape' is missing or damaged; train or fold the network again"),
        ({"config": {"width": "2"}}, "its entry 'config' is damaged; train or fold the network again"),
        (
            {"config": {"in_channels": 2**62}},
            "lenet5 cannot be built with its options {'in_channels': 4611686018427387904}; "
            "train or fold the network again",
        ),
        (
            {"architecture": "lenet6"},
            "its network is called 'lenet6' (known: lenet5, resnet8, resnet18, resnet50, vgg11-bn, densenet, ds-cnn, "
            "mobilenet-v1, mobilenet-v2); "
            "read it with the version of foldtiny that wrote it",
        ),
        (
            {"architecture": "os:getcwd"},
            "its network is os:getcwd, which is not part of foldtiny; "
            "if you trust that code, give --model os:getcwd --weights {path}",
        ),
        (
            {"input_shape": (1, 40, 40)},
            "the network fails on an input of 1x40x40 (channels x height x width): "
            "mat1 and mat2 shapes cannot be multiplied (1x392 and 200x64); "
            "give the input shape that it was trained for with --input-shape C,H,W",
        ),
    ],
)
def test_damaged_headers(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = write(tmp_path / "m.pt", zoo.create("lenet5", width=0.25), config={"width": 0.25})
    content = torch.load(path, weights_only=True) | change
    torch.save(content, path)
    with pytest.raises(DataError) as caught:
        checkpoint.load(path)
    assert str(caught.value) == f"{path}: {message.replace('{path}', str(path))}"


def test_weights_of_another_network(tmp_path: Path) -> None:
    path = tmp_path / "m.pt"
    state = zoo.create("lenet5").state_dict()
    torch.save({**state, "classifier.0.weight": torch.zeros(3, 4)}, path)
    with pytest.raises(DataError) as caught:
        checkpoint.load_model("lenet5", path)
    assert str(caught.value) == (
        f"{path}: classifier.0.weight has the shape [3, 4], but the network needs [512, 1600]; "
        "give the weights of this very network"
    )
    torch.save({key: value for key, value in state.items() if key != "features.3.bias"}, path)
    with pytest.raises(DataError, match=r"has no weights for features.3.bias"):
        checkpoint.load_model("lenet5", path)
    torch.save({**state, "extra.weight": torch.zeros(1)}, path)
    with pytest.raises(DataError, match=r"has weights for extra.weight, which the network lacks"):
        checkpoint.load_model("lenet5", path)


def test_zoo_names_take_weights(tmp_path: Path) -> None:
    module = zoo.create("resnet8").eval()
    images = torch.rand(1, 3, 32, 32)
    contents = {
        "bare": module.state_dict(),
        "wrapped": {"state_dict": {f"module.{key}": value for key, value in module.state_dict().items()}, "epoch": 3},
        "double": copy.deepcopy(module).double().state_dict(),
    }
    for name, content in contents.items():
        torch.save(content, tmp_path / f"{name}.pt")
        loaded = checkpoint.load_model("resnet8", tmp_path / f"{name}.pt")
        assert torch.equal(loaded.module(images), module(images)), name
    write(tmp_path / "own.pt", module, "resnet8")
    assert checkpoint.load_model("resnet8", tmp_path / "own.pt").architecture == "resnet8"
    with pytest.raises(DataError) as caught:
        checkpoint.load_model("resnet18", tmp_path / "own.pt")
    assert str(caught.value) == (
        f"{tmp_path / 'own.pt'}: holds the weights of resnet8, not of resnet18; give --model resnet8, or other weights"
    )


def test_zoo_names_without_weights() -> None:
    with pytest.raises(UsageError) as caught:
        checkpoint.load_model("resnet8")
    assert str(caught.value) == (
        "no trained weights of resnet8 come with foldtiny; "
        "give --weights FILE, or train it first with `foldtiny train --model resnet8 -o FILE`"
    )


def test_default_is_the_shipped_network() -> None:
    default, named = checkpoint.load_model("default"), checkpoint.load_model("lenet5")
    assert default.sha256 == named.sha256 == checkpoint.load(resources.asset(checkpoint.DEFAULT)).sha256
    assert sum(parameter.numel() for parameter in default.module.parameters()) == 979_690
    assert (default.input_shape, default.classes, len(default.class_names)) == ((1, 32, 32), 10, 10)


def test_weights_beside_a_trained_network(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--weights was given, but 'default' already stands for a trained network"):
        checkpoint.load_model("default", tmp_path / "m.pt")


def test_another_input_shape_is_tried(tmp_path: Path) -> None:
    write(tmp_path / "m.pt", zoo.create("resnet8"), "resnet8")
    assert checkpoint.load_model(str(tmp_path / "m.pt"), input_shape=(3, 48, 48)).input_shape == (3, 48, 48)
    with pytest.raises(DataError, match=r"resnet8: the network fails on an input of 1x32x32"):
        checkpoint.load_model(str(tmp_path / "m.pt"), input_shape=(1, 32, 32))


def test_an_unknown_word_is_taken_for_a_name() -> None:
    with pytest.raises(UsageError, match=r"there is no network called 'lenet' .*; did you mean lenet5\?"):
        checkpoint.load_model("lenet")
