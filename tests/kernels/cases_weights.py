"""Generated cases of the layers with weights."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from tests.aot.tflite_builder import SAME, VALID, Builder
from tests.kernels.case import FILLS, Case, activations, fill, out_scale, samples, scales, seeds, single, zeros

Draw = Any


def _quantised_weights(
    draw: Draw, build: Builder, generator: np.random.Generator, shape: tuple[int, ...], axis: int, source: float
) -> tuple[int, np.ndarray, float]:
    """Add int8 weights, per tensor or per channel; returns (index, their scales, the output's scale)."""
    channels = shape[axis]
    per_channel = draw(st.booleans())
    base = draw(scales)
    # Channels may differ by a factor of 2^12 among themselves.
    spread = generator.uniform(-6, 6, channels) if per_channel else np.zeros(1)
    if draw(st.booleans()):
        spread = np.round(spread)
    weight_scales = np.float32(base * 2.0**spread)
    values = fill(generator, draw(st.sampled_from(FILLS)), shape)
    weights = build.tensor(shape, scale=weight_scales, axis=axis, data=values)
    exponent = draw(st.one_of(st.floats(-14.0, 2.0), st.integers(-14, 2)))
    return weights, weight_scales, out_scale(source * float(np.median(weight_scales)), exponent)


def _bias(draw: Draw, build: Builder, generator: np.random.Generator, channels: int, dtype: str) -> list[int]:
    kind = draw(st.sampled_from(("none", "small", "large")))
    if kind == "none":
        return []
    if dtype == "float32":
        return [build.constant(generator.uniform(-3, 3, channels), "float32")]
    reach = 2000 if kind == "small" else 1 << 24
    return [build.constant(generator.integers(-reach, reach, channels), "int32")]


def _along(size: int, kernel: int, stride: int, dilation: int, padding: int) -> int:
    reach = (kernel - 1) * dilation + 1
    return -(-size // stride) if padding == SAME else (size - reach) // stride + 1


@st.composite
def _window(draw: Draw) -> dict[str, int]:
    """Draw a window that fits into its image."""
    padding = draw(st.sampled_from((SAME, VALID)))
    found = {"padding": padding}
    for side in ("h", "w"):
        kernel = draw(st.integers(1, 5))
        dilation = draw(st.sampled_from((1, 1, 1, 2, 3)))
        reach = (kernel - 1) * dilation + 1
        size = draw(st.integers(1, 9)) if padding == SAME else draw(st.integers(reach, reach + 7))
        stride = draw(st.sampled_from((1, 1, 2, 3)))
        found |= {f"k_{side}": kernel, f"d_{side}": dilation, f"in_{side}": size, f"s_{side}": stride}
        found[f"out_{side}"] = _along(size, kernel, stride, dilation, padding)
    return found


@st.composite
def conv_2d(draw: Draw, dtype: str = "int8") -> Case:
    """CONV_2D, with groups."""
    generator = np.random.default_rng(draw(seeds))
    build, window = Builder(), draw(_window())
    groups = draw(st.sampled_from((1, 1, 1, 2, 3)))
    group_in, group_out = draw(st.integers(1, 6)), draw(st.integers(1, 9))
    in_c, out_c = groups * group_in, groups * group_out
    batches = draw(st.sampled_from((1, 1, 1, 2)))
    shape = (batches, window["in_h"], window["in_w"], in_c)
    filters = (out_c, window["k_h"], window["k_w"], group_in)
    if dtype == "int8":
        scale = draw(scales)
        source = build.tensor(shape, scale=scale, zero=draw(zeros))
        weights, _, result = _quantised_weights(draw, build, generator, filters, 0, scale)
    else:
        source = build.tensor(shape, dtype)
        weights, result = build.constant(generator.uniform(-1, 1, filters), dtype), None
    bias = _bias(draw, build, generator, out_c, dtype)
    output = build.tensor(
        (batches, window["out_h"], window["out_w"], out_c), dtype, scale=result, zero=draw(zeros) if result else 0
    )
    activation = draw(activations)
    build.operator(
        "CONV_2D",
        [source, weights, *bias],
        [output],
        padding=window["padding"],
        strideH=window["s_h"],
        strideW=window["s_w"],
        dilationHFactor=window["d_h"],
        dilationWFactor=window["d_w"],
        fusedActivationFunction=activation,
    )
    label = f"conv_2d {dtype} {window} groups {groups} {in_c}->{out_c} activation {activation}"
    return single(label, build, [source], [output], samples(generator, [shape], dtype))


@st.composite
def depthwise_conv_2d(draw: Draw, dtype: str = "int8") -> Case:
    """DEPTHWISE_CONV_2D, with channel multipliers."""
    generator = np.random.default_rng(draw(seeds))
    build, window = Builder(), draw(_window())
    in_c, multiplier = draw(st.integers(1, 9)), draw(st.sampled_from((1, 1, 1, 2, 3)))
    out_c = in_c * multiplier
    shape = (1, window["in_h"], window["in_w"], in_c)
    filters = (1, window["k_h"], window["k_w"], out_c)
    if dtype == "int8":
        scale = draw(scales)
        source = build.tensor(shape, scale=scale, zero=draw(zeros))
        weights, _, result = _quantised_weights(draw, build, generator, filters, 3, scale)
    else:
        source = build.tensor(shape, dtype)
        weights, result = build.constant(generator.uniform(-1, 1, filters), dtype), None
    bias = _bias(draw, build, generator, out_c, dtype)
    output = build.tensor(
        (1, window["out_h"], window["out_w"], out_c), dtype, scale=result, zero=draw(zeros) if result else 0
    )
    activation = draw(activations)
    build.operator(
        "DEPTHWISE_CONV_2D",
        [source, weights, *bias],
        [output],
        padding=window["padding"],
        strideH=window["s_h"],
        strideW=window["s_w"],
        dilationHFactor=window["d_h"],
        dilationWFactor=window["d_w"],
        depthMultiplier=multiplier,
        fusedActivationFunction=activation,
    )
    label = f"depthwise {dtype} {window} {in_c}x{multiplier} activation {activation}"
    return single(label, build, [source], [output], samples(generator, [shape], dtype))


@st.composite
def fully_connected(draw: Draw, dtype: str = "int8") -> Case:
    """FULLY_CONNECTED with inputs of any rank."""
    generator = np.random.default_rng(draw(seeds))
    build = Builder()
    depth, outputs, rows = draw(st.integers(1, 70)), draw(st.integers(1, 13)), draw(st.integers(1, 3))
    keep = draw(st.booleans())
    shape: tuple[int, ...] = (rows, depth) if not keep else (1, rows, depth)
    if dtype == "int8" and draw(st.sampled_from((True, False, False))):
        # The product of these scales is a little more than 1 + 2^-11, and just that in single precision: halves of the
        # output show in which of the two it was computed.
        scale, result = 1.0 + 2.0**-12, (1.0 + 2.0**-11) * 2.0 ** draw(st.integers(1, 9))
        source = build.tensor(shape, scale=scale, zero=draw(zeros))
        values = fill(generator, "random", (outputs, depth)) // 16
        weights = build.tensor((outputs, depth), scale=scale, data=values)
    elif dtype == "int8":
        scale = draw(scales)
        source = build.tensor(shape, scale=scale, zero=draw(zeros))
        weights, _, result = _quantised_weights(draw, build, generator, (outputs, depth), 0, scale)
    else:
        source = build.tensor(shape, dtype)
        weights, result = build.constant(generator.uniform(-1, 1, (outputs, depth)), dtype), None
    # TFLite Micro compares the bias's scale with the product of the others: give it that.
    bias = _bias(draw, build, generator, outputs, dtype)
    output = build.tensor((*shape[:-1], outputs), dtype, scale=result, zero=draw(zeros) if result else 0)
    activation = draw(activations)
    if bias and dtype == "int8":
        _scale_bias(build, bias[0], source, weights)
    build.operator(
        "FULLY_CONNECTED",
        [source, weights, *bias],
        [output],
        fusedActivationFunction=activation,
        keepNumDims=keep,
    )
    label = f"fully_connected {dtype} {shape} -> {outputs} activation {activation}"
    return single(label, build, [source], [output], samples(generator, [shape], dtype))


def _scale_bias(build: Builder, bias: int, source: int, weights: int) -> None:
    tensors = build.graph.tensors
    factors = [tensors[source].quantization.scale[0] * s for s in tensors[weights].quantization.scale]
    replacement = build.tensor((1,), "int32", scale=factors, axis=0)
    tensors[bias].quantization = tensors[replacement].quantization
    tensors.pop()


@st.composite
def transpose_conv(draw: Draw) -> Case:
    """TRANSPOSE_CONV."""
    generator = np.random.default_rng(draw(seeds))
    build = Builder()
    padding = draw(st.sampled_from((SAME, VALID)))
    kernel, stride = [draw(st.integers(1, 4)) for _ in range(2)], [draw(st.integers(1, 3)) for _ in range(2)]
    size = [draw(st.integers(1, 6)) for _ in range(2)]
    out = [(s - 1) * t + k if padding == VALID else s * t for s, t, k in zip(size, stride, kernel, strict=True)]
    in_c, out_c = draw(st.integers(1, 5)), draw(st.integers(1, 6))
    shape = (1, *size, in_c)
    scale = draw(scales)
    source = build.tensor(shape, scale=scale, zero=draw(zeros))
    weights, _, result = _quantised_weights(draw, build, generator, (out_c, *kernel, in_c), 0, scale)
    where = build.constant(np.array([1, *out, out_c]))
    bias = _bias(draw, build, generator, out_c, "int8")
    output = build.tensor((1, *out, out_c), scale=result, zero=draw(zeros))
    build.operator(
        "TRANSPOSE_CONV",
        [where, weights, source, *bias],
        [output],
        padding=padding,
        strideH=stride[0],
        strideW=stride[1],
    )
    label = f"transpose_conv {shape} kernel {kernel} stride {stride} padding {padding} to {out} x {out_c}"
    return single(label, build, [source], [output], samples(generator, [shape], "int8"))


@st.composite
def svdf(draw: Draw) -> Case:
    """SVDF with an int8 or int16 state, run often enough to fill its memory."""
    generator = np.random.default_rng(draw(seeds))
    build = Builder()
    batches, inputs, memory = draw(st.integers(1, 2)), draw(st.integers(1, 12)), draw(st.integers(1, 6))
    rank = draw(st.integers(1, 2))
    units = draw(st.integers(1, 5))
    filters = units * rank
    kind = draw(st.sampled_from(("int8", "int16")))
    scale, feature_scale, time_scale = draw(scales), draw(scales), draw(scales)
    state_scale = float(np.float32(scale * feature_scale / 2.0 ** draw(st.floats(-10, -1))))
    out = float(np.float32(state_scale * time_scale / 2.0 ** draw(st.floats(-14, -1))))
    limits = np.iinfo(kind)
    source = build.tensor((batches, inputs), scale=scale, zero=draw(zeros))
    features = build.tensor(
        (filters, inputs), scale=feature_scale, data=fill(generator, draw(st.sampled_from(FILLS)), (filters, inputs))
    )
    times = build.tensor(
        (filters, memory),
        kind,
        scale=time_scale,
        data=generator.integers(limits.min, limits.max, (filters, memory), dtype=kind, endpoint=True),
    )
    bias = build.constant(generator.integers(-2000, 2000, units), "int32", scale=state_scale * time_scale)
    state = build.tensor((batches, filters * memory), kind, scale=state_scale, variable=True)
    output = build.tensor((batches, units), scale=out, zero=draw(zeros))
    build.operator("SVDF", [source, features, times, bias, state], [output], rank=rank, fusedActivationFunction=1)
    values = [samples(generator, [(batches, inputs)], "int8")[i % 2] for i in range(8)]
    label = f"svdf {kind} {batches} x {inputs} -> {filters} filters, memory {memory}, rank {rank}"
    return single(label, build, [source], [output], values)
