"""TRANSPOSE with any permutation of up to six axes."""

from __future__ import annotations

from foldtiny.aot.graph import ITEM_BYTES
from foldtiny.aot.layer import Layer
from foldtiny.aot.ops._broadcast import merge, row_major
from foldtiny.aot.ops._gather import Gather
from foldtiny.aot.site import Site

NAMES = ("TRANSPOSE",)


def parse(site: Site) -> Layer:
    """Check a TRANSPOSE."""
    site.arity((2,))
    source, order, output = site.input(0), site.input(1), site.output()
    dtype = site.same_dtype(source, output)
    axes = [int(a) for a in site.constant(order, ("int32",)).reshape(-1)]
    rank = len(source.shape)
    if sorted(axes) != list(range(rank)):
        site.fail(f"the order of axes {axes}", f"each of 0 to {rank - 1} once")
    site.shape(output, [source.shape[a] for a in axes])
    steps = row_major(source.shape)
    sizes, (merged,) = merge(output.shape, [steps[a] for a in axes])
    return Gather(
        name=site.name,
        operators=("TRANSPOSE",),
        inputs=(source.index,),
        outputs=(output.index,),
        item_bytes=ITEM_BYTES[dtype],
        start=0,
        sizes=sizes,
        steps=merged,
    )
