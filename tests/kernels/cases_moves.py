"""Generated cases of the operators that only give values another place or another shape."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from tests.aot.tflite_builder import Builder
from tests.kernels.case import Case, samples, scales, seeds, single, zeros

Draw = Any


def _quantised(draw: Draw, dtype: str) -> dict[str, Any]:
    return {"scale": draw(scales), "zero": draw(zeros)} if dtype == "int8" else {}


@st.composite
def split_v(draw: Draw, dtype: str = "int8") -> Case:
    """SPLIT_V into parts of different sizes, along an axis counted from either end."""
    generator = np.random.default_rng(draw(seeds))
    build = Builder()
    shape = [draw(st.integers(1, 4)) for _ in range(draw(st.integers(1, 4)))]
    axis = draw(st.integers(0, len(shape) - 1))
    parts = [draw(st.integers(1, 4)) for _ in range(draw(st.integers(1, 4)))]
    shape[axis] = sum(parts)
    same = _quantised(draw, dtype)
    source = build.tensor(tuple(shape), dtype, **same)
    outputs = [build.tensor((*shape[:axis], part, *shape[axis + 1 :]), dtype, **same) for part in parts]
    given = axis - len(shape) if draw(st.booleans()) else axis
    inputs = [source, build.constant(np.array(parts)), build.constant(given)]
    build.operator("SPLIT_V", inputs, outputs, numSplits=len(parts))
    label = f"split_v {dtype} {shape} axis {given} into {parts}"
    return single(label, build, [source], outputs, samples(generator, [tuple(shape)], dtype))


@st.composite
def shapes_only(draw: Draw, dtype: str = "int8") -> Case:
    """SQUEEZE, RELU and EXPAND_DIMS: the first and the last leave every byte where it is."""
    generator = np.random.default_rng(draw(seeds))
    build = Builder()
    inner = tuple(draw(st.integers(2, 5)) for _ in range(draw(st.integers(1, 3))))
    at = draw(st.integers(0, len(inner)))
    shape = (*inner[:at], 1, *inner[at:])
    same = _quantised(draw, dtype)
    source, squeezed, clamped = (build.tensor(s, dtype, **same) for s in (shape, inner, inner))
    where = draw(st.integers(0, len(inner)))
    output = build.tensor((*inner[:where], 1, *inner[where:]), dtype, **same)
    build.operator("SQUEEZE", [source], [squeezed], squeezeDims=[at])
    build.operator("RELU", [squeezed], [clamped])
    build.operator("EXPAND_DIMS", [clamped, build.constant(np.array([where]))], [output])
    label = f"squeeze and expand_dims {dtype} {shape} to {where}"
    return single(label, build, [source], [output], samples(generator, [shape], dtype))
