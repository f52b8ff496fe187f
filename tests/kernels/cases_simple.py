"""Generated cases of the operators without weights."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from tests.aot.tflite_builder import SAME, VALID, Builder
from tests.kernels.case import Case, activations, out_scale, samples, scales, seeds, single, zeros

Draw = Any


def _shape(draw: Draw, low: int = 1, high: int = 4, largest: int = 7) -> tuple[int, ...]:
    return tuple(draw(st.lists(st.integers(1, largest), min_size=low, max_size=high)))


def _quantised(draw: Draw, dtype: str) -> dict[str, Any]:
    return {"scale": draw(scales), "zero": draw(zeros)} if dtype == "int8" else {}


@st.composite
def pool(draw: Draw, kind: str, dtype: str = "int8") -> Case:
    """MAX_POOL_2D or AVERAGE_POOL_2D."""
    generator = np.random.default_rng(draw(seeds))
    build = Builder()
    padding = draw(st.sampled_from((SAME, VALID)))
    sizes, kernels, strides, outs = [], [], [], []
    for _ in range(2):
        kernel, stride = draw(st.integers(1, 5)), draw(st.integers(1, 4))
        size = draw(st.integers(1, 9)) if padding == SAME else draw(st.integers(kernel, kernel + 6))
        sizes.append(size)
        kernels.append(kernel)
        strides.append(stride)
        outs.append(-(-size // stride) if padding == SAME else (size - kernel) // stride + 1)
    channels, batches = draw(st.integers(1, 9)), draw(st.integers(1, 2))
    shape = (batches, *sizes, channels)
    same = _quantised(draw, dtype)
    source = build.tensor(shape, dtype, **same)
    output = build.tensor((batches, *outs, channels), dtype, **same)
    activation = draw(activations)
    build.operator(
        f"{kind}_POOL_2D",
        [source],
        [output],
        padding=padding,
        strideH=strides[0],
        strideW=strides[1],
        filterHeight=kernels[0],
        filterWidth=kernels[1],
        fusedActivationFunction=activation,
    )
    label = f"{kind} pool {dtype} {shape} {kernels} stride {strides} padding {padding} activation {activation}"
    return single(label, build, [source], [output], samples(generator, [shape], dtype))


@st.composite
def mean(draw: Draw, dtype: str = "int8") -> Case:
    """MEAN over any axes."""
    generator = np.random.default_rng(draw(seeds))
    build = Builder()
    shape = _shape(draw, 1, 4)
    rank = len(shape)
    axes = sorted(draw(st.sets(st.integers(0, rank - 1), min_size=1)))
    keep = draw(st.booleans())
    reduced = tuple(1 if a in axes else s for a, s in enumerate(shape) if keep or a not in axes)
    given = [a - rank if draw(st.booleans()) else a for a in axes]
    source = build.tensor(shape, dtype, **_quantised(draw, dtype))
    listed = build.constant(given)
    output = build.tensor(reduced, dtype, **_quantised(draw, dtype))
    build.operator("MEAN", [source, listed], [output], keepDims=keep)
    label = f"mean {dtype} {shape} over {given} keep {keep}"
    return single(label, build, [source], [output], samples(generator, [shape], dtype))


@st.composite
def elementwise(draw: Draw, kind: str, dtype: str = "int8") -> Case:
    """ADD, SUB or MUL with broadcasting; the second operand may be a constant."""
    generator = np.random.default_rng(draw(seeds))
    build = Builder()
    full = _shape(draw, 1, 4)
    style = draw(st.sampled_from(("same", "same", "first", "second", "both")))
    shapes = []
    for operand in ("first", "second"):
        thin = style in (operand, "both")
        shapes.append(tuple(1 if thin and draw(st.booleans()) else size for size in full))
    result = tuple(np.broadcast_shapes(*shapes))
    quantisation = [_quantised(draw, dtype) for _ in range(3)]
    if dtype == "int8" and kind != "MUL":
        # The scales' ratios have to be below one in TFLite's arithmetic.
        top = max(q["scale"] for q in quantisation[:2])
        exponent = draw(st.one_of(st.floats(-6, 6), st.integers(-6, 6)))
        quantisation[2]["scale"] = float(np.float32(top * 2.0**exponent))
    if dtype == "int8" and kind == "MUL":
        product = quantisation[0]["scale"] * quantisation[1]["scale"]
        quantisation[2]["scale"] = out_scale(product, draw(st.one_of(st.floats(-12, 1), st.integers(-12, 1))))
    first = build.tensor(shapes[0], dtype, **quantisation[0])
    values = samples(generator, shapes, dtype)
    inputs = [first]
    constant = draw(st.sampled_from((False, False, True)))
    if constant:
        second = build.constant(values[0][1], dtype, **quantisation[1])
        values = [sample[:1] for sample in values]
    else:
        second = build.tensor(shapes[1], dtype, **quantisation[1])
        inputs.append(second)
    output = build.tensor(result, dtype, **quantisation[2])
    activation = draw(activations)
    build.operator(kind, [first, second], [output], fusedActivationFunction=activation)
    label = f"{kind} {dtype} {shapes} constant {constant} activation {activation} {quantisation}"
    return single(label, build, inputs, [output], values)


@st.composite
def softmax(draw: Draw, dtype: str = "int8") -> Case:
    """SOFTMAX with beta."""
    generator = np.random.default_rng(draw(seeds))
    build = Builder()
    shape = (*_shape(draw, 0, 2, 3), draw(st.integers(1, 30)))
    source = build.tensor(shape, dtype, **_quantised(draw, dtype))
    fixed = {"scale": 1 / 256, "zero": -128} if dtype == "int8" else {}
    output = build.tensor(shape, dtype, **fixed)
    beta = draw(st.sampled_from((1.0, 1.0, 0.5, 2.0, 0.1)))
    build.operator("SOFTMAX", [source], [output], beta=beta)
    label = f"softmax {dtype} {shape} beta {beta} scale {build.graph.tensors[source].quantization}"
    return single(label, build, [source], [output], samples(generator, [shape], dtype))


@st.composite
def unary(draw: Draw, kind: str, dtype: str = "int8") -> Case:
    """RELU, RELU6, LOGISTIC, HARD_SWISH, and QUANTIZE from int8 to int8."""
    generator = np.random.default_rng(draw(seeds))
    build = Builder()
    shape = (*_shape(draw, 0, 2), 256) if dtype == "int8" else _shape(draw)
    source = build.tensor(shape, dtype, **_quantised(draw, dtype))
    after = _quantised(draw, dtype)
    if kind == "LOGISTIC":
        after = {"scale": 1 / 256, "zero": -128}
    output = build.tensor(shape, dtype, **after)
    build.operator(kind, [source], [output])
    values = samples(generator, [shape], dtype)
    if dtype == "int8":
        # Every value that there is.
        values[0][0] = np.broadcast_to(np.arange(-128, 128, dtype=np.int8), shape).copy()
    elif kind == "LOGISTIC":
        # Far enough for the short cuts at both ends.
        values[0][0] *= np.float32(12)
    label = f"{kind} {dtype} {shape} {build.graph.tensors[source].quantization and 'quantised'}"
    return single(label, build, [source], [output], values)


@st.composite
def pad(draw: Draw, kind: str, dtype: str = "int8") -> Case:
    """PAD or PADV2."""
    generator = np.random.default_rng(draw(seeds))
    build = Builder()
    shape = _shape(draw, 1, 4, 5)
    borders = [[draw(st.integers(0, 2)), draw(st.integers(0, 3))] for _ in shape]
    same = _quantised(draw, dtype)
    source = build.tensor(shape, dtype, **same)
    widths = build.constant(np.array(borders))
    inputs = [source, widths]
    if kind == "PADV2":
        value = generator.integers(-128, 127) if dtype == "int8" else generator.uniform(-1, 1)
        inputs.append(build.constant(np.array([value]), dtype, **same))
    output = build.tensor(tuple(s + b + a for s, (b, a) in zip(shape, borders, strict=True)), dtype, **same)
    build.operator(kind, inputs, [output])
    label = f"{kind} {dtype} {shape} {borders}"
    return single(label, build, [source], [output], samples(generator, [shape], dtype))


@st.composite
def concatenation(draw: Draw, dtype: str = "int8") -> Case:
    """CONCATENATION of two to four tensors."""
    generator = np.random.default_rng(draw(seeds))
    build = Builder()
    shape = _shape(draw, 1, 4, 5)
    axis = draw(st.integers(0, len(shape) - 1))
    parts = [draw(st.integers(1, 4)) for _ in range(draw(st.integers(2, 4)))]
    same = _quantised(draw, dtype)
    shapes = [(*shape[:axis], part, *shape[axis + 1 :]) for part in parts]
    sources = [build.tensor(s, dtype, **same) for s in shapes]
    output = build.tensor((*shape[:axis], sum(parts), *shape[axis + 1 :]), dtype, **same)
    given = axis - len(shape) if draw(st.booleans()) else axis
    build.operator("CONCATENATION", sources, [output], axis=given)
    label = f"concatenation {dtype} {shapes} axis {given}"
    return single(label, build, sources, [output], samples(generator, shapes, dtype))


@st.composite
def split(draw: Draw, dtype: str = "int8") -> Case:
    """SPLIT into equal parts."""
    generator = np.random.default_rng(draw(seeds))
    build = Builder()
    shape = _shape(draw, 1, 4, 4)
    axis, parts = draw(st.integers(0, len(shape) - 1)), draw(st.integers(1, 3))
    same = _quantised(draw, dtype)
    full = (*shape[:axis], shape[axis] * parts, *shape[axis + 1 :])
    where = build.constant(axis)
    source = build.tensor(full, dtype, **same)
    outputs = [build.tensor(shape, dtype, **same) for _ in range(parts)]
    build.operator("SPLIT", [where, source], outputs, numSplits=parts)
    label = f"split {dtype} {full} axis {axis} into {parts}"
    return single(label, build, [source], outputs, samples(generator, [full], dtype))


@st.composite
def transpose(draw: Draw, dtype: str = "int8") -> Case:
    """TRANSPOSE."""
    generator = np.random.default_rng(draw(seeds))
    build = Builder()
    shape = _shape(draw, 1, 4, 6)
    order = draw(st.permutations(range(len(shape))))
    same = _quantised(draw, dtype)
    source = build.tensor(shape, dtype, **same)
    axes = build.constant(np.array(order))
    output = build.tensor(tuple(shape[a] for a in order), dtype, **same)
    build.operator("TRANSPOSE", [source, axes], [output])
    label = f"transpose {dtype} {shape} {order}"
    return single(label, build, [source], [output], samples(generator, [shape], dtype))


@st.composite
def strided_slice(draw: Draw, dtype: str = "int8") -> Case:
    """STRIDED_SLICE with positive and negative strides, masks and bounds from the end."""
    generator = np.random.default_rng(draw(seeds))
    build = Builder()
    shape = _shape(draw, 1, 4, 6)
    begins, ends, strides, kept = [], [], [], []
    for size in shape:
        first, second = sorted((draw(st.integers(0, size - 1)), draw(st.integers(0, size - 1))))
        stride = draw(st.sampled_from((1, 1, 2, 3)))
        begins.append(first - size if draw(st.booleans()) else first)
        ends.append(second + 1)
        strides.append(stride)
        kept.append(len(range(first, second + 1, stride)))
    same = _quantised(draw, dtype)
    source = build.tensor(shape, dtype, **same)
    bounds = [build.constant(np.array(v)) for v in (begins, ends, strides)]
    output = build.tensor(tuple(kept), dtype, **same)
    build.operator("STRIDED_SLICE", [source, *bounds], [output])
    label = f"strided_slice {dtype} {shape} {begins} {ends} {strides}"
    return single(label, build, [source], [output], samples(generator, [shape], dtype))


@st.composite
def edges(draw: Draw, kind: str) -> Case:
    """QUANTIZE from float32 to int8, or DEQUANTIZE from int8 to float32."""
    generator = np.random.default_rng(draw(seeds))
    build = Builder()
    shape = (draw(st.integers(1, 300)),)
    types = ("float32", "int8") if kind == "QUANTIZE" else ("int8", "float32")
    source, output = (build.tensor(shape, t, **_quantised(draw, t)) for t in types)
    build.operator(kind, [source], [output])
    values = samples(generator, [shape], types[0])
    if kind == "QUANTIZE":
        # Halves between two stored values, where the rounding shows.
        scale = np.float32(build.graph.tensors[output].quantization.scale[0])
        values[0][0] = ((generator.integers(-300, 300, shape) + 0.5) * scale).astype(np.float32)
    return single(f"{kind} {shape}", build, [source], [output], values)


@st.composite
def hard_swish(draw: Draw) -> Case:
    """HARD_SWISH, with scales as calibration gives them."""
    generator = np.random.default_rng(draw(seeds))
    build = Builder()
    exponent = draw(st.one_of(st.floats(-8.0, 0.0), st.integers(-8, 0)))
    scale = float(np.float32(2.0**exponent))
    source = build.tensor((256,), scale=scale, zero=draw(zeros))
    output = build.tensor((256,), scale=float(np.float32(scale * 2.0 ** draw(st.floats(-5, 4)))), zero=draw(zeros))
    build.operator("HARD_SWISH", [source], [output])
    values = samples(generator, [(256,)], "int8")
    values[0][0] = np.arange(-128, 128, dtype=np.int8)
    return single(f"hard_swish scale {scale}", build, [source], [output], values)


@st.composite
def resize(draw: Draw, dtype: str = "int8") -> Case:
    """RESIZE_NEAREST_NEIGHBOR, larger and smaller, with both of its options."""
    generator = np.random.default_rng(draw(seeds))
    build = Builder()
    shape = (draw(st.integers(1, 2)), *(draw(st.integers(1, 9)) for _ in range(2)), draw(st.integers(1, 4)))
    size = [draw(st.integers(1, 14)) for _ in range(2)]
    same = _quantised(draw, dtype)
    source = build.tensor(shape, dtype, **same)
    output = build.tensor((shape[0], *size, shape[3]), dtype, **same)
    align = draw(st.booleans())
    half = draw(st.booleans()) and not align
    where = build.constant(np.array(size))
    build.operator("RESIZE_NEAREST_NEIGHBOR", [source, where], [output], alignCorners=align, halfPixelCenters=half)
    label = f"resize {dtype} {shape} to {size} align {align} half {half}"
    return single(label, build, [source], [output], samples(generator, [shape], dtype))


@st.composite
def bytes_edge(draw: Draw, before: str, after: str) -> Case:
    """QUANTIZE between int8 and uint8, as networks with uint8 inputs and outputs have it."""
    build = Builder()

    def tensor(dtype: str) -> int:
        zero = draw(zeros) + (128 if dtype == "uint8" else 0)
        return build.tensor((256,), dtype, scale=draw(scales), zero=zero)

    source, output = tensor(before), tensor(after)
    build.operator("QUANTIZE", [source], [output])
    every = np.arange(256, dtype=np.uint8).astype(before)
    return single(f"quantize {before} to {after}", build, [source], [output], [[every]])
