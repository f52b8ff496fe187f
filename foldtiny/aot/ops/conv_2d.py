"""CONV_2D: stride, dilation, SAME or VALID padding, groups; activation, padding and max pooling may be fused in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foldtiny.aot import quant
from foldtiny.aot.graph import ITEM_BYTES
from foldtiny.aot.layer import Kernel, Layer
from foldtiny.aot.ops._weights import LANES, Weighted, bias_values, fold_bias, rescale
from foldtiny.aot.ops._window import Window, window
from foldtiny.aot.overlap import Bytes, by_pixels, window_reads
from foldtiny.aot.site import Site

NAMES = ("CONV_2D",)

NO_POOL = Window(1, 1, 1, 1, 1, 1, 0, 0, "VALID")


@dataclass(frozen=True, slots=True, kw_only=True)
class Conv2D(Weighted):
    """A convolution of [n, h, w, c] with weights [out_c, k_h, k_w, c / groups], max-pooled over ``pool``.

    ``out_h`` and ``out_w`` are the convolution's own, before pooling.
    """

    batches: int
    in_h: int
    in_w: int
    in_c: int
    out_h: int
    out_w: int
    window: Window
    pool: Window = NO_POOL
    pooled_h: int = 0
    pooled_w: int = 0

    @property
    def out_c(self) -> int:
        """Number of output channels."""
        return int(self.weights.shape[0])

    @property
    def group_c(self) -> int:
        """Input channels that one output channel reads."""
        return int(self.weights.shape[3])

    def folded_bias(self) -> NDArray[np.int32]:
        """Return the int8 layer's bias with the input's zero point folded in."""
        return fold_bias(self.bias, self.weights.astype(np.int64).sum(axis=(1, 2, 3)), self.in_zero)

    def accumulator_bound(self) -> int:
        """Return the largest magnitude that any int8 layer's accumulator can reach."""
        reach = max(quant.INT8_MAX - self.in_zero, self.in_zero - quant.INT8_MIN)
        sums = np.abs(self.weights.astype(np.int64)).sum(axis=(1, 2, 3)) * reach
        return int((sums + np.abs(self.bias.astype(np.int64))).max())

    def monotonic(self) -> bool:
        """Tell whether a larger accumulator never gives a smaller output, so that a maximum may come first.

        True for every real network; a left shift that overflows 32 bits is what could break it.
        """
        if self.rescale is None:
            return True
        left = max(0, int(self.rescale.shifts.max()))
        return (self.accumulator_bound() << left) + 256 <= quant.INT32_MAX

    def describe(self) -> str:
        """Return the window, the groups and the fused pooling."""
        text = self.window.describe()
        if self.group_c != self.in_c:
            text += f", {self.in_c // self.group_c} groups"
        if self.pool is not NO_POOL:
            text += f"; then the maximum over a {self.pool.describe()}, before the unpooled map is ever stored"
        return text

    def reads(self) -> Bytes | None:
        """Return the first byte of the input that each output pixel, of whatever is fused in, depends on."""
        return window_reads(
            self.batches,
            (self.in_h, self.in_w),
            self.in_c * ITEM_BYTES[self.dtype],
            (self.out_h, self.out_w),
            self.window,
            None if self.pool is NO_POOL else (self.pool, (self.pooled_h, self.pooled_w)),
        )

    def plain(self) -> Kernel:
        """Return the portable kernel."""
        item_bytes = ITEM_BYTES[self.dtype]
        # A window is read anew for every few channels of a group, which are written at once.
        at_once = LANES if self.out_c * self.group_c // self.in_c % LANES == 0 and self.dtype == "int8" else 1
        overlap = by_pixels(self.reads(), self.out_c * item_bytes, (self.out_c - at_once) * item_bytes)
        shape: dict[str, int | float | tuple[int, ...]] = {
            "batches": self.batches,
            "in_h": self.in_h,
            "in_w": self.in_w,
            "in_c": self.in_c,
            "out_h": self.out_h,
            "out_w": self.out_w,
            "out_c": self.out_c,
            "k_h": self.window.k_h,
            "k_w": self.window.k_w,
            "group_in": self.group_c,
            "group_out": self.out_c * self.group_c // self.in_c,
            **self.window.steps(),
            "pooled_h": self.pooled_h or self.out_h,
            "pooled_w": self.pooled_w or self.out_w,
            "pool_h": self.pool.k_h,
            "pool_w": self.pool.k_w,
            "pool_stride_h": self.pool.stride_h,
            "pool_stride_w": self.pool.stride_w,
            "pool_top": self.pool.pad_top,
            "pool_left": self.pool.pad_left,
        }
        return self.plain_kernel("conv_2d", shape, overlap)


def parse(site: Site) -> Layer:
    """Check a CONV_2D and compute its constants."""
    site.arity((2, 3))
    source, filters, output = site.input(0), site.input(1), site.output()
    dtype = site.same_dtype(source, output)
    for tensor in (source, filters, output):
        site.rank(tensor, 4)
    weights = site.constant(filters, (dtype,))
    batches, in_h, in_w, in_c = source.shape
    out_c, k_h, k_w, group_c = filters.shape
    if in_c % group_c or out_c % (in_c // group_c):
        site.fail(f"{in_c} input channels with filters of {group_c}", "groups that divide inputs and outputs evenly")
    area, (out_h, out_w) = window(site, (in_h, in_w), (k_h, k_w), dilated=True)
    site.shape(output, (batches, out_h, out_w, out_c))
    activation = site.activation()
    quantised = dtype == "int8"
    return Conv2D(
        name=site.name,
        operators=("CONV_2D",),
        inputs=(source.index,),
        outputs=(output.index,),
        macs=batches * out_h * out_w * out_c * k_h * k_w * group_c,
        dtype=dtype,
        batches=batches,
        in_h=in_h,
        in_w=in_w,
        in_c=in_c,
        out_h=out_h,
        out_w=out_w,
        window=area,
        weights=weights,
        bias=bias_values(site, 2, out_c, dtype),
        rescale=rescale(site, filters, out_c, axis=0) if quantised else None,
        in_zero=source.zero_point,
        out_zero=output.zero_point,
        clamp=site.int8_range(activation, output) if quantised else quant.float_range(activation),
    )
