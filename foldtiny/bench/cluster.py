"""Runs simulated cells on an existing Dask cluster; results come back here, where alone records are written."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foldtiny import __version__
from foldtiny.bench.cell import Cell
from foldtiny.bench.process import LocalRunner, plain
from foldtiny.bench.run import Outcome, Tell
from foldtiny.errors import MeasureError, UsageError

if TYPE_CHECKING:
    from distributed import Client

CONNECT_LIMIT_S = 10
# Dask runs a task again whose worker died; after so many deaths the task itself is the suspect.
RETRIES = 3

Task = Callable[[Cell, str], dict[str, Any]]


def run_cell(cell: Cell, output: str) -> dict[str, Any]:
    """Run one cell on its twin; this is what a worker of the cluster does, in a process of its own."""
    return plain(LocalRunner(Path(output), simulated=True)(cell, lambda _: None))


class Cluster:
    """A connection to a Dask scheduler.

    Parameters
    ----------
    address : str
        Such as ``tcp://head:8786``.
    output : Path
        Folder of the whole benchmark, as the workers see it.
    task : callable, optional
        What a worker runs.

    Raises
    ------
    UsageError
        If Dask is not installed, nothing answers, or the workers have another foldtiny or none.
    """

    def __init__(self, address: str, output: Path, task: Task = run_cell) -> None:
        self._client = _connect(address)
        self._output, self._task = str(output), task
        self._numbers = itertools.count()
        self._check_workers(address)

    @property
    def slots(self) -> int:
        """How many cells the cluster takes at a time."""
        return max(1, sum(self._client.nthreads().values()))

    def __call__(self, cell: Cell, tell: Tell) -> Outcome:
        """Run one cell on the cluster; see ``run.Runner``."""
        from distributed import CancelledError, KilledWorker

        tell("cluster")
        name = f"foldtiny-{cell.id}-{next(self._numbers)}"
        future = self._client.submit(self._task, cell, self._output, key=name, pure=False, retries=RETRIES)
        try:
            return Outcome(**future.result())
        except KilledWorker as error:
            raise MeasureError(
                f"every worker of the cluster that ran {cell.label} died", "look into the workers' logs for the reason"
            ) from error
        except (CancelledError, OSError, TimeoutError) as error:
            raise MeasureError(
                "the connection to the cluster's scheduler was lost", "start it again and go on with --resume"
            ) from error

    def stop(self) -> None:
        """Give up what is at work."""
        self.close()

    def close(self) -> None:
        """Close the connection; the cluster goes on without us."""
        self._client.close(timeout=2)

    def _check_workers(self, address: str) -> None:
        try:
            self._client.wait_for_workers(1, timeout=CONNECT_LIMIT_S)
        except (OSError, TimeoutError) as error:
            self.close()
            raise UsageError(
                f"the scheduler {address} has no workers", f"start some with: dask worker {address}"
            ) from error
        try:
            found = self._client.run(_version, on_error="return")
        except (OSError, TimeoutError) as error:
            self.close()
            raise UsageError(f"the workers of {address} do not answer: {error}", "look at the cluster") from error
        for worker, version in found.items():
            if version != __version__:
                self.close()
                has = f"has foldtiny {version}" if isinstance(version, str) else f"has no foldtiny ({version})"
                raise UsageError(
                    f"the worker {worker} {has}; here it is {__version__}",
                    f"install foldtiny {__version__} there, and what `foldtiny doctor` asks for",
                )


def _version() -> str:
    from foldtiny import __version__

    return __version__


def _connect(address: str) -> Client:
    try:
        from distributed import Client
    except ImportError as error:
        raise UsageError(
            "--scheduler needs Dask, which is not installed", "install it with: pip install 'foldtiny[cluster]'"
        ) from error
    try:
        return Client(address, timeout=CONNECT_LIMIT_S, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise UsageError(
            f"no Dask scheduler answers at {address}", "start one with `dask scheduler`, and give its tcp:// address"
        ) from error
