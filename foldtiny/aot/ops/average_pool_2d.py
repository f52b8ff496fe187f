"""AVERAGE_POOL_2D."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from foldtiny.aot.layer import Kernel, Layer
from foldtiny.aot.ops._pool import Pool2D, fields
from foldtiny.aot.site import Site

NAMES = ("AVERAGE_POOL_2D",)


@dataclass(frozen=True, slots=True, kw_only=True)
class AveragePool2D(Pool2D):
    """The average over each window."""

    def plain(self) -> Kernel:
        """Return the portable kernel."""
        return self.kernel("average_pool_2d")


def parse(site: Site) -> Layer:
    """Check a AVERAGE_POOL_2D."""
    return AveragePool2D(**cast(Any, fields(site)))
