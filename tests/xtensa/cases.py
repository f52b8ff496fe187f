"""Layers as networks have them, so that specialised kernels take them: many channels, factors well below 1."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from tests.aot.tflite_builder import SAME, VALID, Builder
from tests.kernels.case import Case, activations, out_scale, samples, seeds, single, zeros

Draw = Any
IN_SCALE = 0.05


def _weights(draw: Draw, build: Builder, random: np.random.Generator, shape: tuple[int, ...], axis: int) -> Any:
    """Draw per-channel weights and a bias; returns both tensors and the output's scale."""
    channels = shape[axis]
    how = draw(st.sampled_from(("normal", "normal", "ends", "random", "edge")))
    if how == "normal":
        values = np.clip(np.round(random.normal(0, 38, shape)), -127, 127)
    elif how == "ends":
        values = random.choice([-127, 127], shape)
    elif how == "random":
        values = random.integers(-128, 128, shape)
    else:
        # Four or six of them together just fit 16 bits, or just do not: for each channel, all positive or of any sign.
        along = [channels if i == axis else 1 for i in range(len(shape))]
        sizes = random.choice([42, 63, 85, 127], along) + random.integers(0, 2, shape)
        signs = np.where(
            random.integers(0, 2, along) == 0, random.choice([-1, 1], shape), random.choice([-1, 1], along)
        )
        values = np.clip(sizes * signs, -128, 127)
    # Whole powers of two make multipliers of exactly 2^30, with which halves occur that must round the right way.
    whole = draw(st.booleans())
    exponents = random.integers(-3, 1, channels) if whole else random.uniform(-3, 0, channels)
    scales = [float(np.float32(2.0**e)) for e in exponents]
    weights = build.tensor(shape, scale=scales, zero=[0] * channels, axis=axis, data=values.astype(np.int8))
    bias = build.tensor(
        (channels,),
        "int32",
        scale=[s * IN_SCALE for s in scales],
        zero=[0] * channels,
        data=random.integers(-4000, 4000, channels).astype(np.int32),
    )
    strength = draw(st.integers(-11, -2)) if whole else draw(st.floats(-11.0, -2.0))
    return weights, bias, out_scale(IN_SCALE, strength)


def _pooled(draw: Draw, build: Builder, source: int, shape: tuple[int, ...], quantised: dict[str, Any]) -> int:
    """Add a max pooling that the convolution takes in."""
    k_h, k_w = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    padding = draw(st.sampled_from((SAME, VALID)))
    n, h, w, c = shape
    if h < k_h or w < k_w:
        padding = SAME
    size = (-(-h // k_h), -(-w // k_w)) if padding == SAME else (h // k_h, w // k_w)
    output = build.tensor((n, *size, c), **quantised)
    build.operator(
        "MAX_POOL_2D", [source], [output], padding=padding, strideH=k_h, strideW=k_w, filterHeight=k_h, filterWidth=k_w
    )
    return output


@st.composite
def convolution(draw: Draw, kernels: tuple[int, ...] = (1, 2, 3, 5), plain: bool = False) -> Case:
    """CONV_2D without groups, perhaps with MAX_POOL_2D; ``plain`` leaves strides and dilations at 1."""
    random = np.random.default_rng(draw(seeds))
    build = Builder()
    k_h = draw(st.sampled_from(kernels))
    k_w = k_h if plain else draw(st.sampled_from(kernels))
    stride = 1 if plain else draw(st.sampled_from((1, 1, 2, 3)))
    dilation = 1 if plain else draw(st.sampled_from((1, 1, 1, 2)))
    padding = draw(st.sampled_from((SAME, VALID)))
    size = [draw(st.integers((k - 1) * dilation + 1, (k - 1) * dilation + 9)) for k in (k_h, k_w)]
    in_c, out_c = draw(st.integers(1, 17)), draw(st.integers(1, 18))
    batches = draw(st.sampled_from((1, 1, 2)))
    quantised = {"scale": IN_SCALE, "zero": draw(zeros)}
    source = build.tensor((batches, *size, in_c), **quantised)
    weights, bias, scale = _weights(draw, build, random, (out_c, k_h, k_w, in_c), 0)
    out = [
        -(-n // stride) if padding == SAME else (n - (k - 1) * dilation - 1) // stride + 1
        for n, k in zip(size, (k_h, k_w), strict=True)
    ]
    result = {"scale": scale, "zero": draw(zeros)}
    output = build.tensor((batches, *out, out_c), **result)
    build.operator(
        "CONV_2D",
        [source, weights, bias],
        [output],
        padding=padding,
        strideH=stride,
        strideW=stride,
        dilationHFactor=dilation,
        dilationWFactor=dilation,
        fusedActivationFunction=draw(activations),
    )
    if draw(st.booleans()):
        output = _pooled(draw, build, output, (batches, *out, out_c), result)
    label = f"convolution {k_h}x{k_w} of {size}, {in_c}->{out_c}, stride {stride}, dilation {dilation}"
    return single(label, build, [source], [output], samples(random, [(batches, *size, in_c)], "int8"))


@st.composite
def depthwise(draw: Draw) -> Case:
    """DEPTHWISE_CONV_2D, 3x3, one output for each channel."""
    random = np.random.default_rng(draw(seeds))
    build = Builder()
    padding = draw(st.sampled_from((SAME, VALID)))
    stride = draw(st.sampled_from((1, 1, 2, 3, 4)))
    size = [draw(st.integers(1 if padding == SAME else 3, 10)) for _ in range(2)]
    channels, batches = draw(st.integers(1, 37)), draw(st.sampled_from((1, 1, 2)))
    source = build.tensor((batches, *size, channels), scale=IN_SCALE, zero=draw(zeros))
    weights, bias, scale = _weights(draw, build, random, (1, 3, 3, channels), 3)
    out = [-(-n // stride) if padding == SAME else (n - 3) // stride + 1 for n in size]
    output = build.tensor((batches, *out, channels), scale=scale, zero=draw(zeros))
    build.operator(
        "DEPTHWISE_CONV_2D",
        [source, weights, bias],
        [output],
        padding=padding,
        strideH=stride,
        strideW=stride,
        dilationHFactor=1,
        dilationWFactor=1,
        depthMultiplier=1,
        fusedActivationFunction=draw(activations),
    )
    label = f"depthwise 3x3 of {size}, {channels} channels, stride {stride}"
    return single(label, build, [source], [output], samples(random, [(batches, *size, channels)], "int8"))
