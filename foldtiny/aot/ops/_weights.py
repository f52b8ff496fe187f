"""What layers with weights share: the scales of each output channel, the bias, and the plain kernel's shape."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foldtiny.aot import quant
from foldtiny.aot.graph import Tensor
from foldtiny.aot.layer import Constant, Kernel, Layer, Params
from foldtiny.aot.site import Site

LANES = 4
"""Output channels that the plain kernels compute together (``FT_LANES`` in dot.h); left over ones go one by one."""


@dataclass(frozen=True, slots=True)
class Rescale:
    """Fixed-point factors from accumulator to output: one, or one for each output channel."""

    multipliers: NDArray[np.int32]
    shifts: NDArray[np.int8]

    @property
    def channel_step(self) -> int:
        """Distance from one channel's factor to the next: 0 where all share one."""
        return 1 if self.multipliers.size > 1 else 0

    def constants(self) -> dict[str, Constant]:
        """Return the arrays to emit."""
        return {"multipliers": Constant("int32_t", self.multipliers), "shifts": Constant("int8_t", self.shifts)}

    def of(self, channel: int) -> tuple[int, int]:
        """Return (multiplier, shift) of a channel."""
        position = channel * self.channel_step
        return int(self.multipliers[position]), int(self.shifts[position])


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighted(Layer):
    """Sums of products with constant weights, plus a bias. ``clamp`` holds integers for int8 layers."""

    dtype: str
    weights: NDArray[np.generic]
    bias: NDArray[np.generic]
    rescale: Rescale | None
    in_zero: int
    out_zero: int
    clamp: tuple[float, float]

    @abstractmethod
    def folded_bias(self) -> NDArray[np.int32]:
        """Return the int8 layer's bias with the input's zero point folded in."""

    def plain_kernel(
        self,
        name: str,
        shape: Mapping[str, int | float | tuple[int, ...]],
        overlap: Mapping[int, int],
        *,
        in_zero: bool = True,
    ) -> Kernel:
        """Return the portable kernel ``ft_<name>_s8`` or ``_f32``; ``in_zero``: the int8 one pads with zero points."""
        if self.rescale is None:
            return Kernel(
                title="plain C",
                headers=(f"{name}.h",),
                call=f"ft_{name}_f32($params, $weights, $bias, $in0, $out0);",
                params=Params(f"ft_{name}", {**shape, "f_min": self.clamp[0], "f_max": self.clamp[1]}),
                constants={"weights": Constant("float", self.weights), "bias": Constant("float", self.bias)},
                overlap=overlap,
            )
        quantised = {
            **({"in_zero": self.in_zero} if in_zero else {}),
            "out_zero": self.out_zero,
            "out_min": int(self.clamp[0]),
            "out_max": int(self.clamp[1]),
            "channel_step": self.rescale.channel_step,
        }
        return Kernel(
            title="plain C",
            headers=(f"{name}.h",),
            call=f"ft_{name}_s8($params, $weights, $bias, $multipliers, $shifts, $in0, $out0);",
            params=Params(f"ft_{name}", {**shape, **quantised}),
            constants={
                "weights": Constant("int8_t", self.weights),
                "bias": Constant("int32_t", self.folded_bias()),
                **self.rescale.constants(),
            },
            overlap=overlap,
        )


def rescale(site: Site, weights: Tensor, channels: int, *, axis: int, source: Tensor | None = None) -> Rescale:
    """Compute the factors input scale * weight scale / output scale, in double precision as TFLite Micro does."""
    source, output = source or site.input(0), site.output()
    quantisation = weights.quantisation
    if quantisation is None:
        site.fail(f"int8 without a scale in '{weights.name}'", "quantised int8")
    if any(quantisation.zero_points):
        site.fail(f"a zero point other than 0 in '{weights.name}'", "symmetric weights")
    count = len(quantisation.scales)
    if count > 1 and (count != channels or quantisation.axis != axis):
        site.fail(
            f"'{weights.name}' with {count} scales along axis {quantisation.axis}",
            f"1, or {channels} along axis {axis}",
        )
    factors = []
    for scale in quantisation.scales:
        factors.append(site.multiplier(source.scale * scale / output.scale))
    return Rescale(np.array([m for m, _ in factors], np.int32), np.array([s for _, s in factors], np.int8))


def bias_values(site: Site, position: int, channels: int, dtype: str) -> NDArray[np.generic]:
    """Return the bias, zeros where there is none, as int32 (for int8 layers) or float32."""
    kind = "int32" if dtype == "int8" else "float32"
    bias = site.optional_input(position)
    if bias is None:
        return np.zeros(channels, dtype=kind)
    values = site.constant(bias, (kind,))
    if values.size != channels:
        site.fail(f"a bias of {values.size} values", f"{channels}, one for each output channel")
    return values.reshape(-1)


def fold_bias(bias: NDArray[np.generic], weight_sums: NDArray[np.int64], zero_point: int) -> NDArray[np.int32]:
    """Return bias - zero_point * sum of weights, modulo 2^32 like TFLite's own accumulator.

    With it, the kernel multiplies stored values as they are: sum((x - z) * w) + b = sum(x * w) + (b - z * sum(w)).
    """
    folded = bias.astype(np.int64) - zero_point * weight_sums
    return np.array([quant.wrap32(int(value)) for value in folded], dtype=np.int32)
