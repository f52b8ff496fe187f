"""What a .tflite file holds, operator by operator, without compiling it: for runtimes that take the file as it is."""

from __future__ import annotations

from dataclasses import dataclass

from foldtiny.aot import emit, ops
from foldtiny.aot.compile import LayerInfo, TensorInfo, check_interface, describe
from foldtiny.aot.graph import Graph, Operator
from foldtiny.aot.reader import read
from foldtiny.aot.site import Site
from foldtiny.errors import CompileError


@dataclass(frozen=True, slots=True)
class Network:
    """A network's interface and its operators; each is a layer of its own, in the order of the file."""

    name: str
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    model_hash: str
    operators: tuple[str, ...]
    macs: int
    layers: tuple[LayerInfo, ...]


def inspect(data: bytes, name: str = "model", kernel: str = "") -> Network:
    """Describe a .tflite file, whatever operators it uses.

    Parameters
    ----------
    data : bytes
        The file's content.
    name : str
        What to call the network in messages.
    kernel : str
        What runs the operators, for the layers' ``kernel``.

    Raises
    ------
    CompileError
        If the file is damaged, or an input or output has a type that the serial protocol does not carry.
    """
    graph = read(data, name)
    for index in (*graph.inputs, *graph.outputs):
        check_interface(graph, graph.tensors[index])
    layers = tuple(_layer(graph, operator, kernel) for operator in graph.operators)
    return Network(
        name=name,
        inputs=tuple(describe(graph.tensors[i]) for i in graph.inputs),
        outputs=tuple(describe(graph.tensors[i]) for i in graph.outputs),
        model_hash=emit.model_hash(graph),
        operators=tuple(operator.name for operator in graph.operators),
        macs=sum(layer.macs for layer in layers),
        layers=layers,
    )


def _layer(graph: Graph, operator: Operator, kernel: str) -> LayerInfo:
    site = Site(graph, operator)
    try:
        macs = ops.parse(site).macs
    except CompileError:
        macs = 0  # an operator that only the interpreter knows; nobody has counted its products
    used = [graph.tensors[i] for i in (*operator.inputs, *operator.outputs) if i >= 0]
    return LayerInfo(
        name=site.name,
        operators=(operator.name,),
        kernel=kernel,
        macs=macs,
        output_shape=graph.tensors[operator.outputs[0]].shape if operator.outputs else (),
        constant_bytes=sum(tensor.bytes for tensor in used if tensor.data is not None),
        scratch_bytes=0,
        bytes_moved=sum(tensor.bytes for tensor in used),
    )
