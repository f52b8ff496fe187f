"""From the channels-last graph to a Keras model: one emitter per node type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from foldtiny.convert import ir
from foldtiny.convert.window import Axis, all_same, all_valid

Emitter = Callable[[Any, Any, list[Any]], Any]
"""Takes the keras module, the node and the Keras tensors that it reads; returns its Keras tensor."""


def keras_model(graph: ir.Graph, keras: Any) -> Any:
    """Return the Keras model of a channels-last graph, batch 1, with its weights set.

    Parameters
    ----------
    graph : Graph
        The result of `foldtiny.convert.layout.channels_last`.
    keras : module
        The keras module; handed in so that this file imports no TensorFlow.
    """
    # Layers without a name of their own are numbered; starting anew keeps the file's bytes reproducible.
    keras.backend.clear_session()
    values: dict[str, Any] = {}
    for node in graph.nodes:
        if isinstance(node, ir.Input):
            values[node.name] = keras.Input(batch_shape=node.shape, name="input")
        else:
            values[node.name] = _EMITTERS[type(node)](keras, node, [values[name] for name in node.inputs])
    inputs = [values[node.name] for node in graph.nodes if isinstance(node, ir.Input)]
    return keras.Model(inputs, values[graph.output], name="foldtiny")


def _with_weights(layer: Any, value: Any, weights: list[ir.Floats]) -> Any:
    result = layer(value)
    layer.set_weights(weights)
    return result


def _conv(keras: Any, node: ir.Conv, inputs: list[Any]) -> Any:
    value, weight, dilation = inputs[0], node.weight, node.dilation
    channels = value.shape[-1]
    depthwise = node.groups == channels and node.groups > 1
    if dilation != (1, 1) and (node.stride != (1, 1) or dilation[0] != dilation[1]):
        # Keras knows no such combination; zeros between the weights are the same convolution.
        weight, dilation = _spaced(weight, dilation), (1, 1)
    axes = tuple(
        Axis(
            value.shape[1 + i],
            dilation[i] * (weight.shape[2 + i] - 1) + 1,
            node.stride[i],
            node.padding[i],
            node.shape[1 + i],
        )
        for i in range(2)
    )
    # Where both fit, VALID says plainly that nothing is padded.
    padding = "same" if all_same(axes) and not all_valid(axes) else "valid"
    if padding == "valid" and not all_valid(axes):
        amounts = [(axis.before, axis.after) for axis in axes]
        value = keras.layers.ZeroPadding2D(amounts, name=f"{node.name}_pad")(value)
    options = {"strides": node.stride, "padding": padding, "dilation_rate": dilation, "name": node.name}
    kernel = tuple(weight.shape[2:])
    if depthwise and node.stride[0] == node.stride[1]:
        multiplier = weight.shape[0] // channels
        layer = keras.layers.DepthwiseConv2D(kernel, depth_multiplier=multiplier, **options)
        stacked = weight.reshape(channels, multiplier, *kernel).transpose(2, 3, 0, 1)
        return _with_weights(layer, value, [stacked, node.bias])
    layer = keras.layers.Conv2D(weight.shape[0], kernel, groups=node.groups, **options)
    return _with_weights(layer, value, [weight.transpose(2, 3, 1, 0), node.bias])


def _spaced(weight: ir.Floats, dilation: ir.Pair) -> ir.Floats:
    size = [d * (k - 1) + 1 for d, k in zip(dilation, weight.shape[2:], strict=True)]
    spaced = np.zeros((*weight.shape[:2], *size), np.float32)
    spaced[:, :, :: dilation[0], :: dilation[1]] = weight
    return spaced


def _linear(keras: Any, node: ir.Linear, inputs: list[Any]) -> Any:
    layer = keras.layers.Dense(node.weight.shape[0], name=node.name)
    return _with_weights(layer, inputs[0], [node.weight.T, node.bias])


def _affine(keras: Any, node: ir.Affine, inputs: list[Any]) -> Any:
    if len(node.shape) != 4:
        scaled = inputs[0] if (node.scale == 1).all() else keras.ops.multiply(inputs[0], node.scale)
        return scaled if not node.shift.any() else keras.ops.add(scaled, node.shift)
    # A depthwise 1x1 convolution: int8 gives each channel its own scale, which a MUL by constants does not.
    layer = keras.layers.DepthwiseConv2D(1, name=node.name)
    return _with_weights(layer, inputs[0], [node.scale.reshape(1, 1, -1, 1), node.shift])


def _pool(keras: Any, node: ir.Pool, inputs: list[Any]) -> Any:
    kind = keras.layers.MaxPooling2D if node.kind == "max" else keras.layers.AveragePooling2D
    padding = "same" if node.same else "valid"
    return kind(node.kernel, strides=node.stride, padding=padding, name=node.name)(inputs[0])


def _mean(keras: Any, node: ir.Mean, inputs: list[Any]) -> Any:
    return keras.ops.mean(inputs[0], axis=node.axes, keepdims=len(node.shape) == len(inputs[0].shape))


def _activation(keras: Any, node: ir.Activation, inputs: list[Any]) -> Any:
    if node.kind == "relu6":
        return keras.layers.ReLU(max_value=6.0, name=node.name)(inputs[0])
    kind = {"hardswish": "hard_swish"}.get(node.kind, node.kind)
    return keras.layers.Activation(kind, name=node.name)(inputs[0])


def _binary(keras: Any, node: ir.Binary, inputs: list[Any]) -> Any:
    operation = {"add": keras.ops.add, "sub": keras.ops.subtract, "mul": keras.ops.multiply}[node.kind]
    return operation(*inputs)


def _concat(keras: Any, node: ir.Concat, inputs: list[Any]) -> Any:
    return keras.ops.concatenate(inputs, axis=node.axis)


def _pad(keras: Any, node: ir.Pad, inputs: list[Any]) -> Any:
    return keras.ops.pad(inputs[0], node.amounts)


def _reshape(keras: Any, node: ir.Reshape, inputs: list[Any]) -> Any:
    return keras.layers.Reshape(node.shape[1:], name=node.name)(inputs[0])


def _constant(_keras: Any, node: ir.Constant, _inputs: list[Any]) -> Any:
    return node.value


_EMITTERS: dict[type[ir.Node], Emitter] = {
    ir.Constant: _constant,
    ir.Conv: _conv,
    ir.Linear: _linear,
    ir.Affine: _affine,
    ir.Pool: _pool,
    ir.Mean: _mean,
    ir.Activation: _activation,
    ir.Binary: _binary,
    ir.Concat: _concat,
    ir.Pad: _pad,
    ir.Reshape: _reshape,
}
