"""The dependency graph of a network: torch-pruning's, with the shapes that its autograd trace knows."""

from __future__ import annotations

import math
import warnings
from typing import Any

import torch
from torch import nn

from foldtiny.errors import FoldError


def trace(model: nn.Module, inputs: tuple[Any, ...]) -> Any:
    """Return torch-pruning's dependency graph of a network.

    Parameters
    ----------
    model : nn.Module
        In eval mode, every parameter requiring gradients (the trace follows the autograd graph).
    inputs : tuple
        Its arguments.

    Raises
    ------
    FoldError
        If the network cannot be traced.
    """
    try:
        with warnings.catch_warnings(), torch.enable_grad():
            warnings.simplefilter("ignore")
            nodes = tuple(_as_node(value) for value in inputs)
            graph = _graph_class()()
            graph.build_dependency(model, nodes, output_transform=_traceable, verbose=False)
            graph.inputs = {value.grad_fn for value in nodes if isinstance(value, torch.Tensor) and value.grad_fn}
            return graph
    except Exception as error:
        raise FoldError(
            f"the network's channel groups cannot be traced: {type(error).__name__}: {error}",
            "the network must return tensors that depend on its parameters, without torch.no_grad() inside",
        ) from error


def _graph_class() -> Any:
    from torch_pruning.dependency import DependencyGraph

    class Graph(DependencyGraph):
        """The graph with exact index mappings where torch-pruning infers them from the layers around."""

        def _build_dependency(self, module2node: Any) -> None:
            super()._build_dependency(module2node)
            self._2d_4d = False  # switches its own reshape rule off
            for node in module2node.values():
                kind = type(node.module).__name__
                if kind == "_ConcatOp":
                    _map_concat(node)
                elif kind == "_ReshapeOp":
                    _map_flatten(node)

    return Graph


def _traceable(output: Any) -> list[torch.Tensor]:
    found = [tensor for tensor in tensors(output) if tensor.grad_fn is not None]
    if not found:
        raise ValueError("its outputs do not depend on its parameters")
    return found


def tensors(output: Any) -> list[torch.Tensor]:
    """Return all tensors in a network's output, whatever it is nested in."""
    if isinstance(output, torch.Tensor):
        return [output]
    if isinstance(output, dict):
        output = list(output.values())
    if isinstance(output, (tuple, list)):
        return [tensor for part in output for tensor in tensors(part)]
    return []


INPUT = "input"


def operator(graph: Any, node: Any) -> str:
    """Return what autograd calls a node's operator, or ``INPUT``."""
    function = node.grad_fn
    if function in graph.inputs:
        return INPUT
    return function.name() if function is not None and hasattr(function, "name") else type(node.module).__name__


def _as_node(value: Any) -> Any:
    """Return an input as the result of an operator, which is what the trace sees (of leaves it sees nothing)."""
    if isinstance(value, torch.Tensor) and value.is_floating_point():
        return value.detach().clone().requires_grad_().clone()
    return value


def _shapes(node: Any) -> list[torch.Size]:
    """Return the shapes of what a node's operator is applied to."""
    return [f._input_metadata[number].shape for f, number in node.grad_fn.next_functions if f is not None]


def _map_concat(node: Any) -> None:
    """Give the inputs of a concatenation their places in it.

    torch-pruning infers them from the layers around it, and gives up where, say, a flatten follows.
    """
    node.enable_index_mapping = False
    from torch_pruning.dependency.index_mapping import _ConcatIndexMapping

    axis, shapes = node.grad_fn._saved_dim, _shapes(node)
    if len(shapes) != len(node.inputs) or axis % len(shapes[0]) != 1:
        return
    sizes = [int(shape[1]) for shape in shapes]
    node.module.concat_sizes = sizes
    done: set[int] = set()
    for number, source in enumerate(node.inputs):
        span = [sum(sizes[:number]), sum(sizes[: number + 1])]
        for owner, target, reverse in ((node, source, True), (source, node, False)):
            for dependency in owner.dependencies:
                if dependency.target is target and id(dependency) not in done:
                    dependency.index_mapping[1] = _ConcatIndexMapping(offset=span, reverse=reverse)
                    done.add(id(dependency))
                    break


def _map_flatten(node: Any) -> None:
    """Let each channel of a map own height x width places of the flattened vector."""
    from torch_pruning.dependency.index_mapping import _FlattenIndexMapping

    before, after = _shapes(node)[0], node.grad_fn._input_metadata[0].shape
    stride = math.prod(before[2:])
    if len(before) < 3 or len(after) != 2 or after[1] != before[1] * stride or stride == 1:
        return
    source = node.inputs[0]
    for owner, target, reverse in ((node, source, True), (source, node, False)):
        for dependency in owner.dependencies:
            if dependency.target is target:
                dependency.index_mapping[0] = _FlattenIndexMapping(stride=stride, reverse=reverse)
