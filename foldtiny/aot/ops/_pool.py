"""What MAX_POOL_2D and AVERAGE_POOL_2D share: everything but the arithmetic."""

from __future__ import annotations

from dataclasses import dataclass

from foldtiny.aot import quant
from foldtiny.aot.graph import ITEM_BYTES
from foldtiny.aot.layer import Kernel, Layer, Params
from foldtiny.aot.ops._window import Window, window
from foldtiny.aot.overlap import by_pixels, window_reads
from foldtiny.aot.site import Site


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool2D(Layer):
    """Pooling of [n, h, w, c] over a window; padded positions take no part."""

    dtype: str
    batches: int
    in_h: int
    in_w: int
    channels: int
    out_h: int
    out_w: int
    window: Window
    clamp: tuple[float, float]

    def describe(self) -> str:
        """Return the window."""
        return self.window.describe()

    def kernel(self, name: str) -> Kernel:
        """Return the portable kernel of the pooling called ``name``."""
        # A channel of a pixel reads that channel alone, so that byte i is read before byte i is written.
        pixel_bytes = self.channels * ITEM_BYTES[self.dtype]
        clamp: dict[str, int | float]
        if self.dtype == "int8":
            clamp = {"out_min": int(self.clamp[0]), "out_max": int(self.clamp[1])}
        else:
            clamp = {"f_min": self.clamp[0], "f_max": self.clamp[1]}
        return Kernel(
            title="plain C",
            headers=(f"{name}.h",),
            call=f"ft_{name}_{'s8' if self.dtype == 'int8' else 'f32'}($params, $in0, $out0);",
            params=Params(
                "ft_pool_2d",
                {
                    "batches": self.batches,
                    "in_h": self.in_h,
                    "in_w": self.in_w,
                    "channels": self.channels,
                    "out_h": self.out_h,
                    "out_w": self.out_w,
                    "k_h": self.window.k_h,
                    "k_w": self.window.k_w,
                    "stride_h": self.window.stride_h,
                    "stride_w": self.window.stride_w,
                    "pad_top": self.window.pad_top,
                    "pad_left": self.window.pad_left,
                    **clamp,
                },
            ),
            overlap=by_pixels(
                window_reads(self.batches, (self.in_h, self.in_w), pixel_bytes, (self.out_h, self.out_w), self.window),
                pixel_bytes,
            ),
        )


def fields(site: Site) -> dict[str, object]:
    """Check a pooling operator; return the fields of its layer."""
    site.arity((1,))
    source, output = site.input(0), site.output()
    dtype = site.same_dtype(source, output)
    site.rank(source, 4)
    batches, in_h, in_w, channels = source.shape
    size = (site.positive("FilterHeight"), site.positive("FilterWidth"))
    area, (out_h, out_w) = window(site, (in_h, in_w), size, dilated=False)
    site.shape(output, (batches, out_h, out_w, channels))
    activation = site.activation()
    # TFLite Micro refuses pooling that would have to rescale, with this tolerance.
    if dtype == "int8" and (abs(source.scale - output.scale) > 1e-6 or source.zero_point != output.zero_point):
        site.fail(
            f"input scale {source.scale:.6g} zero {source.zero_point} with output scale {output.scale:.6g} "
            f"zero {output.zero_point}",
            "the same quantisation before and after",
        )
    return {
        "name": site.name,
        "operators": (site.operator.name,),
        "inputs": (source.index,),
        "outputs": (output.index,),
        "dtype": dtype,
        "batches": batches,
        "in_h": in_h,
        "in_w": in_w,
        "channels": channels,
        "out_h": out_h,
        "out_w": out_w,
        "window": area,
        "clamp": site.int8_range(activation, output) if dtype == "int8" else quant.float_range(activation),
    }
