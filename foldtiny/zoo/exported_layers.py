"""From the operators of an exported network back to layers.

torch.export turns ``nn.Conv2d`` into a call of ``aten.conv2d`` with the weights as arguments. Folding and conversion
work on layers, so the calls whose weights are the network's own become layers again, under the names that they had. It
is the same arithmetic: the outputs do not change by a bit. Everything else stays a call.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from foldtiny.zoo.exported_file import Program
from foldtiny.zoo.exported_steps import LAYER, Step, Unsupported, check, references

_SHAPES_ONLY = ("aten._assert", "aten.sym_constrain", "aten._assert_scalar")
_DROPOUTS = (
    "aten.dropout.default",
    "aten.dropout_.default",
    "aten.feature_dropout.default",
    "aten.alpha_dropout.default",
)
_CASTS = ("aten.to.dtype", "aten._to_copy.default", "aten.detach.default", "aten.detach_.default")
_TRANSPOSES = {
    "aten.t.default": {},
    "aten.permute.default": {"dims": [1, 0]},
    "aten.transpose.int": {"dim0": 0, "dim1": 1},
}
_BATCH = "batch of the input"


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer: the class of torch.nn, its options, and which weights it holds under which names."""

    kind: str
    options: dict[str, Any]
    weights: dict[str, str]


@dataclass
class Raised:
    """An exported network with layers.

    Attributes
    ----------
    steps : list of Step
    layers : dict of str to Layer
        By name.
    output : str
        Name of the result.
    """

    steps: list[Step] = field(default_factory=list)
    layers: dict[str, Layer] = field(default_factory=dict)
    output: str = ""


def raised(program: Program) -> Raised:
    """Return a program's steps with its convolutions, linear layers, BatchNorms and PReLUs as layers.

    A fixed size of the batch becomes that of the input, and what only checks or does nothing goes.

    Raises
    ------
    Unsupported
        If it was exported in training mode, or holds a step that is not a plain computation.
    """
    result = Raised()
    same: dict[str, str] = {}  # values that are other names of earlier ones
    transposed: dict[str, str] = {}  # values that are a transposed weight
    if any(_fixed_batch(program, step) for step in program.steps):
        image = {"self": {"value": program.input}, "dim": 0}
        result.steps.append(Step("aten.sym_size.int", image, (_BATCH,)))
    for original in program.steps:
        step = replace(original, arguments={key: _renamed(value, same) for key, value in original.arguments.items()})
        if step.target.startswith(_SHAPES_ONLY):
            continue
        alias = _alias(program, step)
        if alias is not None:
            same[step.outputs[0]] = alias
            continue
        matrix = next(references(step.arguments.get("self"), "weight"), None)
        if matrix and _TRANSPOSES.get(step.target) == {k: v for k, v in step.arguments.items() if k != "self"}:
            transposed[step.outputs[0]] = matrix
        found = _layer(program, step, transposed)
        if found is None:
            step = _any_batch(program, step)
            check(step)
            result.steps.append(step)
        else:
            layer, value = found
            name = _name(result.layers, layer, step)
            result.layers[name] = layer
            result.steps.append(Step(LAYER + name, {"input": value}, step.outputs[:1]))
    output = same.get(program.output, program.output)
    return Raised(_used(result.steps, output), result.layers, output)


def _renamed(argument: Any, same: Mapping[str, str]) -> Any:
    if isinstance(argument, list):
        return [_renamed(part, same) for part in argument]
    if isinstance(argument, dict) and "value" in argument:
        return {"value": same.get(argument["value"], argument["value"])}
    return argument


def _used(steps: list[Step], output: str) -> list[Step]:
    """Return the steps that the output needs (transposed weights that became part of a layer are not)."""
    wanted, kept = {output}, []
    for step in reversed(steps):
        in_place = step.target.split(".")[1].endswith("_")
        if in_place or wanted.intersection(step.outputs):
            kept.append(step)
            for argument in step.arguments.values():
                wanted.update(references(argument))
    return kept[::-1]


def _alias(program: Program, step: Step) -> str | None:
    """Return the value that a step hands on unchanged, or None."""
    source = next(references(step.arguments.get("self", step.arguments.get("input"))), None)
    if source is None:
        return None
    if step.target in _DROPOUTS:
        if step.arguments.get("train"):
            raise _training(step)
        return source
    if step.target in _CASTS and program.dtypes.get(source) == program.dtypes.get(step.outputs[0]):
        return source
    return None


def _training(step: Step) -> Unsupported:
    return Unsupported(f"was exported in training mode ({step.target} is)", "export model.eval()")


def _layer(program: Program, step: Step, transposed: Mapping[str, str]) -> tuple[Layer, Any] | None:
    """Return a step as a layer and what it is applied to, or None where it is none."""
    make = _MAKERS.get(step.target)
    if make is None:
        return None
    layer, value = make(program, step, transposed)
    # Weights that are computed, and an image that is a weight, have no layer.
    if layer is None or not any(references(value)) or "" in layer.weights.values():
        return None
    return layer, value


def _weight(step: Step, name: str) -> str | None:
    """Return the name of a weight among a step's arguments; empty where it is computed, None where there is none."""
    value = step.arguments.get(name)
    return None if value is None else next(references(value, "weight"), "")


def _held(step: Step, **names: str) -> dict[str, str]:
    found = {key: _weight(step, name) for key, name in names.items()}
    return {key: fqn for key, fqn in found.items() if fqn is not None}


Made = tuple[Layer | None, Any]


