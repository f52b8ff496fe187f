"""STRIDED_SLICE with constant bounds (no new axes, no ellipsis)."""

from __future__ import annotations

from foldtiny.aot.graph import ITEM_BYTES
from foldtiny.aot.layer import Layer
from foldtiny.aot.ops._broadcast import merge, row_major
from foldtiny.aot.ops._gather import Gather
from foldtiny.aot.site import Site

NAMES = ("STRIDED_SLICE",)


def parse(site: Site) -> Layer:
    """Check a STRIDED_SLICE."""
    site.arity((4,))
    source, output = site.input(0), site.output()
    dtype = site.same_dtype(source, output)
    begins, ends, strides = ([int(v) for v in site.constant(site.input(i), ("int32",)).reshape(-1)] for i in (1, 2, 3))
    rank = len(source.shape)
    if not len(begins) == len(ends) == len(strides) == rank:
        site.fail("bounds for some axes only", f"{rank} bounds")
    if site.option("EllipsisMask") or site.option("NewAxisMask") or site.options_flag("Offset"):
        site.fail("an ellipsis, a new axis or offsets", "plain bounds")
    shrink = site.option("ShrinkAxisMask")
    walks = []
    for axis, (size, begin, end, stride) in enumerate(zip(source.shape, begins, ends, strides, strict=True)):
        bit = 1 << axis
        if stride == 0:
            site.fail("stride 0", "any other")
        if shrink & bit:
            index = begin + size if begin < 0 else begin
            walk = range(index, index + 1)
            if not 0 <= index < size:
                site.fail(f"index {begin} of axis {axis}", f"{-size} to {size - 1}")
        else:
            low = None if site.option("BeginMask") & bit else begin
            high = None if site.option("EndMask") & bit else end
            walk = range(size)[slice(low, high, stride)]
        walks.append(walk)
    kept = [len(walk) for axis, walk in enumerate(walks) if not shrink & (1 << axis)]
    site.shape(output, kept)
    steps = row_major(source.shape)
    sizes, (merged,) = merge(
        [len(walk) for walk in walks], [walk.step * step for walk, step in zip(walks, steps, strict=True)]
    )
    return Gather(
        name=site.name,
        operators=("STRIDED_SLICE",),
        inputs=(source.index,),
        outputs=(output.index,),
        item_bytes=ITEM_BYTES[dtype],
        start=sum(walk.start * step for walk, step in zip(walks, steps, strict=True)),
        sizes=sizes,
        steps=merged,
    )
