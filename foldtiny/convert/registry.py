"""Which torch operators can be converted, and what a handler gets to work with.

A handler turns one call of a torch operator into nodes. Handlers live in `foldtiny.convert.ops`, one file per family.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from foldtiny.convert.ir import Affine, Binary, Constant, Floats, Node
from foldtiny.errors import ConvertError

_FAMILIES = ("activation", "arithmetic", "conv", "linear", "pool", "shape")


@dataclass(frozen=True, slots=True)
class Ref:
    """A value of the graph being built (a constant is a `torch.Tensor` instead)."""

    name: str
    shape: tuple[int, ...]


Handler = Callable[["Call"], Ref]
_HANDLERS: dict[str, Handler] = {}


def register(*operators: str) -> Callable[[Handler], Handler]:
    """Register a handler under full operator names such as ``aten.conv2d.default``."""

    def add(handler: Handler) -> Handler:
        for operator in operators:
            _HANDLERS[operator] = handler
        return handler

    return add


def handlers() -> dict[str, Handler]:
    """Return every handler by the operator's full name."""
    for family in _FAMILIES:
        importlib.import_module(f"foldtiny.convert.ops.{family}")
    return _HANDLERS


def supported() -> str:
    """Return the supported operators as text: each once, without overload and in-place mark."""
    names = {operator.split(".")[1].rstrip("_") for operator in handlers()}
    return ", ".join(sorted(name for name in names if not name.startswith("_")))


@dataclass(slots=True)
class Call:
    """One call of a torch operator.

    Attributes
    ----------
    operator : str
        Full name, such as ``aten.conv2d.default``.
    name : str
        Name for the node that holds the result.
    module : str
        Path of the calling module; empty for the network itself.
    arguments : dict[str, Any]
        All arguments by name, defaults filled in; values are `Ref`, constants are tensors or Python numbers.
    shape : tuple[int, ...]
        Shape of the result.
    nodes : dict[str, Node]
        The graph so far.
    """

    operator: str
    name: str
    module: str
    arguments: dict[str, Any]
    shape: tuple[int, ...]
    nodes: dict[str, Node]
    _parts: int = field(default=0)

    def refuse(self, reason: str, hint: str) -> ConvertError:
        """Return the error that says why this call cannot be converted."""
        return ConvertError(f"{where(self.module)}: {short(self.operator)} {reason}", hint)

    def ref(self, argument: str) -> Ref:
        """Return an argument that must be computed from the image."""
        value = self.arguments[argument]
        if not isinstance(value, Ref):
            raise self.refuse(
                f"gets a constant as {argument} (allowed: a value computed from the image)",
                "compute it before the network runs",
            )
        return value

    def constant(self, argument: str) -> Floats | None:
        """Return a parameter, or None where it is absent."""
        value = self.arguments[argument]
        if value is None:
            return None
        if isinstance(value, Ref):
            raise self.refuse(
                f"computes its {argument} from the image (allowed: a trained parameter)",
                "give the layer fixed parameters",
            )
        return as_floats(value)

    def parameter(self, argument: str) -> Floats:
        """Return a parameter that must be there."""
        value = self.constant(argument)
        if value is None:
            raise self.refuse(f"has no {argument} (allowed: a trained parameter)", "give the layer its parameter")
        return value

    def pair(self, argument: str) -> tuple[int, int]:
        """Return an argument that torch accepts as one number or two."""
        value = self.arguments[argument]
        items = [value] if isinstance(value, int) else list(value)
        return (int(items[0]), int(items[-1]))

    def emit(
        self, node: type[Node], inputs: tuple[Ref, ...], shape: tuple[int, ...] | None = None, /, **fields: Any
    ) -> Ref:
        """Append a node and return its value. The shape is that of the call's result unless given."""
        while (name := self.name + (f"_{self._parts}" if self._parts else "")) in self.nodes:
            self._parts += 1
        shape = self.shape if shape is None else shape
        self.nodes[name] = node(name, self.module, tuple(value.name for value in inputs), shape, **fields)
        return Ref(name, shape)

    def affine(self, value: Ref, scale: float | Floats, shift: float | Floats) -> Ref:
        """Append ``value * scale + shift``, each a number or one number per channel."""
        channels = value.shape[1] if len(value.shape) > 1 else 1
        spread = [np.broadcast_to(np.asarray(part, np.float32), (channels,)).copy() for part in (scale, shift)]
        return self.emit(Affine, (value,), value.shape, scale=spread[0], shift=spread[1])

    def literal(self, value: Floats) -> Ref:
        """Append a constant."""
        return self.emit(Constant, (), tuple(value.shape), value=value)

    def binary(self, kind: str, left: Ref, right: Ref) -> Ref:
        """Append an element-wise operation on two values of the same rank."""
        if len(left.shape) != len(right.shape):
            raise self.refuse(
                f"combines shapes {list(left.shape)} and {list(right.shape)} (allowed: the same number of axes)",
                "reshape one of them first",
            )
        shape = tuple(np.broadcast_shapes(left.shape, right.shape))
        return self.emit(Binary, (left, right), shape, kind=kind)


def as_floats(value: Any) -> Floats:
    """Return a tensor or number as a float32 array."""
    if isinstance(value, torch.Tensor):
        return np.array(value.detach().cpu().to(torch.float32).numpy())
    return np.asarray(value, np.float32)


def short(operator: str) -> str:
    """Return ``aten.conv2d`` for ``aten.conv2d.default``."""
    return ".".join(operator.split(".")[:2])


def where(module: str) -> str:
    """Return how messages name a module."""
    return f"module '{module}'" if module else "the network's own forward()"


def identifier(text: str) -> str:
    """Return text as a name that Keras and TensorFlow accept."""
    name = re.sub(r"[^A-Za-z0-9_]", "_", text)
    return f"m{name}" if name.startswith("_") else name
