"""The network as folding sees it: a working copy in double precision, its running order, its costs."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from foldtiny.errors import FoldError, UsageError
from foldtiny.fold.groups import CONVOLUTIONS, NORMS, Group, is_depthwise


@dataclass(frozen=True, slots=True)
class Profile:
    """One forward pass.

    Attributes
    ----------
    order : tuple of str
        Names of the leaf modules in the order of their first call.
    positions : dict of str to int
        Output elements per output channel of each convolution and linear layer, over all its calls.
    """

    order: tuple[str, ...]
    positions: dict[str, int]


def as_inputs(example: Any) -> tuple[Any, ...]:
    """Return example inputs as the tuple of a network's positional arguments.

    Raises
    ------
    UsageError
        If they are neither a tensor nor a tuple or list.
    """
    if isinstance(example, torch.Tensor):
        return (example,)
    if isinstance(example, (tuple, list)) and example:
        return tuple(example)
    raise UsageError(
        f"example_inputs is a {type(example).__name__} (allowed: a tensor, or a tuple of positional arguments)",
        "pass what the network is called with",
    )


def working_copy(model: nn.Module, inputs: tuple[Any, ...]) -> tuple[nn.Module, tuple[Any, ...]]:
    """Copy a network to the CPU in double precision, in eval mode, every parameter requiring gradients.

    A network that insists on single precision (it makes float32 tensors of its own) is copied in that.

    Raises
    ------
    FoldError
        If the network is no ordinary module, holds NaN or infinite numbers, or fails on its example inputs.
    """
    if isinstance(model, torch.jit.ScriptModule):
        raise FoldError("a TorchScript module cannot be folded", "fold the nn.Module that it was made from")
    _check_finite(model)
    failure: Exception | None = None
    for dtype in (torch.float64, torch.float32):
        try:
            work = copy.deepcopy(model).to("cpu", dtype).eval()
            for parameter in work.parameters():
                parameter.requires_grad_(parameter.is_floating_point())
            moved = tuple(_cast(value, dtype) for value in inputs)
            with torch.no_grad():
                work(*moved)
        except Exception as error:
            failure = failure or error
        else:
            return work, moved
    raise FoldError(
        f"the network fails on its example inputs: {type(failure).__name__}: {_first_line(failure)}",
        "give example_inputs of the shape that the network takes, batch dimension included",
    ) from failure


def restore(work: nn.Module, model: nn.Module) -> nn.Module:
    """Give a folded working copy the number types, devices and gradient flags of the original, in place."""
    tensors = {**dict(model.named_parameters(remove_duplicate=False)), **dict(model.named_buffers())}
    done: dict[int, torch.Tensor] = {}
    for prefix, module in work.named_modules():
        for store in (module._parameters, module._buffers):
            for name, value in store.items():
                if value is None:
                    continue
                original = tensors.get(f"{prefix}.{name}" if prefix else name)
                if original is None:
                    continue
                if id(value) not in done:
                    plain = value.detach().to(original.device, original.dtype)
                    if isinstance(value, nn.Parameter):
                        plain = nn.Parameter(plain, requires_grad=original.requires_grad)
                    done[id(value)] = plain
                store[name] = done[id(value)]
    return work.eval()


def profile(model: nn.Module, inputs: tuple[Any, ...]) -> Profile:
    """Run a network once and note which modules run when, and how often each weight is used."""
    order: list[str] = []
    positions: dict[str, int] = {}

    def record(name: str) -> Any:
        def hook(module: nn.Module, _: Any, output: Any) -> None:
            if name not in order:
                order.append(name)
            if isinstance(module, (*CONVOLUTIONS, nn.Linear)):
                width = module.out_features if isinstance(module, nn.Linear) else module.out_channels
                positions[name] = positions.get(name, 0) + output.numel() // int(width)

        return hook

    handles = [
        module.register_forward_hook(record(name))
        for name, module in model.named_modules()
        if isinstance(module, (*CONVOLUTIONS, nn.Linear)) or not any(True for _ in module.children())
    ]
    training = model.training
    try:
        with torch.no_grad():
            model.eval()(*inputs)
    finally:
        model.train(training)
        for handle in handles:
            handle.remove()
    return Profile(tuple(order), positions)


def parameters(model: nn.Module) -> int:
    """Return the number of parameters, shared ones counted once."""
    return sum(parameter.numel() for parameter in model.parameters())


def macs(model: nn.Module, positions: Mapping[str, int]) -> int:
    """Return the multiply-accumulates of convolutions and linear layers."""
    return sum(count * model.get_submodule(name).weight.numel() for name, count in positions.items())  # type: ignore


class Costs:
    """Parameters and multiply-accumulates of a network as a function of its group widths, in closed form.

    Parameters
    ----------
    model : nn.Module
        Dense.
    groups : iterable of Group
    positions : mapping
        From `profile`.
    """

    def __init__(self, model: nn.Module, groups: Iterable[Group], positions: Mapping[str, int]) -> None:
        self.groups = {group.name: group for group in groups}
        self._layers: dict[str, _Layer] = {}
        self.total = parameters(model)
        self.total_macs = macs(model, positions)
        for group in self.groups.values():
            for member in group.members:
                layer = self._layers.setdefault(
                    member.layer, _Layer(model.get_submodule(member.layer), positions.get(member.layer, 0))
                )
                slots = int(member.positions.shape[1])
                if member.role != "in":
                    layer.outward[group.name] = slots
                if member.role != "out":
                    layer.inward[group.name] = slots
        dense = self.dense_widths
        self._rest = self.total - sum(layer.parameters(dense, dense) for layer in self._layers.values())
        self._rest_macs = self.total_macs - sum(layer.macs(dense, dense) for layer in self._layers.values())

    @property
    def dense_widths(self) -> dict[str, int]:
        """Width of each group in the dense network."""
        return {name: group.width for name, group in self.groups.items()}

    def parameters(self, widths: Mapping[str, int]) -> int:
        """Return the number of parameters at some widths (a width per group)."""
        dense = self.dense_widths
        return self._rest + sum(layer.parameters(dense, widths) for layer in self._layers.values())

    def macs(self, widths: Mapping[str, int]) -> int:
        """Return the multiply-accumulates at some widths."""
        dense = self.dense_widths
        return self._rest_macs + sum(layer.macs(dense, widths) for layer in self._layers.values())


class _Layer:
    """One layer's costs: axes that shrink with the groups on them."""

    def __init__(self, module: nn.Module, positions: int) -> None:
        self.outward: dict[str, int] = {}
        self.inward: dict[str, int] = {}
        self._positions = positions
        self._per_channel = 0
        self._kernel = 0
        if isinstance(module, (*NORMS, nn.PReLU)):
            self._out = self._in = int(getattr(module, "num_features", 0) or getattr(module, "num_parameters", 0))
            self._per_channel = sum(p.numel() for p in module.parameters(recurse=False)) // self._out
        else:
            weight = module.weight
            assert isinstance(weight, torch.Tensor)
            self._out = int(weight.shape[0])
            self._depthwise = is_depthwise(module)
            self._groups = int(module.groups) if isinstance(module, CONVOLUTIONS) else 1
            self._in = int(weight.shape[1]) * (1 if self._depthwise else self._groups)
            self._kernel = weight[0, 0].numel()
            self._per_channel = int(module.bias is not None)

    def _axes(self, dense: Mapping[str, int], widths: Mapping[str, int]) -> tuple[int, int]:
        out = self._out - sum(slots * (dense[g] - widths[g]) for g, slots in self.outward.items())
        inward = self._in - sum(slots * (dense[g] - widths[g]) for g, slots in self.inward.items())
        return out, inward

    def weights(self, dense: Mapping[str, int], widths: Mapping[str, int]) -> int:
        out, inward = self._axes(dense, widths)
        if not self._kernel:
            return 0
        return out * self._kernel if self._depthwise else out * inward // self._groups * self._kernel

    def parameters(self, dense: Mapping[str, int], widths: Mapping[str, int]) -> int:
        return self.weights(dense, widths) + self._axes(dense, widths)[0] * self._per_channel

    def macs(self, dense: Mapping[str, int], widths: Mapping[str, int]) -> int:
        return self.weights(dense, widths) * self._positions


def _check_finite(model: nn.Module) -> None:
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        if tensor.is_meta:
            raise FoldError(f"'{name}' has no values (meta device)", "load the weights before folding")
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            layer, _, tail = name.rpartition(".")
            raise FoldError(
                f"layer '{layer or name}' holds NaN or infinite numbers (in '{tail}')",
                "fold a network that is trained to finite weights",
            )


def _cast(value: Any, dtype: torch.dtype) -> Any:
    if isinstance(value, torch.Tensor):
        return value.detach().to("cpu", dtype if value.is_floating_point() else value.dtype)
    return value


def _first_line(error: Exception | None) -> str:
    return (str(error).strip().splitlines() or ["no message"])[0]
