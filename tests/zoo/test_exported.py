"""Networks of torch.export: the same outputs, whatever they were exported from, and no file runs code."""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from foldtiny.errors import DataError
from foldtiny.zoo import checkpoint, exported


class Everything(nn.Module):
    """Every kind of layer that is raised, and calls and tensors that stay as they are."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding="same")
        self.norm = nn.BatchNorm2d(8)
        self.spatial = nn.Conv2d(8, 8, 3, stride=2, padding=1, groups=8, bias=False)
        self.act = nn.PReLU(8)
        self.dropout = nn.Dropout(0.3)
        self.gain = nn.Parameter(torch.rand(1, 8, 1, 1))
        self.register_buffer("shift", torch.rand(3, 1, 1))
        self.hidden = nn.Linear(8 * 16, 6)
        self.flat_norm = nn.BatchNorm1d(6, affine=False)
        self.last = nn.Linear(6, 4)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        left, right = torch.chunk(F.relu6(self.norm(self.first(images - self.shift))), 2, 1)
        features = self.dropout(self.act(self.spatial(torch.cat([right, left], 1))) * self.gain)
        hidden = self.hidden(features.view(images.shape[0], -1))
        again = self.last(F.relu(self.flat_norm(hidden)).to(torch.float32))
        return again + F.linear(F.hardswish(hidden), self.last.weight * 2)


def everything() -> Everything:
    torch.manual_seed(0)
    network = Everything()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 1.5)
    return network.eval()


IMAGES = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(1))


def save(path: Path, network: nn.Module, batch: int = 1, *, dynamic: bool = False, core: bool = False) -> Path:
    shapes = ({0: torch.export.Dim("batch", min=1, max=64)},) if dynamic else None
    program = torch.export.export(network, (torch.zeros(batch, 3, 8, 8),), dynamic_shapes=shapes)
    torch.export.save(program.run_decompositions() if core else program, path)
    return path


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("batch", "dynamic"), [(1, False), (4, False), (2, True)])
@pytest.mark.parametrize("core", [False, True])
def test_outputs_are_the_same_for_any_batch(batch: int, dynamic: bool, core: bool, tmp_path: Path) -> None:
    network = everything()
    loaded = checkpoint.load(save(tmp_path / "net.pt2", network, batch, dynamic=dynamic, core=core))
    assert (loaded.architecture, loaded.input_shape, loaded.classes) == ("exported", (3, 8, 8), 4)
    for size in (1, 3):
        torch.testing.assert_close(loaded.module(IMAGES[:size]), network(IMAGES[:size]), rtol=1e-6, atol=1e-6)
    # Decomposed to core operators, PReLU is a multiplication and a choice; it stays that.
    names = ("first", "norm", "spatial", "hidden", "last") + (() if core else ("act",))
    kinds = {name: type(network.get_submodule(name)) for name in names}
    assert {name: type(loaded.module.get_submodule(name)) for name in kinds} == kinds
    assert sum(p.numel() for p in loaded.module.parameters()) == sum(p.numel() for p in network.parameters())


def test_a_checkpoint_of_it_needs_nothing_else(tmp_path: Path) -> None:
    loaded = checkpoint.load(save(tmp_path / "net.pt2", everything()))
    path = tmp_path / "net.pt"
    entries = {"config": {}, "input_shape": (3, 8, 8), "classes": 4}
    checkpoint.save(path, loaded.module, architecture=loaded.architecture, **entries)
    again = checkpoint.load(path)
    assert torch.equal(again.module(IMAGES), loaded.module(IMAGES))
    assert again.module.describe() == loaded.module.describe()
    content = torch.load(path, weights_only=True)
    content["program"]["steps"][3]["target"] = "aten.from_file.default"
    torch.save(content, path)
    with pytest.raises(DataError, match=r"net.pt: its program is damaged|gets the text|fails on an input"):
        checkpoint.load(path)
    del content["program"]["layers"]
    torch.save(content, path)
    with pytest.raises(DataError) as caught:
        checkpoint.load(path)
    assert str(caught.value) == f"{path}: its program is damaged (KeyError); fold the network again"


def test_what_torch_export_returns_is_taken_as_it_is() -> None:
    network = everything()
    program = torch.export.export(network, (IMAGES[:1],))
    for given in (program, program.module()):
        found = exported.as_module(given, IMAGES[:1])
        torch.testing.assert_close(found(IMAGES), network(IMAGES), rtol=1e-6, atol=1e-6)
    assert exported.as_module(network, IMAGES) is network


class Opens:
    """A pickle that would make a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def rewritten(path: Path, change: Callable[[str, bytes], bytes]) -> Path:
    """Write the archive again with changed members, as an attacker would."""
    with zipfile.ZipFile(path) as archive:
        members = {name: change(name.partition("/")[2], archive.read(name)) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def test_pickles_in_the_file_are_not_opened(tmp_path: Path) -> None:
    evil = io.BytesIO()
    torch.save(Opens(tmp_path / "opened"), evil)

    def inputs(name: str, data: bytes) -> bytes:
        return evil.getvalue() if name.startswith("data/sample_inputs/") else data

    path = save(tmp_path / "net.pt2", everything())
    assert checkpoint.load(rewritten(path, inputs)).classes == 4  # example inputs are never looked at

    def weights(name: str, data: bytes) -> bytes:
        if name == "data/weights/model_weights_config.json":
            content = json.loads(data)
            (entry,) = (entry for entry in content["config"].values() if entry["path_name"] == "weight_0")
            entry["use_pickle"] = True
            return json.dumps(content).encode()
        return evil.getvalue() if name == "data/weights/weight_0" else data

    with pytest.raises(DataError) as caught:
        checkpoint.load(rewritten(path, weights))
    assert str(caught.value) == (
        f"{path}: holds Python objects (its weights) that could run code, so it was not opened; "
        "export a network of plain tensors"
    )

    def constants(name: str, data: bytes) -> bytes:
        if name == "data/constants/model_constants_config.json":
            return b'{"config": {"x": {"path_name": "opaque_obj_0", "use_pickle": true}}}'
        return data

    path = save(tmp_path / "constant.pt2", everything())
    rewritten(path, constants)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("constant/data/constants/opaque_obj_0", pickle.dumps(Opens(tmp_path / "opened")))
    with pytest.raises(DataError, match="could run code, so it was not opened"):
        checkpoint.load(path)
    assert not (tmp_path / "opened").exists()


@pytest.mark.parametrize(
    ("target", "inputs", "message"),
    [
        ("torch.os.system", [], "uses torch.os.system (allowed: plain operators of torch.ops.aten)"),
        ("_operator.methodcaller", [], "uses operator.methodcaller (allowed: plain operators of torch.ops.aten)"),
        ("torch.ops.prims.add.default", [], "uses prims.add.default (allowed: plain operators of torch.ops.aten)"),
        (
            "torch.ops.aten.from_file.default",
            [{"name": "filename", "arg": {"as_string": "/etc/passwd"}}],
            "aten.from_file.default gets the text '/etc/passwd' as filename (allowed: numbers)",
        ),
        (
            "torch.ops.aten.add.Tensor",
            [{"name": "self", "arg": {"as_custom_obj": {"name": "x", "class_fqn": "y"}}}],
            "aten.add.Tensor takes custom_obj (allowed: tensors and numbers)",
        ),
    ],
)
def test_calls_that_are_no_arithmetic(target: str, inputs: list[Any], message: str, tmp_path: Path) -> None:
    def change(name: str, data: bytes) -> bytes:
        if name != "models/model.json":
            return data
        content = json.loads(data)
        content["graph_module"]["graph"]["nodes"][0] |= {"target": target, "inputs": inputs}
        return json.dumps(content).encode()

    path = rewritten(save(tmp_path / "net.pt2", everything()), change)
    with pytest.raises(DataError) as caught:
        checkpoint.load(path)
    assert str(caught.value).startswith(f"{path}: {message}; export")


def test_layouts_of_earlier_versions_of_torch(tmp_path: Path) -> None:
    from torch._export.serde.serialize import serialize

    network = everything()
    program = torch.export.export(network, (IMAGES[:1],))
    parts = serialize(program)
    with zipfile.ZipFile(tmp_path / "old.pt2", "w") as archive:  # up to 2.7
        archive.writestr("version", "8.2")
        archive.writestr("serialized_exported_program.json", parts.exported_program)
        archive.writestr("serialized_state_dict.pt", parts.state_dict)
        archive.writestr("serialized_constants.pt", parts.constants)
        archive.writestr("serialized_example_inputs.pt", parts.example_inputs)
    with zipfile.ZipFile(tmp_path / "middle.pt2", "w") as archive:  # 2.8
        archive.writestr("middle/archive_format", "pt2")
        archive.writestr("middle/models/model.json", parts.exported_program)
        archive.writestr("middle/data/weights/model.pt", parts.state_dict)
        archive.writestr("middle/data/constants/model.pt", parts.constants)
    for name in ("old", "middle"):
        loaded = checkpoint.load_model(str(tmp_path / f"{name}.pt2"))
        torch.testing.assert_close(loaded.module(IMAGES), network(IMAGES), rtol=1e-6, atol=1e-6)


class Function(nn.Module):
    def __init__(self, function: Callable[[nn.Module, torch.Tensor], Any]) -> None:
        super().__init__()
        self.function, self.layer = function, nn.Linear(192, 4)
        self.norm = nn.BatchNorm1d(4)

    def forward(self, images: torch.Tensor) -> Any:
        return self.function(self, images)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (
            Function(lambda m, x: (m.layer(x.flatten(1)), x)).eval(),
            "the network takes 1 tensors and returns 2 (allowed: one image in, logits out); "
            "export it wrapped in a module that takes the image alone and returns the logits alone",
        ),
        (
            Function(lambda m, x: m.layer((x + torch.zeros(1, 3, 8, 8)).reshape(-1)[:192][None])).eval(),
            "the network was exported for a batch of one image and takes no other; "
            "export it with dynamic_shapes, the first axis being a torch.export.Dim",
        ),
        (
            Function(lambda m, x: F.dropout(m.layer(x.flatten(1)), 0.5, training=True)).eval(),
            "was exported in training mode (aten.dropout.default is); export model.eval()",
        ),
        (
            Function(lambda m, x: m.norm(m.layer(x.flatten(1)))),
            "aten.add_.Tensor changes the network's weights while it runs; export model.eval()",
        ),
    ],
)
def test_networks_that_are_refused(network: nn.Module, message: str, tmp_path: Path) -> None:
    batch = 4 if network.training else 1
    with pytest.raises(DataError) as caught:
        checkpoint.load(save(tmp_path / "net.pt2", network, batch))
    assert str(caught.value) == f"{tmp_path / 'net.pt2'}: {message}"