def _convolution(program: Program, step: Step, _: Mapping[str, str]) -> Made:
    held, given = _held(step, weight="weight", bias="bias"), step.arguments
    if not held.get("weight") or given.get("transposed"):
        return None, None
    outputs, inputs, *kernel = program.tensors[held["weight"]].shape
    groups = int(given.get("groups", 1))

    def spread(name: str, usual: int) -> Any:
        value = given.get(name, usual)
        if isinstance(value, str):
            return value
        parts = list(value) if isinstance(value, list) else [value]
        return parts * len(kernel) if len(parts) == 1 else parts

    options = {
        "in_channels": inputs * groups,
        "out_channels": outputs,
        "kernel_size": kernel,
        "stride": spread("stride", 1),
        "padding": spread("padding", 0),
        "dilation": spread("dilation", 1),
        "groups": groups,
        "bias": "bias" in held,
    }
    return Layer(f"Conv{len(kernel)}d", options, held), given["input"]


def _linear_layer(program: Program, held: dict[str, str], value: Any) -> Made:
    if not held.get("weight") or program.tensors[held["weight"]].ndim != 2:
        return None, None
    outputs, inputs = program.tensors[held["weight"]].shape
    return Layer("Linear", {"in_features": inputs, "out_features": outputs, "bias": "bias" in held}, held), value


def _linear(program: Program, step: Step, _: Mapping[str, str]) -> Made:
    return _linear_layer(program, _held(step, weight="weight", bias="bias"), step.arguments["input"])


def _matrix_product(program: Program, step: Step, transposed: Mapping[str, str]) -> Made:
    given, bias = step.arguments, step.target == "aten.addmm.default"
    matrix = next(references(given["mat2"]), "")
    held = {"weight": transposed.get(matrix, "")} | (_held(step, bias="self") if bias else {})
    plain = given.get("beta", 1) == 1 and given.get("alpha", 1) == 1
    vector = not bias or (bool(held["bias"]) and program.tensors[held["bias"]].ndim == 1)
    value = given["mat1" if bias else "self"]
    return _linear_layer(program, held, value) if plain and vector else (None, None)


def _batch_norm(program: Program, step: Step, _: Mapping[str, str]) -> Made:
    given = step.arguments
    held = _held(step, weight="weight", bias="bias", running_mean="running_mean", running_var="running_var")
    if given.get("training") or "running_mean" not in held or "running_var" not in held:
        raise _training(step)
    source = next(references(given["input"]), "")
    rank = len(program.sizes.get(source, ()))
    if not held["running_mean"] or ("weight" in held) != ("bias" in held) or rank not in (2, 3, 4, 5):
        return None, None
    options = {
        "num_features": len(program.tensors[held["running_mean"]]),
        "eps": float(given["eps"]),
        "momentum": float(given["momentum"]),
        "affine": "weight" in held,
    }
    return Layer(f"BatchNorm{max(1, rank - 2)}d", options, held), given["input"]


def _prelu(program: Program, step: Step, _: Mapping[str, str]) -> Made:
    held = _held(step, weight="weight")
    if not held.get("weight"):
        return None, None
    return Layer("PReLU", {"num_parameters": program.tensors[held["weight"]].numel()}, held), step.arguments["self"]


_MAKERS: dict[str, Callable[[Program, Step, Mapping[str, str]], Made]] = {
    **{f"aten.conv{rank}d.{kind}": _convolution for rank in (1, 2, 3) for kind in ("default", "padding")},
    "aten.convolution.default": _convolution,
    "aten.linear.default": _linear,
    "aten.addmm.default": _matrix_product,
    "aten.mm.default": _matrix_product,
    "aten.batch_norm.default": _batch_norm,
    "aten._native_batch_norm_legit_no_training.default": _batch_norm,
    "aten.prelu.default": _prelu,
    "aten._prelu_kernel.default": _prelu,
}


def _name(layers: Mapping[str, Layer], layer: Layer, step: Step) -> str:
    """Return the name that the layer had, or one after its step where its weights do not tell."""
    parts = {fqn.rpartition(".")[::2] for fqn in layer.weights.values()}
    paths = {path for path, _ in parts}
    own = {key: fqn.rpartition(".")[2] for key, fqn in layer.weights.items()}
    if len(paths) == 1 and "" not in paths and all(key == name for key, name in own.items()):
        path = paths.pop()
        if layers.get(path, layer) == layer:
            return path
    name, number = step.outputs[0], 1
    while name in layers:
        number += 1
        name = f"{step.outputs[0]}_{number}"
    return name


_RESHAPES = {"aten.view.default": "size", "aten.reshape.default": "shape", "aten._unsafe_view.default": "size"}


def _fixed_batch(program: Program, step: Step) -> bool:
    """Tell whether a reshape names the size of the batch with which the network was exported."""
    key, batch = _RESHAPES.get(step.target), program.sizes[program.input][0]
    source = next(references(step.arguments.get("self")), "")
    if key is None or batch is None or not step.arguments[key] or not program.sizes.get(source):
        return False
    return bool(step.arguments[key][0] == batch == program.sizes[source][0])


def _any_batch(program: Program, step: Step) -> Step:
    """Return a reshape that takes any batch, and any number of channels where it flattens."""
    if not _fixed_batch(program, step):
        return step
    key, source = _RESHAPES[step.target], next(references(step.arguments["self"]), "")
    wanted = [{"value": _BATCH}, *step.arguments[key][1:]]
    rest = [size for size in program.sizes[source][1:] if size is not None]
    if len(wanted) == 2 and wanted[1] == math.prod(rest):
        wanted[1] = -1
    return replace(step, arguments={**step.arguments, key: wanted})
