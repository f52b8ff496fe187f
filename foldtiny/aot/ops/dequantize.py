"""DEQUANTIZE: int8 to real numbers."""

from __future__ import annotations

from dataclasses import dataclass

from foldtiny.aot.graph import ITEM_BYTES
from foldtiny.aot.layer import Kernel, Layer, Params
from foldtiny.aot.overlap import by_elements, strided
from foldtiny.aot.site import Site

NAMES = ("DEQUANTIZE",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dequantize(Layer):
    """scale * (stored - zero_point) for each value."""

    count: int
    scale: float
    zero_point: int

    def plain(self) -> Kernel:
        """Return the portable kernel."""
        return Kernel(
            title="plain C",
            headers=("dequantize.h",),
            call="ft_dequantize_s8($params, $in0, $out0);",
            params=Params(
                "ft_dequantize", {"count": self.count, "zero_point": self.zero_point, "f_scale": float(self.scale)}
            ),
            overlap=by_elements(strided((self.count,), (1,)), ITEM_BYTES["int8"], ITEM_BYTES["float32"]),
        )


def parse(site: Site) -> Layer:
    """Check a DEQUANTIZE."""
    site.arity((1,))
    source, output = site.input(0), site.output()
    site.dtype(source, ("int8",))
    site.dtype(output, ("float32",))
    site.shape(output, source.shape)
    return Dequantize(
        name=site.name,
        operators=("DEQUANTIZE",),
        inputs=(source.index,),
        outputs=(output.index,),
        count=source.count,
        scale=source.scale,
        zero_point=source.zero_point,
    )
