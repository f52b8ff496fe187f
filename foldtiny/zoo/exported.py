"""Networks from ``torch.export``: read from .pt2 files, made of layers again, kept in checkpoints without any code."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import nn

from foldtiny.errors import DataError, UsageError
from foldtiny.zoo.exported_file import Program, is_program, read
from foldtiny.zoo.exported_layers import raised
from foldtiny.zoo.exported_network import ExportedNetwork, build
from foldtiny.zoo.exported_steps import DTYPES, Unsupported, references

__all__ = ["ARCHITECTURE", "ExportedNetwork", "as_module", "build", "from_program", "is_program", "load", "rebuild"]

#: What a checkpoint calls such a network.
ARCHITECTURE = "exported"
# Single precision: the batch changes the order of sums, nothing else.
_SAME = 1e-3


def load(path: Path) -> tuple[ExportedNetwork, tuple[int, int, int]]:
    """Read a .pt2 file and return its network in eval mode, and the shape of one image.

    Raises
    ------
    DataError
        If the file is damaged, would run code, or holds a network that foldtiny does not take.
    """
    program = read(path)
    try:
        network = _network(program)
    except Unsupported as error:
        raise DataError(f"{path}: {error.message}", error.hint) from error
    shape = program.sizes[program.input][1:]
    if len(shape) != 3 or None in shape:
        found = "x".join("?" if size is None else str(size) for size in shape)
        raise DataError(
            f"{path}: the network takes inputs of {found} (expected: channels x height x width, each fixed)",
            "export it with an image as example input",
        )
    channels, height, width = (int(size) for size in shape if size is not None)
    _check_batches(path, network, (channels, height, width))
    return network, (channels, height, width)


def rebuild(path: Path, description: object) -> ExportedNetwork:
    """Return the network that a checkpoint describes; its weights are still to be assigned.

    Raises
    ------
    DataError
        If the description is damaged or holds more than a plain network.
    """
    try:
        return build(description if isinstance(description, dict) else {})
    except Unsupported as error:
        raise DataError(f"{path}: {error.message}", error.hint) from error


def from_program(program: torch.export.ExportedProgram) -> ExportedNetwork:
    """Return the network of an exported program, made of layers again.

    Raises
    ------
    DataError
        See `load`.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "program.pt2"
        torch.export.save(program, path)
        try:
            return _network(read(path))
        except Unsupported as error:
            raise DataError(f"the exported program: {error.message}", error.hint) from error


def as_module(model: Any, example_inputs: Any) -> nn.Module:
    """Return a network made of layers: exported programs and what their ``module()`` returns are raised to such.

    Parameters
    ----------
    model : nn.Module or ExportedProgram
        Anything else than an exported network is returned as it is.
    example_inputs : Tensor or tuple
        What the network is called with.

    Raises
    ------
    DataError
        See `load`.
    UsageError
        If it is no network at all.
    """
    if isinstance(model, torch.export.ExportedProgram):
        return from_program(model)
    if isinstance(model, torch.fx.GraphModule) and any(_is_operator(node.target) for node in model.graph.nodes):
        inputs = example_inputs if isinstance(example_inputs, tuple) else (example_inputs,)
        return from_program(torch.export.export(model, inputs, strict=False))
    if not isinstance(model, nn.Module):
        raise UsageError(
            f"the network is a {type(model).__name__} (expected: a torch.nn.Module or an exported program)",
            "pass the network itself",
        )
    return model


def _is_operator(target: Any) -> bool:
    return isinstance(target, torch._ops.OpOverload) and target.namespace == "aten"


def _network(program: Program) -> ExportedNetwork:
    found = raised(program)
    loose = {
        name for step in found.steps for argument in step.arguments.values() for name in references(argument, "weight")
    }
    numbers = {dtype: number for number, dtype in DTYPES.items()}
    network = build(
        {
            "input": program.input,
            "output": found.output,
            "steps": [step.plain() for step in found.steps],
            "layers": {name: {"kind": layer.kind, "options": layer.options} for name, layer in found.layers.items()},
            "tensors": {
                name: {
                    "shape": list(program.tensors[name].shape),
                    "dtype": numbers[program.tensors[name].dtype],
                    "parameter": name in program.parameters,
                }
                for name in sorted(loose)
            },
        }
    )
    state = {name: program.tensors[name] for name in loose}
    for name, layer in found.layers.items():
        state |= {f"{name}.{key}": program.tensors[fqn] for key, fqn in layer.weights.items()}
        if layer.kind.startswith("BatchNorm"):
            state[f"{name}.num_batches_tracked"] = torch.zeros((), dtype=torch.int64)
    network.load_state_dict(
        {name: value.detach().float() if value.is_floating_point() else value for name, value in state.items()},
        assign=True,
    )
    return network.eval()


def _check_batches(path: Path, network: nn.Module, shape: tuple[int, ...]) -> None:
    """Refuse a network that computes something else for two images at once than for each alone."""
    images = torch.rand(2, *shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        try:
            alone = torch.cat([network(image[None]) for image in images])
        except Exception:
            return  # it fails on one image: that is reported where the classes are counted
        try:
            together = network(images)
            same = together.shape == alone.shape and bool(
                (together - alone).abs().max() <= _SAME * alone.abs().max() + 1e-6
            )
        except Exception:
            same = False
    if not same:
        raise DataError(
            f"{path}: the network was exported for a batch of one image and takes no other",
            "export it with dynamic_shapes, the first axis being a torch.export.Dim",
        )
