"""What ADD, SUB and MUL share: operands (either may be a constant), broadcasting, loops."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from foldtiny.aot import quant
from foldtiny.aot.graph import Tensor
from foldtiny.aot.layer import Kernel, Layer, Params
from foldtiny.aot.ops._broadcast import broadcast_strides, merge
from foldtiny.aot.site import Site

Factors = Callable[[Site, Tensor, Tensor, Tensor], Mapping[str, int]]
"""From (operator, first input, second input, output) to numbers by their names in the kernel's struct."""

HEADROOM = 20
"""Bits by which ADD and SUB shift the inputs left, so that rescaling them loses nothing (elementwise.h has it too)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Elementwise(Layer):
    """One result for each pair of values.

    ``sizes`` and ``strides`` (one tuple for each operand) are the loops; ``arithmetic`` holds the fixed-point factors
    by their names in the kernel's struct.
    """

    function: str
    dtype: str
    sizes: tuple[int, ...]
    strides: tuple[tuple[int, ...], ...]
    count: int
    in_place: tuple[int, ...]
    clamp: tuple[float, float]
    arithmetic: Mapping[str, int]

    def describe(self) -> str:
        """Return the number of elements."""
        return f"{self.count} values"

    def plain(self) -> Kernel:
        """Return the portable kernel."""
        name = self.function
        loops: dict[str, int | float | tuple[int, ...]] = {
            "size": self.sizes,
            "step1": self.strides[0],
            "step2": self.strides[1],
        }
        clamp: dict[str, int | float]
        if self.dtype == "int8":
            clamp = {"out_min": int(self.clamp[0]), "out_max": int(self.clamp[1])}
        else:
            clamp = {"f_min": self.clamp[0], "f_max": self.clamp[1]}
        return Kernel(
            title="plain C",
            headers=(f"{name}.h",),
            call=f"ft_{name}_{'s8' if self.dtype == 'int8' else 'f32'}($params, $in0, $in1, $out0);",
            params=Params("ft_elementwise", {**loops, **self.arithmetic, **clamp}),
            in_place=self.in_place,
            overlap=dict.fromkeys(self.in_place, 0),
        )


def parse_with(site: Site, factors: Factors) -> Layer:
    """Check an element-wise operator; ``factors`` computes its fixed-point numbers for int8."""
    site.arity((2,))
    first, second, output = site.input(0), site.input(1), site.output()
    dtype = site.same_dtype(first, second, output)
    operands = (first, second)
    strides = []
    for tensor in operands:
        steps = broadcast_strides(tensor.shape, output.shape)
        if steps is None:
            site.fail(f"'{tensor.name}' {list(tensor.shape)} with output {list(output.shape)}", "broadcastable shapes")
        strides.append(steps)
    full = np.broadcast_shapes(first.shape, second.shape)
    site.shape(output, full)
    sizes, merged = merge(output.shape, *strides)
    activation = site.activation()
    return Elementwise(
        name=site.name,
        operators=(site.operator.name,),
        inputs=(first.index, second.index),
        outputs=(output.index,),
        function=site.operator.name.lower(),
        dtype=dtype,
        sizes=sizes,
        strides=merged,
        count=output.count,
        in_place=tuple(i for i, tensor in enumerate(operands) if tensor.shape == output.shape),
        clamp=site.int8_range(activation, output) if dtype == "int8" else quant.float_range(activation),
        arithmetic=factors(site, first, second, output) if dtype == "int8" else {},
    )


def zeros(first: Tensor, second: Tensor, output: Tensor) -> dict[str, int]:
    """Return the zero points by their names in the kernel's struct."""
    return {"zero1": first.zero_point, "zero2": second.zero_point, "out_zero": output.zero_point}


def common_scale(
    site: Site, first: Tensor, second: Tensor, output: Tensor, ratios: tuple[float, float, float]
) -> dict[str, int]:
    """Return the factors of ADD and SUB: each input to the common scale, and from there to the output's."""
    if not all(0.0 < ratio < 1.0 for ratio in ratios):
        site.fail(
            f"input scales {first.scale:.3g} and {second.scale:.3g} with output scale {output.scale:.3g}",
            "scales within a factor of 2^20",
            "calibrate the model with realistic data",
        )
    (m1, s1), (m2, s2), (m_out, s_out) = (site.multiplier(ratio) for ratio in ratios)
    return {
        **zeros(first, second, output),
        "multiplier1": m1,
        "shift1": s1,
        "multiplier2": m2,
        "shift2": s2,
        "out_multiplier": m_out,
        "out_shift": s_out,
    }
