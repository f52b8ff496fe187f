"""PAD and PADV2: a constant border (most are fused into the convolution after)."""

from __future__ import annotations

from dataclasses import dataclass

from foldtiny.aot.layer import Kernel, Layer, Params
from foldtiny.aot.ops._broadcast import merge, row_major
from foldtiny.aot.site import Site

NAMES = ("PAD", "PADV2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pad(Layer):
    """``before`` and ``after`` values of padding along each axis of ``shape``."""

    dtype: str
    shape: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]
    value: float

    def describe(self) -> str:
        """Return the border along each axis."""
        borders = ", ".join(f"{b}+{a}" for b, a in zip(self.before, self.after, strict=True))
        return f"border {borders}, value {self.value:g}"

    def plain(self) -> Kernel:
        """Return the portable kernel: fill, then copy the inside."""
        full = [b + size + a for b, size, a in zip(self.before, self.shape, self.after, strict=True)]
        steps = row_major(full)
        sizes, (from_steps, to_steps) = merge(self.shape, row_major(self.shape), steps)
        count = full[0] * steps[0] if full else 1
        suffix, value = ("s8", int(self.value)) if self.dtype == "int8" else ("f32", self.value)
        return Kernel(
            title="plain C",
            headers=("pad.h",),
            call=f"ft_pad_{suffix}($params, $in0, $out0);",
            params=Params(
                "ft_pad",
                {
                    "size": sizes,
                    "from": from_steps,
                    "to": to_steps,
                    "start": sum(b * step for b, step in zip(self.before, steps, strict=True)),
                    "count": count,
                    ("value" if self.dtype == "int8" else "f_value"): value,
                },
            ),
        )


def parse(site: Site) -> Layer:
    """Check a PAD or PADV2."""
    site.arity((2, 3))
    source, borders, output = site.input(0), site.input(1), site.output()
    dtype = site.same_dtype(source, output)
    rank = len(source.shape)
    widths = site.constant(borders, ("int32", "int64"))
    if widths.shape != (rank, 2) or widths.min(initial=0) < 0:
        site.fail(f"paddings of shape {list(widths.shape)}", f"[{rank}, 2] of numbers from 0")
    before, after = (tuple(int(w) for w in widths[:, side]) for side in (0, 1))
    site.shape(output, [b + size + a for b, size, a in zip(before, source.shape, after, strict=True)])
    if dtype == "int8" and (source.scale, source.zero_point) != (output.scale, output.zero_point):
        site.fail("another scale or zero point after padding", "the same quantisation before and after")
    constant = site.optional_input(2)
    value: float = output.zero_point
    if constant is not None:
        values = site.constant(constant, (dtype,))
        if values.size != 1:
            site.fail(f"{values.size} padding values", "1")
        if dtype == "int8":
            site.quantised(constant)
            if (constant.scale, constant.zero_point) != (output.scale, output.zero_point):
                site.fail("a padding value of another scale", "the same quantisation as the output")
        value = values.reshape(-1)[0].item()
    return Pad(
        name=site.name,
        operators=(site.operator.name,),
        inputs=(source.index,),
        outputs=(output.index,),
        dtype=dtype,
        shape=source.shape,
        before=before,
        after=after,
        value=value,
    )
