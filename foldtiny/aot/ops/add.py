"""ADD, with broadcasting."""

from __future__ import annotations

from foldtiny.aot.graph import Tensor
from foldtiny.aot.layer import Layer
from foldtiny.aot.ops._elementwise import HEADROOM, common_scale, parse_with
from foldtiny.aot.site import Site

NAMES = ("ADD",)


def factors(site: Site, first: Tensor, second: Tensor, output: Tensor) -> dict[str, int]:
    """Compute the fixed-point factors, in double precision as TFLite does."""
    largest = 2.0 * max(first.scale, second.scale)
    ratios = (first.scale / largest, second.scale / largest, largest / ((1 << HEADROOM) * output.scale))
    return common_scale(site, first, second, output, ratios)


def parse(site: Site) -> Layer:
    """Check an ADD."""
    return parse_with(site, factors)
