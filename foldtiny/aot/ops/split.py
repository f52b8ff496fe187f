"""SPLIT and SPLIT_V along any axis."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from foldtiny.aot.graph import ITEM_BYTES
from foldtiny.aot.layer import Kernel, Layer
from foldtiny.aot.site import Site

NAMES = ("SPLIT", "SPLIT_V")

_MAX_OUTPUTS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Split(Layer):
    """``rows`` rows, each of one run of ``run_bytes[i]`` bytes for every output i in turn."""

    axis: int
    rows: int
    run_bytes: tuple[int, ...]

    def describe(self) -> str:
        """Return the axis."""
        return f"along axis {self.axis}"

    def plain(self) -> Kernel:
        """Return the portable kernel."""
        full = sum(self.run_bytes)
        calls, start = [], 0
        for position, run in enumerate(self.run_bytes):
            source = f"(const uint8_t *)$in0 + {start}"
            calls.append(f"ft_copy_rows({self.rows}, {run}, {source}, {full}, $out{position}, {run});")
            start += run
        return Kernel(title="plain C", headers=("copy_rows.h",), call="\n".join(calls))


def parse(site: Site) -> Layer:
    """Check a SPLIT or SPLIT_V; the sizes are those of the outputs."""
    count = len(site.operator.outputs)
    if not 1 <= count <= _MAX_OUTPUTS:
        site.fail(f"{count} outputs", f"1 to {_MAX_OUTPUTS}")
    plain = site.operator.name == "SPLIT"
    site.arity((2,) if plain else (3,), count)
    source, axis_tensor = (site.input(1), site.input(0)) if plain else (site.input(0), site.input(2))
    outputs = [site.output(i) for i in range(count)]
    dtype = site.same_dtype(source, *outputs)
    rank = len(source.shape)
    axes = site.constant(axis_tensor, ("int32",)).reshape(-1)
    if axes.size != 1 or not -rank <= int(axes[0]) < rank:
        site.fail(f"axis {axes.tolist()} of {rank} dimensions", f"one number from {-rank} to {rank - 1}")
    axis = int(axes[0]) % rank
    for tensor in outputs:
        expected = list(source.shape)
        expected[axis] = tensor.shape[axis] if len(tensor.shape) == rank else 0
        site.shape(tensor, expected)
        if plain and tensor.shape != outputs[0].shape:
            site.fail(f"parts of {list(tensor.shape)} and {list(outputs[0].shape)}", "equal parts")
    if sum(tensor.shape[axis] for tensor in outputs) != source.shape[axis]:
        site.fail("parts that do not add up to the input", f"{source.shape[axis]} in all along axis {axis}")
    inner = prod(source.shape[axis + 1 :]) * ITEM_BYTES[dtype]
    return Split(
        name=site.name,
        operators=(site.operator.name,),
        inputs=(source.index,),
        outputs=tuple(tensor.index for tensor in outputs),
        axis=axis,
        rows=prod(source.shape[:axis]),
        run_bytes=tuple(tensor.shape[axis] * inner for tensor in outputs),
    )
