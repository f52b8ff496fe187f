"""The steps of an exported network as plain Python values, which a checkpoint can hold, and which steps are allowed.

An argument is a number, text, None, a list of arguments, or one of

    {"value": name}    the result of an earlier step, or the input
    {"weight": name}   a parameter, buffer or constant
    {"dtype": number}  a number type, as torch numbers them
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch

#: c10::ScalarType in files of torch.export (the numbers of torch._export.serde.schema.ScalarType).
DTYPES = {
    1: torch.uint8,
    2: torch.int8,
    3: torch.int16,
    4: torch.int32,
    5: torch.int64,
    6: torch.float16,
    7: torch.float32,
    8: torch.float64,
    12: torch.bool,
    13: torch.bfloat16,
}
_ATEN = re.compile(r"aten\.([A-Za-z]\w*|_softmax|_log_softmax|_adaptive_avg_pool2d|_to_copy|_unsafe_view)\.(\w+)")
# Arithmetic on sizes.
_ARITHMETIC: dict[str, Callable[..., Any]] = {
    name: getattr(operator, name) for name in ("add", "sub", "mul", "floordiv", "mod", "neg", "getitem")
}
# Text may say how to pad or round; other operators take names of files.
_TEXT = {"padding", "approximate", "rounding_mode", "mode"}
_PLAIN = ("as_int", "as_bool", "as_ints", "as_bools", "as_string")
_LEFT_OUT = ("as_memory_format", "as_layout", "as_device")
LAYER = "layer."


class Unsupported(Exception):
    """Something in an exported network that foldtiny does not take; the reader says in which file."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message, self.hint = message, hint


@dataclass(frozen=True, slots=True)
class Step:
    """One call.

    Attributes
    ----------
    target : str
        ``aten.relu.default``, ``operator.mul``, or ``layer.`` and the name of a layer.
    arguments : dict
        By the operator's own names; a layer has one, ``input``.
    outputs : tuple of str
        Names of the results; empty ones are not used.
    packed : bool
        Whether the call returns several results.
    """

    target: str
    arguments: dict[str, Any]
    outputs: tuple[str, ...]
    packed: bool = False

    def plain(self) -> dict[str, Any]:
        """Return the step as plain values."""
        return {
            "target": self.target,
            "arguments": self.arguments,
            "outputs": list(self.outputs),
            "packed": self.packed,
        }


def from_plain(entry: Mapping[str, Any]) -> Step:
    """Return the step that `Step.plain` wrote."""
    return Step(str(entry["target"]), dict(entry["arguments"]), tuple(entry["outputs"]), bool(entry["packed"]))


def decode_step(node: Mapping[str, Any], weights: Mapping[str, str]) -> Step:
    """Return a node of the file as a step.

    Raises
    ------
    Unsupported
        If an argument is of a kind that no plain network needs.
    """
    target = str(node["target"]).removeprefix("torch.ops.").removeprefix("_")
    arguments = {}
    for number, given in enumerate(node["inputs"]):
        ((kind, value),) = given["arg"].items()
        if kind not in _LEFT_OUT:
            arguments[given["name"] or str(number)] = _decode(kind, value, weights, target)
    outputs: list[str] = []
    packed = len(node["outputs"]) > 1
    for given in node["outputs"]:
        ((kind, value),) = given.items()
        if kind == "as_tensors":
            packed = True
            outputs += [part["name"] for part in value]
        else:
            outputs.append(value.get("name") or value.get("as_name") or "" if isinstance(value, dict) else "")
    return Step(target, arguments, tuple(outputs), packed)


def _decode(kind: str, value: Any, weights: Mapping[str, str], target: str) -> Any:
    if kind in ("as_tensor", "as_sym_int", "as_sym_float", "as_sym_bool", "as_optional_tensor"):
        return _reference(value, weights)
    if kind in ("as_tensors", "as_sym_ints", "as_optional_tensors"):
        return [_reference(part, weights) for part in value]
    if kind == "as_none":
        return None
    if kind == "as_float":
        return float(value)
    if kind == "as_floats":
        return [float(part) for part in value]
    if kind == "as_scalar_type":
        return {"dtype": int(value)}
    if kind in _PLAIN:
        return value
    raise Unsupported(f"{target} takes {kind.removeprefix('as_')} (allowed: tensors and numbers)", "export it without")


def _reference(value: Mapping[str, Any], weights: Mapping[str, str]) -> Any:
    if "as_tensor" in value:
        value = value["as_tensor"]
    name = value.get("name") or value.get("as_name")
    if name is None:
        return value.get("as_int", value.get("as_float"))
    return {"weight": weights[name]} if name in weights else {"value": name}


def references(argument: Any, kind: str = "value") -> Iterator[str]:
    """Yield the names of the values (or weights) in an argument."""
    if isinstance(argument, list):
        for part in argument:
            yield from references(part, kind)
    elif isinstance(argument, dict) and kind in argument:
        yield str(argument[kind])


@cache
def function(target: str) -> Callable[..., Any]:
    """Return the function that a step calls.

    Raises
    ------
    Unsupported
        If it is not an operator of torch's own tensor library, or not in this version.
    """
    if target.removeprefix("operator.") in _ARITHMETIC and target.startswith("operator."):
        return _ARITHMETIC[target.removeprefix("operator.")]
    found = _ATEN.fullmatch(target)
    overload = getattr(getattr(torch.ops.aten, found[1], None), found[2], None) if found else None
    if not isinstance(overload, torch._ops.OpOverload):
        raise Unsupported(
            f"uses {target} (allowed: plain operators of torch.ops.aten)", "export the network without it"
        )
    return overload


def check(step: Step) -> None:
    """Refuse a step that is not a plain computation.

    Raises
    ------
    Unsupported
    """
    found = function(step.target)
    for name, value in step.arguments.items():
        if isinstance(value, str) and name not in _TEXT:
            raise Unsupported(
                f"{step.target} gets the text {value!r} as {name} (allowed: numbers)", "export it without"
            )
    changed = next(iter(step.arguments.values()), None)
    if isinstance(found, torch._ops.OpOverload) and found._schema.is_mutable and any(references(changed, "weight")):
        raise Unsupported(f"{step.target} changes the network's weights while it runs", "export model.eval()")


def bind(step: Step, resolve: Callable[[Any], Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return a step's arguments as its function takes them: by position as far as they go, the rest by name."""
    given = {name: _plain_value(value, resolve) for name, value in step.arguments.items()}
    target = function(step.target)
    if not isinstance(target, torch._ops.OpOverload):
        return tuple(given.values()), {}
    positional: list[Any] = []
    for parameter in target._schema.arguments:
        if parameter.kwarg_only or parameter.name not in given:
            break
        positional.append(given.pop(parameter.name))
    return tuple(positional), given


def _plain_value(value: Any, resolve: Callable[[Any], Any]) -> Any:
    if isinstance(value, list):
        return [_plain_value(part, resolve) for part in value]
    if isinstance(value, dict):
        return DTYPES[value["dtype"]] if "dtype" in value else resolve(value)
    return value
