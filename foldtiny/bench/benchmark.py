"""``foldtiny bench`` as one function: who runs which cell, and with what beside it."""

from __future__ import annotations

import contextlib
import os
from functools import cache
from pathlib import Path

from foldtiny import boards
from foldtiny.bench import environment
from foldtiny.bench.cell import Cell
from foldtiny.bench.matrix import Matrix, expand
from foldtiny.bench.process import LocalRunner
from foldtiny.bench.run import Listener, Pool, Summary, run
from foldtiny.stages import exclusive


def bench(matrix: Matrix, *, resume: bool = False, listener: Listener | None = None) -> Summary:
    """Run a matrix; each cell is one deployment in a process of its own.

    Parameters
    ----------
    matrix : Matrix
        See ``foldtiny.bench.matrix.load``.
    resume : bool
        Go on with the file of records; cells recorded as ok are skipped.
    listener : Listener, optional
        Told how it goes.

    Raises
    ------
    UsageError
        If a value is not allowed, records would be overwritten, or the cluster cannot be used.
    FoldtinyError
        If records cannot be written. A cell that fails raises nothing: its record says so.
    """
    cells = expand(matrix)
    output = Path(matrix.output)
    local = LocalRunner(output)
    with contextlib.ExitStack() as stack:
        stack.enter_context(exclusive(output))
        pools = [Pool(local, matrix.jobs or default_jobs(cells), stop=local.stop)]
        if matrix.scheduler:
            from foldtiny.bench.cluster import Cluster

            cluster = Cluster(matrix.scheduler, output)
            stack.callback(cluster.close)
            pools.insert(0, Pool(cluster, cluster.slots, takes=lambda cell: device(cell) is None, stop=cluster.stop))
        about = {"git": environment.git(Path.cwd())}
        return run(
            cells, pools, matrix.records_path, resume=resume, device=device, environment=about, listener=listener
        )


def device(cell: Cell) -> str | None:
    """Return the port that a cell runs on, or None for a twin, of which there are as many as one likes."""
    if cell.port == "sim":
        return None
    return _connected(cell.board, cell.serial) if cell.port == "auto" else cell.port


def default_jobs(cells: list[Cell]) -> int:
    """Return how many cells to run at a time: one per core, and no more than there is work for.

    A cell keeps about one core busy: conversion and folding mostly, compilers for some seconds. Boards wait more than
    they work, so each further device adds half a job.
    """
    devices = {device(cell) for cell in cells} - {None}
    return max(1, min(len(cells), (os.cpu_count() or 1) + len(devices) // 2))


@cache
def _connected(board: str, serial: str | None) -> str | None:
    """Return the port of a connected board; where several could be meant, the deployment itself says so."""
    from foldtiny.device.discover import boards_connected

    found = [one for one in boards_connected(boards.get(board)) if serial in (None, one.serial)]
    return found[0].port if found else None
