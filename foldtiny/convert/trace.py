"""From a torch module to the small graph, through `torch.export`."""

from __future__ import annotations

import contextlib
import copy
import inspect
import io
import logging
import re
import warnings
from collections.abc import Callable, Iterator
from operator import getitem
from typing import Any

import torch
from torch import nn
from torch.fx.experimental.symbolic_shapes import GuardOnDataDependentSymNode

from foldtiny.convert.ir import Graph, Input, Node, pruned
from foldtiny.convert.registry import Call, Ref, handlers, identifier, short, supported, where
from foldtiny.errors import ConvertError

_SHOWN_REASON = 200
_WAYS_OUT = {
    "aten.log_softmax": "return the logits themselves: the largest is the same",
    "aten.gelu": "train it with ReLU, hardswish or SiLU in its place",
}
"""What to do about operators that many networks have; by short name."""


def evaluation_copy(module: nn.Module) -> nn.Module:
    """Return a float32 copy on the CPU with dropout off and BatchNorm's running statistics on.

    Raises
    ------
    ConvertError
        If the module cannot be copied.
    """
    try:
        return copy.deepcopy(module).cpu().float().eval()
    except (RuntimeError, TypeError, AttributeError) as error:
        raise ConvertError(
            f"the network {type(module).__name__} cannot be copied: {_first_line(error)}",
            "take weight_norm and other computed tensors out of it (torch.nn.utils.remove_weight_norm)",
        ) from error


def trace(module: nn.Module, input_shape: tuple[int, ...]) -> Graph:
    """Return the graph of a module for one image.

    Parameters
    ----------
    module : nn.Module
        In evaluation mode; see `evaluation_copy`.
    input_shape : tuple[int, ...]
        Shape of one image without the batch axis, usually (C, H, W).

    Raises
    ------
    ConvertError
        If the module takes several inputs, has several outputs, decides by data, or uses an unsupported operator.
    """
    _check_signature(module)
    example = torch.zeros((1, *input_shape))
    _check_runs(module, example)
    program = _export(module, example)
    _check_no_state(program)
    return _Builder(program).build()


def _check_signature(module: nn.Module) -> None:
    parameters = list(inspect.signature(module.forward).parameters.values())
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    required = [p.name for p in parameters if p.default is p.empty and p.kind in (*kinds, p.KEYWORD_ONLY)]
    positional = any(p.kind in (*kinds, p.VAR_POSITIONAL) for p in parameters)
    if len(required) > 1 or not positional:
        listed = f" ({', '.join(required)})" if required else ""
        raise ConvertError(
            f"the network {type(module).__name__} takes {len(required)} inputs{listed} (allowed: one image)",
            "wrap it in a module whose forward takes the image alone",
        )


@contextlib.contextmanager
def _running(module: nn.Module) -> Iterator[list[str]]:
    """Keep the paths of the modules that are running, the innermost last; after an error they stay."""
    paths: list[str] = []
    handles = []
    for path, part in module.named_modules():
        handles.append(part.register_forward_pre_hook(lambda _module, _inputs, path=path: paths.append(path)))
        handles.append(part.register_forward_hook(lambda _module, _inputs, _output: (paths.pop(), None)[1]))
    try:
        yield paths
    finally:
        for handle in handles:
            handle.remove()


def _check_runs(module: nn.Module, example: torch.Tensor) -> None:
    """Run the network once, so that a mere mistake in it or in the shape is not blamed on the export."""
    with _running(module) as paths, torch.no_grad():
        try:
            module(example)
        except Exception as error:
            raise ConvertError(
                f"{where(paths[-1] if paths else '')} fails on an input of shape {list(example.shape)}: "
                f"{_first_line(error)}",
                "mend the network or give the input shape that it is meant for",
            ) from error


def _export(module: nn.Module, example: torch.Tensor) -> torch.export.ExportedProgram:
    noisy = logging.getLogger("torch")
    level = noisy.level
    with _running(module) as paths, warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        noisy.setLevel(logging.CRITICAL)
        try:
            return torch.export.export(module, (example,), strict=False)
        except Exception as error:
            raise ConvertError(
                f"{where(paths[-1] if paths else '')} cannot be traced by torch.export: {_reason(error)}",
                "make its control flow independent of the values in tensors",
            ) from error
        finally:
            noisy.setLevel(level)


def _check_no_state(program: torch.export.ExportedProgram) -> None:
    buffers = program.graph_signature.inputs_to_buffers
    # torch 2.5 and earlier list the changed buffers; later ones leave the in-place operators in the graph.
    written = list(program.graph_signature.buffers_to_mutate.values())
    for node in program.graph.nodes:
        changes = node.op == "call_function" and _in_place(str(node.target))
        if changes and isinstance(node.args[0], torch.fx.Node) and node.args[0].name in buffers:
            written.append(buffers[node.args[0].name])
    if written:
        raise ConvertError(
            f"the network changes its buffer '{written[0]}' while it runs (allowed: buffers that are only read)",
            "keep no state between images",
        )


