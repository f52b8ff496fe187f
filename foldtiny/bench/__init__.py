"""Benchmarks: a matrix of deployments, each recorded as soon as it has ended; see docs/bench.md."""

from __future__ import annotations

from foldtiny._callable import callable_package
from foldtiny.bench.benchmark import bench
from foldtiny.bench.cell import Cell
from foldtiny.bench.matrix import Matrix, expand, load
from foldtiny.bench.records import latest, read
from foldtiny.bench.run import Outcome, Pool, Summary, run

__all__ = ["Cell", "Matrix", "Outcome", "Pool", "Summary", "bench", "expand", "latest", "load", "read", "run"]

callable_package(__name__)
