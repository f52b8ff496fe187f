"""RESHAPE, SQUEEZE and EXPAND_DIMS: the same bytes under another shape, so nothing is computed."""

from __future__ import annotations

from dataclasses import dataclass

from foldtiny.aot.layer import Kernel, Layer
from foldtiny.aot.site import Site

NAMES = ("RESHAPE", "SQUEEZE", "EXPAND_DIMS")


@dataclass(frozen=True, slots=True, kw_only=True)
class Alias(Layer):
    """The output is the input's memory. Fusion removes these; no kernel ever runs for them."""

    def plain(self) -> Kernel:
        """Return a kernel without any code."""
        return Kernel(title="nothing to compute", headers=(), call="")


def parse(site: Site) -> Layer:
    """Check that the number of elements stays; the new shape is the output's, already stored in the file."""
    site.arity((1, 2))
    source, output = site.input(0), site.output()
    if source.dtype != output.dtype:
        site.fail(f"{source.dtype} reshaped to {output.dtype}", "one type")
    if source.count != output.count:
        site.fail(f"{list(source.shape)} to {list(output.shape)}", "as many elements before as after")
    return Alias(name=site.name, operators=(site.operator.name,), inputs=(source.index,), outputs=(output.index,))
