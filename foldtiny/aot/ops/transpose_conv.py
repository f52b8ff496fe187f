"""TRANSPOSE_CONV on int8."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foldtiny.aot.layer import Constant, Kernel, Layer, Params
from foldtiny.aot.ops._weights import Rescale, bias_values, rescale
from foldtiny.aot.ops._window import Window, window
from foldtiny.aot.site import Site

NAMES = ("TRANSPOSE_CONV",)


@dataclass(frozen=True, slots=True, kw_only=True)
class TransposeConv(Layer):
    """The transpose of a convolution from the output [n, h, w, out_c] to the input, with weights [out_c, k, k, c].

    The bias is as stored: how many taps meet an output differs from place to place, so no zero point is folded in.
    """

    batches: int
    in_h: int
    in_w: int
    out_h: int
    out_w: int
    window: Window
    weights: NDArray[np.generic]
    bias: NDArray[np.generic]
    rescale: Rescale
    in_zero: int
    out_zero: int
    clamp: tuple[int, int]

    def describe(self) -> str:
        """Return the window."""
        return self.window.describe()

    def plain(self) -> Kernel:
        """Return the portable kernel."""
        out_c, _, _, in_c = self.weights.shape
        return Kernel(
            title="plain C",
            headers=("transpose_conv.h",),
            call="ft_transpose_conv_s8($params, $weights, $bias, $multipliers, $shifts, $in0, $out0);",
            params=Params(
                "ft_transpose_conv",
                {
                    "batches": self.batches,
                    "in_h": self.in_h,
                    "in_w": self.in_w,
                    "in_c": in_c,
                    "out_h": self.out_h,
                    "out_w": self.out_w,
                    "out_c": out_c,
                    "k_h": self.window.k_h,
                    "k_w": self.window.k_w,
                    "stride_h": self.window.stride_h,
                    "stride_w": self.window.stride_w,
                    "pad_top": self.window.pad_top,
                    "pad_left": self.window.pad_left,
                    "in_zero": self.in_zero,
                    "out_zero": self.out_zero,
                    "out_min": self.clamp[0],
                    "out_max": self.clamp[1],
                    "channel_step": self.rescale.channel_step,
                },
            ),
            constants={
                "weights": Constant("int8_t", self.weights),
                "bias": Constant("int32_t", self.bias),
                **self.rescale.constants(),
            },
        )


def parse(site: Site) -> Layer:
    """Check a TRANSPOSE_CONV; the output's size is stored in the file twice and has to agree."""
    site.arity((3, 4))
    size, filters, source, output = site.input(0), site.input(1), site.input(2), site.output()
    for tensor in (source, output):
        site.dtype(tensor, ("int8",))
    for tensor in (source, filters, output):
        site.rank(tensor, 4)
    weights = site.constant(filters, ("int8",))
    out_c, k_h, k_w, in_c = filters.shape
    batches, out_h, out_w, _ = output.shape
    site.shape(output, (source.shape[0], out_h, out_w, out_c))
    site.shape(source, (batches, *source.shape[1:3], in_c))
    if site.constant(size, ("int32",)).reshape(-1).tolist() != list(output.shape):
        site.fail(f"the stored output size {site.constant(size, ('int32',)).tolist()}", f"{list(output.shape)}")
    # The padding is that of the convolution which this one is the transpose of.
    area, _ = window(site, (out_h, out_w), (k_h, k_w), dilated=False)
    return TransposeConv(
        name=site.name,
        operators=("TRANSPOSE_CONV",),
        inputs=(source.index,),
        outputs=(output.index,),
        macs=source.count * k_h * k_w * out_c,
        batches=batches,
        in_h=source.shape[1],
        in_w=source.shape[2],
        out_h=out_h,
        out_w=out_w,
        window=area,
        weights=weights,
        bias=bias_values(site, 3, out_c, "int8"),
        rescale=rescale(site, filters, out_c, axis=0, source=source),
        in_zero=source.zero_point,
        out_zero=output.zero_point,
        clamp=site.int8_range(site.activation(), output),
    )
