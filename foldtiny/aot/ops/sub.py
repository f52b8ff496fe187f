"""SUB, with broadcasting."""

from __future__ import annotations

import numpy as np

from foldtiny.aot.graph import Tensor
from foldtiny.aot.layer import Layer
from foldtiny.aot.ops._elementwise import HEADROOM, common_scale, parse_with
from foldtiny.aot.site import Site

NAMES = ("SUB",)


def factors(site: Site, first: Tensor, second: Tensor, output: Tensor) -> dict[str, int]:
    """Compute the fixed-point factors, in single precision: there TFLite Micro's SUB differs from its ADD."""
    with np.errstate(over="ignore", under="ignore", divide="ignore", invalid="ignore"):
        largest = np.float32(2) * np.float32(max(first.scale, second.scale))
        ratios = (
            float(np.float32(first.scale) / largest),
            float(np.float32(second.scale) / largest),
            float(largest / (np.float32(1 << HEADROOM) * np.float32(output.scale))),
        )
    return common_scale(site, first, second, output, ratios)


def parse(site: Site) -> Layer:
    """Check a SUB."""
    return parse_with(site, factors)