def test_inputs_that_are_no_images(tmp_path: Path) -> None:
    torch.export.save(torch.export.export(nn.Linear(5, 4), (torch.zeros(1, 5),)), tmp_path / "net.pt2")
    with pytest.raises(DataError) as caught:
        checkpoint.load(tmp_path / "net.pt2")
    assert str(caught.value) == (
        f"{tmp_path / 'net.pt2'}: the network takes inputs of 5 (expected: channels x height x width, each fixed); "
        "export it with an image as example input"
    )


@pytest.mark.parametrize("place", [0.02, 0.1, 0.5, 0.9])
def test_damaged_files(place: float, tmp_path: Path) -> None:
    content = bytearray(save(tmp_path / "net.pt2", everything()).read_bytes())
    content[int(len(content) * place)] ^= 1
    (tmp_path / "flipped.pt2").write_bytes(content)
    (tmp_path / "short.pt2").write_bytes(content[: int(len(content) * place)])
    with pytest.raises(DataError, match="is not a checkpoint"):
        checkpoint.load(tmp_path / "short.pt2")
    try:
        loaded = checkpoint.load(tmp_path / "flipped.pt2")
    except DataError:
        return
    assert torch.equal(loaded.module(IMAGES), checkpoint.load(tmp_path / "net.pt2").module(IMAGES))


def test_torchscript_is_named(tmp_path: Path) -> None:
    torch.jit.trace(nn.Linear(2, 2), torch.zeros(1, 2)).save(str(tmp_path / "script.pt"))
    with pytest.raises(DataError) as caught:
        checkpoint.load(tmp_path / "script.pt")
    assert str(caught.value) == (
        f"{tmp_path / 'script.pt'}: is a TorchScript file, which holds code; "
        "save the network with torch.export.save (.pt2) instead"
    )
