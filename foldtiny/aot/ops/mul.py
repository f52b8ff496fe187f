"""MUL, with broadcasting."""

from __future__ import annotations

from foldtiny.aot.graph import Tensor
from foldtiny.aot.layer import Layer
from foldtiny.aot.ops._elementwise import parse_with, zeros
from foldtiny.aot.site import Site

NAMES = ("MUL",)


def factors(site: Site, first: Tensor, second: Tensor, output: Tensor) -> dict[str, int]:
    """Compute the fixed-point factor from the product of stored values to the output."""
    multiplier, shift = site.multiplier(first.scale * second.scale / output.scale)
    return {**zeros(first, second, output), "out_multiplier": multiplier, "out_shift": shift}


def parse(site: Site) -> Layer:
    """Check a MUL."""
    return parse_with(site, factors)
