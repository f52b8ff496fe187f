"""Turn the graph channels last without a single transpose.

A feature map ``[1, C, H, W]`` becomes ``[1, H, W, C]``. Flattened, its elements stand in another order than torch's;
each flat value carries that order until a fully connected layer, whose columns are permuted to match, takes it away.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from foldtiny.convert import ir
from foldtiny.convert.registry import where
from foldtiny.errors import ConvertError

Order = npt.NDArray[np.intp] | None
"""For a flat value: which of torch's elements stands at each place; None where nothing moved."""


def channels_last(graph: ir.Graph) -> ir.Graph:
    """Return the graph with shapes, axes and weights for channels-last feature maps.

    Raises
    ------
    ConvertError
        If an operation would need a transpose.
    """
    orders: dict[str, Order] = {}
    sources = graph.by_name()
    nodes = []
    for node in graph.nodes:
        rule = _RULES.get(type(node), _elementwise)
        changes, order = rule(node, [sources[name] for name in node.inputs], [orders[name] for name in node.inputs])
        orders[node.name] = order
        nodes.append(replace(node, shape=_moved(node.shape), **changes))
    if orders[graph.output] is not None:
        node = sources[graph.output]
        raise ConvertError(
            f"{where(node.module)} returns a flattened feature map (allowed: logits of a Linear layer, or a map)",
            "end the network before the flatten or add a Linear layer",
        )
    return ir.Graph(tuple(nodes), graph.output)


Result = tuple[dict[str, Any], Order]
Rule = Callable[[Any, list[ir.Node], list[Order]], Result]


def _moved(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape with the channels last."""
    return shape if len(shape) < 3 else (shape[0], *shape[2:], shape[1])


def _axis(axis: int, rank: int) -> int:
    """Return where an axis goes."""
    if rank < 3 or axis == 0:
        return axis
    return rank - 1 if axis == 1 else axis - 1


def _normal(order: npt.NDArray[np.intp]) -> Order:
    return None if (order == np.arange(order.size)).all() else order


def _elementwise(node: ir.Node, sources: list[ir.Node], orders: list[Order]) -> Result:
    """Values that meet must stand in the same order; one of length 1 goes with any."""
    wide = [order for source, order in zip(sources, orders, strict=True) if source.shape[1:] != (1,)]
    for order in wide[1:]:
        if not np.array_equal(_explicit(order, node.shape), _explicit(wide[0], node.shape)):
            raise _needs_transpose(node, "combines a flattened feature map with features in another order")
    return {}, wide[0] if wide else None


def _explicit(order: Order, shape: tuple[int, ...]) -> npt.NDArray[np.intp]:
    return np.arange(shape[-1]) if order is None else order


def _needs_transpose(node: ir.Node, fact: str) -> ConvertError:
    return ConvertError(
        f"{where(node.module)} {fact}, which would need a transpose (allowed: operations that keep the layout)",
        "work on the feature map, or put a Linear layer between",
    )


def _constant(node: ir.Constant, _sources: list[ir.Node], _orders: list[Order]) -> Result:
    value = node.value if node.value.ndim < 3 else np.moveaxis(node.value, 1, -1)
    return {"value": np.ascontiguousarray(value)}, None


def _linear(node: ir.Linear, _sources: list[ir.Node], orders: list[Order]) -> Result:
    return ({} if orders[0] is None else {"weight": node.weight[:, orders[0]]}), None


def _affine(node: ir.Affine, _sources: list[ir.Node], orders: list[Order]) -> Result:
    order = orders[0]
    return ({} if order is None else {"scale": node.scale[order], "shift": node.shift[order]}), order


def _mean(node: ir.Mean, sources: list[ir.Node], _orders: list[Order]) -> Result:
    rank = len(sources[0].shape)
    if 2 < len(node.shape) < rank and 1 in node.axes:
        raise _needs_transpose(node, "averages over the channels and drops their axis")
    return {"axes": tuple(sorted(_axis(axis, rank) for axis in node.axes))}, None


def _concat(node: ir.Concat, sources: list[ir.Node], orders: list[Order]) -> Result:
    rank = len(node.shape)
    if rank != 2 or all(order is None for order in orders):
        return {"axis": _axis(node.axis, rank)}, None
    parts, start = [], 0
    for source, order in zip(sources, orders, strict=True):
        parts.append(start + _explicit(order, source.shape))
        start += source.shape[1]
    return {}, np.concatenate(parts)


def _pad(node: ir.Pad, _sources: list[ir.Node], orders: list[Order]) -> Result:
    if orders[0] is not None:
        raise _needs_transpose(node, "pads a flattened feature map")
    rank = len(node.shape)
    amounts = dict(zip((_axis(axis, rank) for axis in range(rank)), node.amounts, strict=True))
    return {"amounts": tuple(amounts[axis] for axis in range(rank))}, None


def _reshape(node: ir.Reshape, sources: list[ir.Node], orders: list[Order]) -> Result:
    """Elements keep their place in memory; whether that is right shows in torch's flat indices."""
    placed = _flat_indices(sources[0].shape) if orders[0] is None else orders[0]
    if len(node.shape) == 2:
        return {}, _normal(placed)
    if not np.array_equal(placed, _flat_indices(node.shape)):
        raise _needs_transpose(node, f"reshapes {list(sources[0].shape)} to {list(node.shape)}")
    return {}, None


def _flat_indices(shape: tuple[int, ...]) -> npt.NDArray[np.intp]:
    """Return torch's flat index of each element of a value of this shape, in channels-last order."""
    indices = np.arange(int(np.prod(shape))).reshape(shape)
    return (indices if len(shape) < 3 else np.moveaxis(indices, 1, -1)).reshape(-1)


_RULES: dict[type[ir.Node], Rule] = {
    ir.Constant: _constant,
    ir.Linear: _linear,
    ir.Affine: _affine,
    ir.Mean: _mean,
    ir.Concat: _concat,
    ir.Pad: _pad,
    ir.Reshape: _reshape,
}
