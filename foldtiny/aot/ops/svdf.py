"""SVDF on int8: filters that remember their last results (keyword spotting)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foldtiny.aot.layer import Constant, Kernel, Layer, Params
from foldtiny.aot.ops._weights import bias_values
from foldtiny.aot.site import Site

NAMES = ("SVDF",)

_STATE_RANGES = {"int8": (-(1 << 7), (1 << 7) - 1), "int16": (-(1 << 15), (1 << 15) - 1)}
_MAX_STEPS = 1 << 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Svdf(Layer):
    """``batches`` vectors of ``features.shape[1]`` values through filters with a memory of ``times.shape[1]`` runs.

    The second input is the state, [batches, filters * memory], which the layer also changes.
    """

    batches: int
    rank: int
    features: NDArray[np.generic]
    times: NDArray[np.generic]
    bias: NDArray[np.generic]
    in_zero: int
    state_zero: int
    out_zero: int
    to_state: tuple[int, int]
    to_output: tuple[int, int]

    def describe(self) -> str:
        """Return the filters, their memory and the rank."""
        filters, memory = self.times.shape
        return f"{filters} filters that remember {memory} runs, rank {self.rank}"

    def plain(self) -> Kernel:
        """Return the portable kernel."""
        suffix, ctype = ("s8", "int8_t") if self.times.dtype == np.int8 else ("s16", "int16_t")
        return Kernel(
            title="plain C",
            headers=("svdf.h",),
            call=f"ft_svdf_{suffix}($params, $features, $times, $bias, $in0, $in1, $out0);",
            params=Params(
                "ft_svdf",
                {
                    "batches": self.batches,
                    "inputs": self.features.shape[1],
                    "filters": self.times.shape[0],
                    "memory": self.times.shape[1],
                    "rank": self.rank,
                    "in_zero": self.in_zero,
                    "state_zero": self.state_zero,
                    "out_zero": self.out_zero,
                    "multiplier1": self.to_state[0],
                    "shift1": self.to_state[1],
                    "multiplier2": self.to_output[0],
                    "shift2": self.to_output[1],
                },
            ),
            constants={
                "features": Constant("int8_t", self.features),
                "times": Constant(ctype, self.times),
                "bias": Constant("int32_t", self.bias),
            },
            # The whole input has gone into the state before the first output is written.
            overlap={0: 0},
        )


def parse(site: Site) -> Layer:
    """Check an SVDF; its sums wrap like TFLite Micro's."""
    site.arity((5,))
    source, features, times, state, output = (site.input(0), site.input(1), site.input(2), site.input(4), site.output())
    for tensor in (source, output):
        site.dtype(tensor, ("int8",))
        site.rank(tensor, 2)
    for tensor in (features, times):
        site.rank(tensor, 2)
    if not state.variable:
        site.fail(f"state '{state.name}' that does not last", "a variable tensor")
    site.dtype(state, ("int8", "int16"))
    site.quantised_in(state, *_STATE_RANGES[state.dtype])
    site.quantised_in(features, 0, 0)
    site.quantised_in(times, 0, 0)
    feature_weights = site.constant(features, ("int8",))
    time_weights = site.constant(times, (state.dtype,))
    filters, memory = times.shape
    batches, inputs = source.shape
    rank = site.positive("Rank")
    site.shape(features, (filters, inputs))
    site.shape(state, (batches, filters * memory))
    if filters % rank:
        site.fail(f"{filters} filters with rank {rank}", "a multiple of the rank")
    site.shape(output, (batches, filters // rank))
    if site.activation() not in ("none", "relu"):
        site.fail(f"fused activation {site.activation()}", "none, relu")
    steps = batches * filters * (inputs + memory)
    if steps > _MAX_STEPS:
        site.fail(f"{steps} multiply-accumulates", f"up to {_MAX_STEPS}")
    return Svdf(
        name=site.name,
        operators=("SVDF",),
        inputs=(source.index, state.index),
        outputs=(output.index,),
        macs=steps,
        batches=batches,
        rank=rank,
        features=feature_weights,
        times=time_weights,
        bias=bias_values(site, 3, filters // rank, "int8"),
        in_zero=source.zero_point,
        state_zero=state.zero_point,
        out_zero=output.zero_point,
        to_state=site.multiplier(source.scale * features.scale / state.scale),
        to_output=site.multiplier(state.scale * times.scale / output.scale),
    )
