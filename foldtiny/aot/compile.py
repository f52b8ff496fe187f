"""The compiler: .tflite bytes in, C files and the memory plan out."""

from __future__ import annotations

from dataclasses import dataclass

from foldtiny.aot import emit, ops, targets
from foldtiny.aot import fuse as fusion
from foldtiny.aot.graph import Graph, Tensor
from foldtiny.aot.layer import Kernel, Layer
from foldtiny.aot.plan import MemoryPlan, plan
from foldtiny.aot.reader import read
from foldtiny.aot.shapes import settle
from foldtiny.aot.site import Site
from foldtiny.errors import CompileError


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """An input or output as the application sees it; ``scale`` is 0 for real numbers."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    scale: float
    zero_point: int
    bytes: int


@dataclass(frozen=True, slots=True)
class LayerInfo:
    """One step of ``model_invoke``, in the order of ``model_profile_layer``'s numbers.

    ``bytes_moved`` counts its inputs, its outputs and its constants once each: what it cannot do without.
    """

    name: str
    operators: tuple[str, ...]
    kernel: str
    macs: int
    output_shape: tuple[int, ...]
    constant_bytes: int
    scratch_bytes: int
    bytes_moved: int


@dataclass(frozen=True, slots=True)
class CompiledModel:
    """C sources by file name, and what the rest of foldtiny needs to know about them."""

    files: dict[str, str]
    plan: MemoryPlan
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    model_hash: str
    operators: tuple[str, ...]
    macs: int
    layers: tuple[LayerInfo, ...]


def compile_tflite(
    data: bytes,
    *,
    target: str = "portable",
    optimize: str = "speed",
    profile: bool = False,
    fuse: bool = True,
    name: str = "model",
    prefix: str = "model",
) -> CompiledModel:
    """Compile a .tflite network to C.

    Parameters
    ----------
    data : bytes
        An int8 (per-tensor or per-channel) or float32 TFLite network.
    target : str
        The processor whose kernels to use: portable, cortex-m4, xtensa or aarch64.
    optimize : str
        ``speed`` or ``size``.
    profile : bool
        Have ``model_invoke`` announce each layer to ``model_profile_layer``.
    fuse : bool
        Join neighbouring layers, and let outputs take the memory of inputs that are read. Without it, every operator
        of the file is a layer of its own and every tensor is stored whole: for comparison, and to read.
    name : str
        What to call the network in messages and comments.
    prefix : str
        What every symbol starts with, so that several networks can share a program.

    Raises
    ------
    CompileError
        If the file is damaged or uses something that is not supported.
    UsageError
        If the target or ``optimize`` is unknown.
    """
    targets.check(target, optimize)
    graph = settle(read(data, name))
    fused = fusion.fuse(graph, [ops.parse(Site(graph, operator)) for operator in graph.operators], join=fuse)
    for index in (*graph.inputs, *graph.outputs):
        check_interface(graph, graph.tensors[index])
    kernels = targets.choose_all(fused.layers, target, optimize)
    memory = plan(graph, fused.layers, kernels, fused.alias, share=fuse)
    job = emit.Job(graph, fused.layers, kernels, fused.alias, memory, target, optimize, profile, prefix)
    return CompiledModel(
        files=emit.files(job),
        plan=memory,
        inputs=tuple(describe(graph.tensors[i]) for i in graph.inputs),
        outputs=tuple(describe(graph.tensors[i]) for i in graph.outputs),
        model_hash=emit.model_hash(graph),
        operators=tuple(operator.name for operator in graph.operators),
        macs=sum(layer.macs for layer in fused.layers),
        layers=tuple(_layer(graph, *pair) for pair in zip(fused.layers, kernels, strict=True)),
    )


def _layer(graph: Graph, layer: Layer, kernel: Kernel) -> LayerInfo:
    constants = sum(c.bytes for c in kernel.constants.values())
    return LayerInfo(
        name=layer.name,
        operators=layer.operators,
        kernel=kernel.title,
        macs=layer.macs,
        output_shape=graph.tensors[layer.outputs[0]].shape,
        constant_bytes=constants,
        scratch_bytes=kernel.scratch_bytes,
        bytes_moved=constants + sum(graph.tensors[t].bytes for t in (*layer.inputs, *layer.outputs)),
    )


def check_interface(graph: Graph, tensor: Tensor) -> None:
    """Refuse an input or output whose type the serial protocol does not carry."""
    if tensor.dtype not in emit.TYPE_CODES:
        raise CompileError(
            f"{graph.name}: input or output '{tensor.name}' has type {tensor.dtype} "
            f"(allowed: {', '.join(emit.TYPE_CODES)})",
            "export the model again as full-integer int8 or float32",
        )


def describe(tensor: Tensor) -> TensorInfo:
    """Return an input or output as the application sees it."""
    return TensorInfo(tensor.name, tensor.dtype, tensor.shape, tensor.scale, tensor.zero_point, tensor.bytes)
