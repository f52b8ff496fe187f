"""The network that an exported program becomes: its steps run in order, its layers ordinary ones of torch.nn."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from foldtiny.zoo.exported_steps import DTYPES, LAYER, Unsupported, bind, check, from_plain, function, references

_KINDS = ("Conv1d", "Conv2d", "Conv3d", "Linear", "BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "PReLU", "Identity")
_NAME = r"[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*"


class ExportedNetwork(nn.Module):
    """The steps of an exported network, run in order, with its layers as submodules of their old names.

    Parameters
    ----------
    description : dict
        Plain values, from `describe` of another one. Weights are uninitialised: `load_state_dict` follows.

    Raises
    ------
    Unsupported
        If a step is not a plain computation or a layer not one of torch.nn's that foldtiny knows.
    """

    def __init__(self, description: Mapping[str, Any]) -> None:
        super().__init__()
        self.steps = tuple(from_plain(entry) for entry in description["steps"])
        self.input, self.output = str(description["input"]), str(description["output"])
        for name, entry in description["layers"].items():
            if entry["kind"] not in _KINDS:
                raise Unsupported(f"holds a layer {entry['kind']} (allowed: {', '.join(_KINDS)})", "fold it again")
            self._place(name, getattr(nn, entry["kind"])(**entry["options"]))
        for name, entry in description["tensors"].items():
            self._place(name, torch.empty(entry["shape"], dtype=DTYPES[entry["dtype"]]), entry["parameter"])
        for step in self.steps:
            if step.target.startswith(LAYER):
                self.get_submodule(step.target.removeprefix(LAYER))
            else:
                check(step)
                function(step.target)
        self._last: dict[str, int] = {}
        for number, step in enumerate(self.steps):
            for argument in step.arguments.values():
                self._last.update(dict.fromkeys(references(argument), number))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits ``[N, classes]`` for images ``[N, C, H, W]``."""
        values: dict[str, Any] = {self.input: images}

        def resolve(reference: Mapping[str, str]) -> Any:
            if "weight" not in reference:
                return values[reference["value"]]
            path, _, leaf = reference["weight"].rpartition(".")
            return getattr(self.get_submodule(path), leaf)

        for number, step in enumerate(self.steps):
            if step.target.startswith(LAYER):
                result = self.get_submodule(step.target.removeprefix(LAYER))(resolve(step.arguments["input"]))
            else:
                positional, named = bind(step, resolve)
                result = function(step.target)(*positional, **named)
            results = result if step.packed else (result,)
            values.update(zip(step.outputs, results, strict=False))
            for argument in step.arguments.values():
                for name in references(argument):
                    if self._last[name] == number and name != self.output:
                        values.pop(name, None)
        return values[self.output]

    def describe(self) -> dict[str, Any]:
        """Return what builds this network again, but for the weights, as numbers and text."""
        layers = {}
        names = {step.target.removeprefix(LAYER) for step in self.steps if step.target.startswith(LAYER)}
        held = set()
        for name in sorted(names):
            module = self.get_submodule(name)
            layers[name] = {"kind": type(module).__name__, "options": _options(module)}
            held |= {f"{name}.{key}" for key in module.state_dict()}
        parameters = {name for name, _ in self.named_parameters(remove_duplicate=False)}
        numbers = {dtype: number for number, dtype in DTYPES.items()}
        tensors = {
            name: {"shape": list(value.shape), "dtype": numbers[value.dtype], "parameter": name in parameters}
            for name, value in self.state_dict().items()
            if name not in held
        }
        return {
            "input": self.input,
            "output": self.output,
            "steps": [step.plain() for step in self.steps],
            "layers": layers,
            "tensors": tensors,
        }

    def _place(self, name: str, value: nn.Module | torch.Tensor, parameter: bool = False) -> None:
        """Put a layer or a tensor at a dotted name."""
        if not re.fullmatch(_NAME, name):
            raise Unsupported(f"holds the name {name!r} (allowed: letters, digits, _ and .)", "rename it")
        owner: nn.Module = self
        *path, leaf = name.split(".")
        for part in path:
            if part not in owner._modules:
                owner.add_module(part, nn.Module())
            owner = owner.get_submodule(part)
        if isinstance(value, nn.Module):
            owner.add_module(leaf, value)
        elif parameter:
            owner.register_parameter(leaf, nn.Parameter(value, requires_grad=value.is_floating_point()))
        else:
            owner.register_buffer(leaf, value)


def _options(module: nn.Module) -> dict[str, Any]:
    """Return the options with which a layer is built."""
    if isinstance(module, (nn.Conv1d, nn.Conv2d, nn.Conv3d)):
        names = ("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups")
        found = {name: getattr(module, name) for name in names}
        return {**found, "bias": module.bias is not None}
    if isinstance(module, nn.Linear):
        return {"in_features": module.in_features, "out_features": module.out_features, "bias": module.bias is not None}
    if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)):
        return {name: getattr(module, name) for name in ("num_features", "eps", "momentum", "affine")}
    return {"num_parameters": module.num_parameters} if isinstance(module, nn.PReLU) else {}


def build(description: Mapping[str, Any]) -> ExportedNetwork:
    """Return a network of a description without weights, on the meta device.

    Raises
    ------
    Unsupported
        If the description is damaged or holds more than a plain network.
    """
    try:
        with torch.device("meta"):
            return ExportedNetwork(description)
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError, OverflowError) as error:
        raise Unsupported(f"its program is damaged ({type(error).__name__})", "fold the network again") from error
