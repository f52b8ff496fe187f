"""Joins neighbouring layers where the result stays the same to the last bit.

- RESHAPE: the output becomes another name for the input's memory.
- PAD before a VALID convolution: the convolution supplies the padding.
- RELU, RELU6 after a convolution, fully connected layer or ADD of the same scale: a narrower clamp.
- MAX_POOL_2D after a convolution: the maximum is taken before rescaling and the unpooled map is never stored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from foldtiny.aot.graph import Graph
from foldtiny.aot.layer import Layer
from foldtiny.aot.ops._elementwise import Elementwise
from foldtiny.aot.ops.conv_2d import NO_POOL, Conv2D
from foldtiny.aot.ops.depthwise_conv_2d import DepthwiseConv2D
from foldtiny.aot.ops.fully_connected import FullyConnected
from foldtiny.aot.ops.max_pool_2d import MaxPool2D
from foldtiny.aot.ops.pad import Pad
from foldtiny.aot.ops.relu import Relu
from foldtiny.aot.ops.reshape import Alias


@dataclass(frozen=True, slots=True)
class Fused:
    """The layers that remain, and for each tensor that is another name for memory, whose memory it is."""

    layers: tuple[Layer, ...]
    alias: dict[int, int]


def fuse(graph: Graph, layers: Sequence[Layer], *, join: bool = True) -> Fused:
    """Join layers until nothing more can be joined; without ``join``, only give second names to memory."""
    alias = _aliases(layers)
    current = tuple(
        replace(layer, inputs=tuple(alias.get(i, i) for i in layer.inputs))
        for layer in layers
        if not isinstance(layer, Alias)
    )
    if not join:
        return Fused(current, alias)
    # A tensor that the caller can see keeps its own memory: nothing is fused across it.
    visible = {alias.get(i, i) for i in graph.outputs}
    # Each rule runs over the whole network once; the order lets conv + relu + pool become one layer.
    for rule in (_pad_into_convolution, _relu_into_layer, _pool_into_convolution):
        current = _join(current, visible, rule)
    return Fused(current, alias)


def _aliases(layers: Sequence[Layer]) -> dict[int, int]:
    alias: dict[int, int] = {}
    for layer in layers:
        if isinstance(layer, Alias):
            source = layer.inputs[0]
            alias[layer.outputs[0]] = alias.get(source, source)
    return alias


def _join(
    layers: tuple[Layer, ...], visible: set[int], rule: Callable[[Layer, Layer], Layer | None]
) -> tuple[Layer, ...]:
    """Apply a rule to every producer whose only reader is the consumer."""
    readers: dict[int, int] = {}
    for layer in layers:
        for tensor in layer.inputs:
            readers[tensor] = readers.get(tensor, 0) + 1
    done: list[Layer] = []
    for consumer in layers:
        producer = next((p for p in done if len(p.outputs) == 1 and p.outputs[0] in consumer.inputs), None)
        joined = None
        if producer is not None and len(consumer.inputs) == 1:
            middle = producer.outputs[0]
            if readers[middle] == 1 and middle not in visible:
                joined = rule(producer, consumer)
        if joined is None or producer is None:
            done.append(consumer)
        else:
            # The joint layer runs where the consumer did: all that it reads is known by then.
            done.remove(producer)
            done.append(
                replace(
                    joined,
                    operators=producer.operators + consumer.operators,
                    inputs=producer.inputs,
                    outputs=consumer.outputs,
                )
            )
    return tuple(done)


def _pad_into_convolution(pad: Layer, layer: Layer) -> Layer | None:
    if not isinstance(pad, Pad) or not isinstance(layer, Conv2D | DepthwiseConv2D):
        return None
    if len(pad.before) != 4 or pad.before[0] or pad.before[3] or pad.after[0] or pad.after[3]:
        return None
    # What the convolution puts outside its image is the real number 0, stored as the input's zero point.
    if pad.value != (layer.in_zero if layer.dtype == "int8" else 0):
        return None
    window = replace(
        layer.window,
        pad_top=layer.window.pad_top + pad.before[1],
        pad_left=layer.window.pad_left + pad.before[2],
        padding=f"{layer.window.padding} after padding {pad.before[1]}+{pad.after[1]} rows, "
        f"{pad.before[2]}+{pad.after[2]} columns",
    )
    return replace(layer, window=window, in_h=pad.shape[1], in_w=pad.shape[2])


def _relu_into_layer(layer: Layer, relu: Layer) -> Layer | None:
    if not isinstance(relu, Relu) or relu.clamp is None:
        return None
    if isinstance(layer, Conv2D | DepthwiseConv2D | FullyConnected | Elementwise) and layer.dtype == relu.dtype:
        return replace(layer, clamp=_clamp_twice(layer.clamp, relu.clamp))
    return None


def _clamp_twice(first: tuple[float, float], second: tuple[float, float]) -> tuple[float, float]:
    """Return the one clamp that equals two in a row."""
    low, high = (min(max(end, second[0]), second[1]) for end in first)
    return low, high


def _pool_into_convolution(layer: Layer, pool: Layer) -> Layer | None:
    if not isinstance(layer, Conv2D) or not isinstance(pool, MaxPool2D) or layer.pool is not NO_POOL:
        return None
    area = pool.window
    # Overlapping windows would compute the convolution's outputs more than once.
    if area.stride_h < area.k_h or area.stride_w < area.k_w or not layer.monotonic():
        return None
    clamp = _clamp_twice(layer.clamp, pool.clamp)
    return replace(layer, clamp=clamp, pool=area, pooled_h=pool.out_h, pooled_w=pool.out_w)
