"""Fuse per-channel arithmetic into convolutions and drop what does nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from foldtiny.convert.ir import Affine, Conv, Graph, Linear, Mean, Node, Pool, Reshape, pruned


def simplify(graph: Graph) -> Graph:
    """Return an equal graph in which BatchNorm and constants are part of the convolutions wherever that is exact."""
    for rule in (_fuse_into_producer, _fuse_into_consumer, _merge_reshapes, _merge_strides):
        while (smaller := _apply(graph, rule)) is not None:
            graph = smaller
    return graph


Rule = Callable[[Node, Node], Node | None]


def _apply(graph: Graph, rule: Rule) -> Graph | None:
    """Replace one producer and its only consumer by one node, or return None where no pair matches.

    The new node takes the consumer's name, so that its readers need no change.
    """
    nodes, consumers = graph.by_name(), graph.consumers()
    for node in graph.nodes:
        if len(node.inputs) != 1:
            continue
        producer = nodes[node.inputs[0]]
        if len(consumers[producer.name]) != 1:
            continue
        merged = rule(producer, node)
        if merged is not None:
            return pruned((merged if other is node else other for other in graph.nodes), graph.output)
    return None


def _fuse_into_producer(producer: Node, node: Node) -> Node | None:
    """``Affine`` after ``Conv``, ``Linear`` or ``Affine``: scale the rows of the weights."""
    if not isinstance(node, Affine):
        return None
    if isinstance(producer, Affine):
        scale, shift = producer.scale * node.scale, producer.shift * node.scale + node.shift
        return replace(node, inputs=producer.inputs, scale=scale, shift=shift)
    if not isinstance(producer, Conv | Linear):
        return None
    rows = node.scale.reshape(-1, *[1] * (producer.weight.ndim - 1))
    return replace(
        producer,
        name=node.name,
        weight=producer.weight * rows,
        bias=producer.bias * node.scale + node.shift,
    )


def _fuse_into_consumer(producer: Node, node: Node) -> Node | None:
    """``Affine`` before ``Linear``, or before a ``Conv`` whose padding it would not change."""
    if not isinstance(producer, Affine):
        return None
    if isinstance(node, Linear):
        bias = node.bias.astype(np.float64) + node.weight.astype(np.float64) @ producer.shift
        return replace(node, inputs=producer.inputs, weight=node.weight * producer.scale, bias=bias.astype(np.float32))
    if not isinstance(node, Conv) or (node.padding != (0, 0) and producer.shift.any()) or _overhangs(producer, node):
        return None
    grouped = node.weight.reshape(node.groups, -1, *node.weight.shape[1:])
    scale, shift = (part.reshape(node.groups, 1, -1, 1, 1) for part in (producer.scale, producer.shift))
    bias = node.bias + (grouped.astype(np.float64) * shift).sum(axis=(2, 3, 4)).reshape(-1)
    weight = (grouped * scale).reshape(node.weight.shape)
    return replace(node, inputs=producer.inputs, weight=weight, bias=bias.astype(np.float32))


def _overhangs(producer: Affine, node: Conv) -> bool:
    """Tell whether windows reach zeros after the last row or column (an even kernel with "same" padding)."""
    reach = [
        (outputs - 1) * stride + dilation * (kernel - 1) + 1
        for outputs, stride, dilation, kernel in zip(
            node.shape[2:], node.stride, node.dilation, node.weight.shape[2:], strict=True
        )
    ]
    return bool(producer.shift.any()) and any(end > size for end, size in zip(reach, producer.shape[2:], strict=True))


def _merge_reshapes(producer: Node, node: Node) -> Node | None:
    """``Reshape`` after ``Reshape``, and the removal of a mean's axes of length 1."""
    if not isinstance(node, Reshape):
        return None
    if isinstance(producer, Reshape):
        return replace(node, inputs=producer.inputs)
    if isinstance(producer, Mean) and producer.axes == (2, 3) and node.shape == producer.shape[:2]:
        return replace(producer, name=node.name, shape=node.shape)
    return None


def _merge_strides(producer: Node, node: Node) -> Node | None:
    """Rows skipped, then columns skipped: one step that skips both."""
    if not (isinstance(producer, Pool) and isinstance(node, Pool) and producer.kernel == node.kernel == (1, 1)):
        return None
    stride = (producer.stride[0] * node.stride[0], producer.stride[1] * node.stride[1])
    return replace(node, inputs=producer.inputs, stride=stride)
