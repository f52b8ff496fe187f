"""MEAN over any axes."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from foldtiny.aot import quant
from foldtiny.aot.graph import ITEM_BYTES
from foldtiny.aot.layer import Kernel, Layer, Params
from foldtiny.aot.ops._broadcast import merge, row_major
from foldtiny.aot.overlap import by_elements, strided
from foldtiny.aot.site import Site

NAMES = ("MEAN",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mean(Layer):
    """Averages over the ``over`` loops, for each position of the ``kept`` loops."""

    dtype: str
    kept: tuple[int, ...]
    kept_steps: tuple[int, ...]
    over: tuple[int, ...]
    over_steps: tuple[int, ...]
    in_zero: int
    out_zero: int
    multiplier: int
    shift: int

    def describe(self) -> str:
        """Return how many values each mean takes."""
        return f"{prod(self.kept)} means of {prod(self.over)} values"

    def plain(self) -> Kernel:
        """Return the portable kernel."""
        loops: dict[str, int | float | tuple[int, ...]] = {
            "kept": self.kept,
            "kept_step": self.kept_steps,
            "over": self.over,
            "over_step": self.over_steps,
            "count": prod(self.over),
        }
        # All values of a mean are read before it is written; the first lies where the loops over results stand.
        item_bytes = ITEM_BYTES[self.dtype]
        overlap = by_elements(strided(self.kept, self.kept_steps), item_bytes, item_bytes)
        if self.dtype == "float32":
            return Kernel(
                title="plain C",
                headers=("mean.h",),
                call="ft_mean_f32($params, $in0, $out0);",
                params=Params("ft_mean", loops),
                overlap=overlap,
            )
        quantised = {
            "offset": self.in_zero * prod(self.over),
            "out_zero": self.out_zero,
            "multiplier": self.multiplier,
            "shift": self.shift,
        }
        return Kernel(
            title="plain C",
            headers=("mean.h",),
            call="ft_mean_s8($params, $in0, $out0);",
            params=Params("ft_mean", {**loops, **quantised}),
            overlap=overlap,
        )


def mean_factor(multiplier: int, shift: int, count: int) -> tuple[int, int]:
    """Divide a fixed-point factor by a count as TFLite does (``QuantizedMeanOrSum``)."""
    places = min(count.bit_length() - 1, 32, 31 + shift)
    return (multiplier << places) // count, shift - places


def parse(site: Site) -> Layer:
    """Check a MEAN and divide its factor by the number of values."""
    site.arity((2,))
    source, axes, output = site.input(0), site.input(1), site.output()
    dtype = site.same_dtype(source, output)
    rank = len(source.shape)
    listed = [int(a) for a in site.constant(axes, ("int32",)).reshape(-1)]
    if any(not -rank <= axis < rank for axis in listed):
        site.fail(f"axes {listed} of {rank} dimensions", f"{-rank} to {rank - 1}")
    reduced = {axis % rank for axis in listed} if rank else set()
    keep = bool(site.option("KeepDims"))
    expected = [1 if axis in reduced else size for axis, size in enumerate(source.shape) if keep or axis not in reduced]
    if prod(expected) != output.count:
        site.fail(f"output shape {list(output.shape)}", f"{expected}")
    steps = row_major(source.shape)
    outside = [axis for axis in range(rank) if axis not in reduced]
    kept, (kept_steps,) = merge([source.shape[a] for a in outside], [steps[a] for a in outside])
    over, (over_steps,) = merge([source.shape[a] for a in sorted(reduced)], [steps[a] for a in sorted(reduced)])
    multiplier, shift = 0, 0
    if dtype == "int8":
        count = prod(over)
        if count * 256 > quant.INT32_MAX:
            site.fail(f"a mean of {count} values", "up to 2^23")
        multiplier, shift = mean_factor(*site.multiplier(source.scale / output.scale), count)
    return Mean(
        name=site.name,
        operators=("MEAN",),
        inputs=(source.index,),
        outputs=(output.index,),
        dtype=dtype,
        kept=kept,
        kept_steps=kept_steps,
        over=over,
        over_steps=over_steps,
        in_zero=source.zero_point,
        out_zero=output.zero_point,
        multiplier=multiplier,
        shift=shift,
    )
