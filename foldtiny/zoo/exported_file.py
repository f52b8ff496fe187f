"""Reading the files of ``torch.export.save`` (.pt2) without running anything that is in them.

``torch.export.load`` unpickles, evaluates text as Python and loads compiled code if a file holds any, so it is only for
files that one trusts as much as a program. Everything that a network needs is plain, though: the graph is JSON, and the
weights are raw numbers (or, from older versions of torch, a pickle of tensors alone). This module takes these and
refuses the rest.
"""

from __future__ import annotations

import io
import json
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from foldtiny.errors import DataError
from foldtiny.zoo.exported_steps import DTYPES, Step, Unsupported, decode_step

_OLD_GRAPH = "serialized_exported_program.json"


@dataclass(frozen=True, slots=True)
class Program:
    """An exported network.

    Attributes
    ----------
    input : str
        Name of the one tensor that goes in.
    output : str
        Name of the one that comes out.
    steps : tuple of Step
        What happens in between, in order.
    weights : dict of str to str
        Names in the steps that stand for weights: the weights' own names.
    tensors : dict of str to Tensor
        Weights by their own names.
    parameters : frozenset of str
        Those of the weights that are parameters, not buffers or constants.
    sizes : dict of str to tuple
        Shape of every value; None for a size that is not fixed.
    dtypes : dict of str to int
        Number type of every value, as torch numbers them.
    """

    input: str
    output: str
    steps: tuple[Step, ...]
    weights: dict[str, str]
    tensors: dict[str, torch.Tensor]
    parameters: frozenset[str]
    sizes: dict[str, tuple[int | None, ...]]
    dtypes: dict[str, int]


def is_program(path: Path) -> bool:
    """Return whether a file is one of ``torch.export.save`` (by its content)."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(_is_graph(name) for name in archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return False


def _is_graph(name: str) -> bool:
    return name == _OLD_GRAPH or (name.endswith(".json") and name.split("/")[1:-1] == ["models"])


def read(path: Path) -> Program:
    """Read an exported network.

    Raises
    ------
    DataError
        If the file is damaged, holds more than a plain network, or uses what foldtiny does not know.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _read(archive)
    except Unsupported as error:
        raise DataError(f"{path}: {error.message}", error.hint) from error
    except Exception as error:
        raise DataError(
            f"{path}: cannot be read as a network of torch.export (it is damaged, or of another version of torch)",
            "export it again with torch.export.save, in the version of torch that is installed with foldtiny",
        ) from error


def _read(archive: zipfile.ZipFile) -> Program:
    names = archive.namelist()
    graphs = [name for name in names if _is_graph(name)]
    if len(graphs) != 1:
        raise Unsupported(f"holds {len(graphs)} networks (allowed: one)", "save one program in a file")
    root = graphs[0].partition("models/")[0] if graphs[0] != _OLD_GRAPH else ""
    content = json.loads(archive.read(graphs[0]))
    tensors = _tensors(archive, root, Path(graphs[0]).stem)
    return _program(content["graph_module"], tensors)


def _program(content: Mapping[str, Any], tensors: dict[str, torch.Tensor]) -> Program:
    graph, signature = content["graph"], content["signature"]
    weights: dict[str, str] = {}
    parameters: set[str] = set()
    inputs: list[str] = []
    for spec in signature["input_specs"]:
        ((kind, entry),) = spec.items()
        if kind in ("parameter", "buffer", "tensor_constant"):
            weights[entry["arg"]["name"]] = fqn = entry[f"{kind}_name"]
            if kind == "parameter":
                parameters.add(fqn)
        elif kind == "user_input" and "as_tensor" in entry["arg"]:
            inputs.append(entry["arg"]["as_tensor"]["name"])
        elif kind != "user_input" and kind != "constant_input":
            raise Unsupported(f"takes an input of the kind {kind} (allowed: one tensor)", "export a plain network")
    outputs = []
    for spec in signature["output_specs"]:
        ((kind, entry),) = spec.items()
        if kind != "user_output":
            raise Unsupported(
                f"the network changes something while it runs ({kind.replace('_', ' ')})", "export model.eval()"
            )
        outputs.append(entry["arg"].get("as_tensor", {}).get("name"))
    if len(inputs) != 1 or len(outputs) != 1 or outputs[0] is None:
        raise Unsupported(
            f"the network takes {len(inputs)} tensors and returns {len(outputs)} (allowed: one image in, logits out)",
            "export it wrapped in a module that takes the image alone and returns the logits alone",
        )
    values = graph["tensor_values"]
    missing = sorted(set(weights.values()) - set(tensors))
    if missing:
        raise Unsupported(f"has no weights for {missing[0]}", "export the network again")
    return Program(
        inputs[0],
        outputs[0],
        tuple(decode_step(node, weights) for node in graph["nodes"]),
        weights,
        {fqn: tensors[fqn] for fqn in weights.values()},
        frozenset(parameters),
        {name: tuple(size.get("as_int") for size in meta["sizes"]) for name, meta in values.items()},
        {name: int(meta["dtype"]) for name, meta in values.items()},
    )


def _tensors(archive: zipfile.ZipFile, root: str, model: str) -> dict[str, torch.Tensor]:
    """Return the weights and constants of any of the layouts that torch has used."""
    names = set(archive.namelist())
    found: dict[str, torch.Tensor] = {}
    for old, folder, kind in (
        ("serialized_state_dict.pt", "data/weights/", "weights"),
        ("serialized_constants.pt", "data/constants/", "constants"),
    ):
        config = f"{root}{folder}{model}_{kind}_config.json"
        for pickled in (old, f"{root}{folder}{model}.pt"):
            if pickled in names and archive.getinfo(pickled).file_size:
                found |= _plain_pickle(archive.read(pickled))
        if config in names:
            for fqn, entry in json.loads(archive.read(config))["config"].items():
                found[fqn] = _payload(archive.read(f"{root}{folder}{entry['path_name']}"), fqn, entry)
    return found


def _payload(data: bytes, fqn: str, entry: Mapping[str, Any]) -> torch.Tensor:
    if entry["use_pickle"]:
        found = _plain_pickle(data)
        if not isinstance(found, torch.Tensor):
            raise _would_run_code(fqn)
        return found
    meta = entry["tensor_meta"]
    sizes, strides = ([int(part["as_int"]) for part in meta[key]] for key in ("sizes", "strides"))
    dtype = DTYPES[int(meta["dtype"])]
    if not data:
        return torch.empty(sizes, dtype=dtype)
    storage = torch.frombuffer(bytearray(data), dtype=dtype)
    return storage.as_strided(sizes, strides, int(meta["storage_offset"]["as_int"])).clone()


def _plain_pickle(data: bytes) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:
        raise _would_run_code("its weights") from error


def _would_run_code(what: str) -> Unsupported:
    return Unsupported(
        f"holds Python objects ({what}) that could run code, so it was not opened", "export a network of plain tensors"
    )
