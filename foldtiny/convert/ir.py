"""The small typed graph between torch and Keras.

Every value has a static shape and is named after the node that makes it. Shapes and axes are torch's (NCHW) until
`foldtiny.convert.layout` turns them channels last.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Pair = tuple[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One operation.

    Attributes
    ----------
    name : str
        Unique; also the name of the Keras layer.
    module : str
        Path of the torch module that it comes from (for messages).
    inputs : tuple[str, ...]
        Names of the nodes that it reads.
    shape : tuple[int, ...]
        Shape of its result, batch (always 1) included.
    """

    name: str
    module: str
    inputs: tuple[str, ...]
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Input(Node):
    """The image."""


@dataclass(frozen=True, slots=True, eq=False)
class Constant(Node):
    """A constant tensor, of the rank of the value that it meets."""

    value: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Conv(Node):
    """A convolution: weight ``[O, I/groups, kh, kw]``, bias ``[O]``, zero padding before each spatial axis."""

    weight: Floats
    bias: Floats
    stride: Pair
    padding: Pair
    dilation: Pair
    groups: int


@dataclass(frozen=True, slots=True, eq=False)
class Linear(Node):
    """A matrix product: weight ``[O, I]``, bias ``[O]``."""

    weight: Floats
    bias: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Affine(Node):
    """``x * scale + shift`` per channel (axis 1); BatchNorm, and arithmetic with constants."""

    scale: Floats
    shift: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Pool(Node):
    """A pooling window. ``same``: TensorFlow's SAME padding, whose cells count neither for max nor for average."""

    kind: str
    kernel: Pair
    stride: Pair
    same: bool


@dataclass(frozen=True, slots=True, eq=False)
class Mean(Node):
    """The mean over ``axes``, which stay as 1 where the shape keeps the rank."""

    axes: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Activation(Node):
    """``relu``, ``relu6``, ``sigmoid``, ``hardswish`` or ``softmax`` (over the channels)."""

    kind: str


@dataclass(frozen=True, slots=True, eq=False)
class Binary(Node):
    """``add``, ``sub`` or ``mul`` of two values of the same rank, with broadcasting."""

    kind: str


@dataclass(frozen=True, slots=True, eq=False)
class Concat(Node):
    """Values one after the other along ``axis``."""

    axis: int


@dataclass(frozen=True, slots=True, eq=False)
class Pad(Node):
    """Zeros before and after each axis."""

    amounts: tuple[Pair, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Reshape(Node):
    """The same elements, in the same order, under another shape."""


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """Nodes, each after those that it reads, and the name of the one that is the result."""

    nodes: tuple[Node, ...]
    output: str

    def by_name(self) -> dict[str, Node]:
        """Return the nodes by name."""
        return {node.name: node for node in self.nodes}

    def consumers(self) -> dict[str, list[Node]]:
        """Return, for each node, the nodes that read it."""
        readers: dict[str, list[Node]] = {node.name: [] for node in self.nodes}
        for node in self.nodes:
            for name in node.inputs:
                readers[name].append(node)
        return readers


def pruned(nodes: Iterable[Node], output: str) -> Graph:
    """Return the graph of those nodes that ``output`` depends on (the input stays even where nothing reads it)."""
    ordered = list(nodes)
    needed = {output}
    for node in reversed(ordered):
        if node.name in needed:
            needed.update(node.inputs)
    return Graph(tuple(node for node in ordered if node.name in needed or isinstance(node, Input)), output)


def nonnegative(nodes: dict[str, Node], name: str) -> bool:
    """Tell whether a value is certainly never below zero."""
    node = nodes[name]
    if isinstance(node, Activation):
        return node.kind != "hardswish"
    if isinstance(node, Constant):
        return bool((node.value >= 0).all())
    passes = isinstance(node, Pool | Mean | Reshape | Concat | Pad) or (isinstance(node, Binary) and node.kind != "sub")
    return passes and all(nonnegative(nodes, source) for source in node.inputs)
