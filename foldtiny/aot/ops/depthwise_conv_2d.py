"""DEPTHWISE_CONV_2D: each input channel with its own filters; channel multiplier, stride, dilation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foldtiny.aot import quant
from foldtiny.aot.graph import ITEM_BYTES
from foldtiny.aot.layer import Kernel, Layer
from foldtiny.aot.ops._weights import Weighted, bias_values, fold_bias, rescale
from foldtiny.aot.ops._window import Window, window
from foldtiny.aot.overlap import Bytes, by_pixels, window_reads
from foldtiny.aot.site import Site

NAMES = ("DEPTHWISE_CONV_2D",)


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthwiseConv2D(Weighted):
    """A convolution of [n, h, w, c] with weights [k_h, k_w, c * multiplier], channel by channel."""

    batches: int
    in_h: int
    in_w: int
    in_c: int
    out_h: int
    out_w: int
    window: Window

    @property
    def out_c(self) -> int:
        """Number of output channels."""
        return int(self.weights.shape[2])

    def folded_bias(self) -> NDArray[np.int32]:
        """Return the int8 layer's bias with the input's zero point folded in."""
        return fold_bias(self.bias, self.weights.astype(np.int64).sum(axis=(0, 1)), self.in_zero)

    def describe(self) -> str:
        """Return the window and the channel multiplier."""
        multiplier = self.out_c // self.in_c
        return self.window.describe() + (f", {multiplier} outputs per channel" if multiplier > 1 else "")

    def reads(self) -> Bytes | None:
        """Return the first byte of the input that each output pixel depends on."""
        pixel_bytes = self.in_c * ITEM_BYTES[self.dtype]
        return window_reads(self.batches, (self.in_h, self.in_w), pixel_bytes, (self.out_h, self.out_w), self.window)

    def plain(self) -> Kernel:
        """Return the portable kernel."""
        # With one output per channel, byte i of a pixel is read before byte i is written.
        item_bytes = ITEM_BYTES[self.dtype]
        early = None if self.out_c == self.in_c else (self.out_c - 1) * item_bytes
        overlap = by_pixels(self.reads(), self.out_c * item_bytes, early)
        shape: dict[str, int | float | tuple[int, ...]] = {
            "batches": self.batches,
            "in_h": self.in_h,
            "in_w": self.in_w,
            "in_c": self.in_c,
            "out_h": self.out_h,
            "out_w": self.out_w,
            "multiplier": self.out_c // self.in_c,
            "k_h": self.window.k_h,
            "k_w": self.window.k_w,
            **self.window.steps(),
        }
        return self.plain_kernel("depthwise_conv_2d", shape, overlap)


def parse(site: Site) -> Layer:
    """Check a DEPTHWISE_CONV_2D and compute its constants."""
    site.arity((2, 3))
    source, filters, output = site.input(0), site.input(1), site.output()
    dtype = site.same_dtype(source, output)
    for tensor in (source, filters, output):
        site.rank(tensor, 4)
    weights = site.constant(filters, (dtype,))
    batches, in_h, in_w, in_c = source.shape
    one, k_h, k_w, out_c = filters.shape
    if one != 1 or out_c % in_c:
        site.fail(f"filters of shape {list(filters.shape)}", f"[1, height, width, a multiple of {in_c}]")
    # The option repeats what the shapes say; some exporters leave it at 0.
    if site.option("DepthMultiplier") not in (0, out_c // in_c):
        site.fail(f"DepthMultiplier {site.option('DepthMultiplier')}", f"{out_c // in_c}, as the shapes say")
    area, (out_h, out_w) = window(site, (in_h, in_w), (k_h, k_w), dilated=True)
    site.shape(output, (batches, out_h, out_w, out_c))
    activation = site.activation()
    quantised = dtype == "int8"
    return DepthwiseConv2D(
        name=site.name,
        operators=("DEPTHWISE_CONV_2D",),
        inputs=(source.index,),
        outputs=(output.index,),
        macs=batches * out_h * out_w * out_c * k_h * k_w,
        dtype=dtype,
        batches=batches,
        in_h=in_h,
        in_w=in_w,
        in_c=in_c,
        out_h=out_h,
        out_w=out_w,
        window=area,
        weights=weights.reshape(k_h, k_w, out_c),
        bias=bias_values(site, 2, out_c, dtype),
        rescale=rescale(site, filters, out_c, axis=3) if quantised else None,
        in_zero=source.zero_point,
        out_zero=output.zero_point,
        clamp=site.int8_range(activation, output) if quantised else quant.float_range(activation),
    )