class _Builder:
    """Walks an exported program and lets the handlers append nodes."""

    def __init__(self, program: torch.export.ExportedProgram) -> None:
        self.program = program
        self.nodes: dict[str, Node] = {}
        self.values: dict[str, Any] = {}
        self.operators = handlers()

    def build(self) -> Graph:
        constants = self._constants()
        output = None
        for node in self.program.graph.nodes:
            if node.op == "placeholder":
                self.values[node.name] = constants[node.name] if node.name in constants else self._input(node)
            elif node.op == "call_function":
                self.values[node.name] = self._call(node)
            elif node.op == "output":
                output = self._output(node)
        assert output is not None  # every exported graph ends in an output node
        return pruned(self.nodes.values(), output.name)

    def _constants(self) -> dict[str, torch.Tensor]:
        """Return parameters, buffers and constants by the name of their placeholder."""
        tensors: dict[str, Any] = {**self.program.state_dict, **self.program.constants}
        found = {}
        for spec in self.program.graph_signature.input_specs:
            if spec.target is not None and isinstance(tensors.get(spec.target), torch.Tensor):
                found[spec.arg.name] = tensors[spec.target]
        return found

    def _input(self, node: torch.fx.Node) -> Ref:
        if not isinstance(node.meta.get("val"), torch.Tensor):
            return Ref("", ())  # an optional argument left at its default
        shape = tuple(node.meta["val"].shape)
        self.nodes["input"] = Input("input", "", (), shape)
        return Ref("input", shape)

    def _call(self, node: torch.fx.Node) -> Any:
        operator, module = str(node.target), _module_path(node)
        arguments = self._arguments(node)
        if not _holds_ref(arguments):
            if torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ()):
                raise ConvertError(
                    f"{where(module)} draws random numbers with {short(operator)} "
                    "(allowed: the same result every time)",
                    "draw them only where self.training is set",
                )
            return _function(node)(*_resolved(node.args, self.values), **_resolved(node.kwargs, self.values))
        if node.target is getitem:
            return self._item(node, module)
        if operator not in self.operators:
            raise ConvertError(
                f"{where(module)} uses {short(operator)}, which foldtiny cannot convert (supported: {supported()})",
                _WAYS_OUT.get(short(operator), "replace it by supported operators"),
            )
        value = node.meta["val"]
        if isinstance(value, tuple | list):  # the pooled map and its indices; see _item
            value = value[0]
        name = identifier(f"{module}.{node.name}" if module else node.name)
        result = self.operators[operator](Call(operator, name, module, arguments, tuple(value.shape), self.nodes))
        if _in_place(operator):
            self._overwrite(node.args[0], result)
        return result

    def _overwrite(self, target: Any, result: Ref) -> None:
        """After an in-place operator, every name of the same tensor means its result."""
        old = self.values[target.name]
        for name, value in self.values.items():
            if value is old:
                self.values[name] = result

    def _item(self, node: torch.fx.Node, module: str) -> Any:
        """Return the first of several results: the pooled map, whose second is the indices."""
        source, index = node.args
        assert isinstance(source, torch.fx.Node)  # getitem on a constant is computed, not traced
        if index != 0 and node.users:
            raise ConvertError(
                f"{where(module)} uses the indices of {short(str(source.target))} (allowed: its values)",
                "leave return_indices off",
            )
        return self.values[source.name]

    def _arguments(self, node: torch.fx.Node) -> dict[str, Any]:
        args, kwargs = _resolved(node.args, self.values), _resolved(node.kwargs, self.values)
        schema = getattr(node.target, "_schema", None)
        if schema is None:  # a Python function such as operator.getitem
            return {str(i): value for i, value in enumerate(args)} | dict(kwargs)
        bound: dict[str, Any] = {}
        for position, parameter in enumerate(schema.arguments):
            if position < len(args):
                bound[parameter.name] = args[position]
            elif parameter.name in kwargs:
                bound[parameter.name] = kwargs[parameter.name]
            else:
                bound[parameter.name] = parameter.default_value
        return bound

    def _output(self, node: torch.fx.Node) -> Ref:
        (outputs,) = _resolved(node.args, self.values)
        results = [item for item in outputs if isinstance(item, Ref | torch.Tensor)]
        if len(results) != 1:
            raise ConvertError(
                f"the network returns {len(results)} tensors (allowed: one)",
                "wrap it in a module that returns the logits alone",
            )
        if not isinstance(results[0], Ref):
            raise ConvertError(
                "the network's output does not depend on the image", "return a value computed from the image"
            )
        if isinstance(self.nodes[results[0].name], Input):
            raise ConvertError("the network returns its input unchanged", "give a network with at least one layer")
        return results[0]


def _function(node: torch.fx.Node) -> Callable[..., Any]:
    assert callable(node.target)  # true of every call_function node
    return node.target


def _in_place(operator: str) -> bool:
    parts = operator.split(".")
    return len(parts) > 1 and parts[1].endswith("_")


def _resolved(item: Any, values: dict[str, Any]) -> Any:
    return torch.fx.map_arg(item, lambda node: values[node.name])


def _holds_ref(arguments: dict[str, Any]) -> bool:
    flat = [item for value in arguments.values() for item in (value if isinstance(value, list | tuple) else [value])]
    return any(isinstance(item, Ref) for item in flat)


def _module_path(node: torch.fx.Node) -> str:
    stack = node.meta.get("nn_module_stack") or {}
    return str(list(stack.values())[-1][0]) if stack else ""


def _reason(error: BaseException) -> str:
    """Return what torch.export objects to; for a decision by data, the line of source that makes it."""
    if not isinstance(error, GuardOnDataDependentSymNode):
        return _first_line(error)
    found = re.search(r'File "[^"]*", line (\d+), in .+\n\s*(.+)', str(error))
    source = f" (line {found[1]}: {found[2].strip()})" if found else ""
    return f"a decision depends on the values in a tensor{source}"


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else type(error).__name__
    return text if len(text) <= _SHOWN_REASON else text[: _SHOWN_REASON - 1] + "…"
