"""RESIZE_NEAREST_NEIGHBOR to a constant size."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foldtiny.aot import quant
from foldtiny.aot.graph import ITEM_BYTES
from foldtiny.aot.layer import Constant, Kernel, Layer, Params
from foldtiny.aot.overlap import MAX_STEPS, Bytes, by_pixels
from foldtiny.aot.site import Site

NAMES = ("RESIZE_NEAREST_NEIGHBOR",)

_MAX_SIDE = 1 << 15


@dataclass(frozen=True, slots=True, kw_only=True)
class ResizeNearestNeighbor(Layer):
    """Each output pixel is the input pixel at (``rows[y]``, ``columns[x]``)."""

    batches: int
    in_h: int
    in_w: int
    pixel_bytes: int
    rows: NDArray[np.int16]
    columns: NDArray[np.int16]

    def describe(self) -> str:
        """Return the sizes."""
        return f"{self.in_h}x{self.in_w} to {self.rows.size}x{self.columns.size}"

    def _reads(self) -> Bytes | None:
        """Return where each output pixel's source starts."""
        if self.batches * self.rows.size * self.columns.size > MAX_STEPS:
            return None
        images = np.arange(self.batches, dtype=np.int64) * (self.in_h * self.in_w)
        rows, columns = self.rows.astype(np.int64) * self.in_w, self.columns.astype(np.int64)
        pixels = images[:, None, None] + rows[None, :, None] + columns[None, None, :]
        return pixels.reshape(-1) * self.pixel_bytes

    def plain(self) -> Kernel:
        """Return the portable kernel."""
        return Kernel(
            title="plain C",
            headers=("resize_nearest_neighbor.h",),
            call="ft_resize_nearest_neighbor($params, $rows, $columns, $in0, $out0);",
            params=Params(
                "ft_resize_nearest_neighbor_shape",
                {
                    "batches": self.batches,
                    "in_h": self.in_h,
                    "in_w": self.in_w,
                    "pixel_bytes": self.pixel_bytes,
                    "out_h": self.rows.size,
                    "out_w": self.columns.size,
                },
            ),
            constants={
                "rows": Constant("int16_t", self.rows, table=True),
                "columns": Constant("int16_t", self.columns, table=True),
            },
            overlap=by_pixels(self._reads(), self.pixel_bytes),
        )


def nearest(before: int, after: int, align_corners: bool, half_pixel: bool) -> NDArray[np.int16]:
    """Return the input position of each output position, in single precision (``GetNearestNeighbor``)."""
    inner = align_corners and after > 1
    scale = np.float32(before - 1) / np.float32(after - 1) if inner else np.float32(before) / np.float32(after)
    offset = np.float32(0.5 if half_pixel else 0.0)
    found = []
    for position in range(after):
        exact = float((np.float32(position) + offset) * scale)
        index = quant.round_half_away(exact) if align_corners else math.floor(exact)
        found.append(max(0, min(index, before - 1)))
    return np.array(found, dtype=np.int16)


def parse(site: Site) -> Layer:
    """Check a RESIZE_NEAREST_NEIGHBOR and tabulate the positions."""
    site.arity((2,))
    source, size, output = site.input(0), site.input(1), site.output()
    dtype = site.same_dtype(source, output)
    site.rank(source, 4)
    wanted = [int(v) for v in site.constant(size, ("int32",)).reshape(-1)]
    if len(wanted) != 2 or not all(1 <= side <= _MAX_SIDE for side in (*wanted, *source.shape[1:3])):
        site.fail(f"size {wanted} from {list(source.shape)}", f"two numbers from 1 to {_MAX_SIDE}")
    batches, in_h, in_w, channels = source.shape
    site.shape(output, (batches, *wanted, channels))
    align, half = bool(site.option("AlignCorners")), bool(site.option("HalfPixelCenters"))
    return ResizeNearestNeighbor(
        name=site.name,
        operators=("RESIZE_NEAREST_NEIGHBOR",),
        inputs=(source.index,),
        outputs=(output.index,),
        batches=batches,
        in_h=in_h,
        in_w=in_w,
        pixel_bytes=channels * ITEM_BYTES[dtype],
        rows=nearest(in_h, wanted[0], align, half),
        columns=nearest(in_w, wanted[1], align, half),
    )
