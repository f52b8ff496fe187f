"""A Dask cluster of this machine: what runs there, and what a worker that is killed does."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cloudpickle
import dask
import pytest
from distributed import LocalCluster

from foldtiny.bench import Cell, Pool, run
from foldtiny.bench.cluster import Cluster
from foldtiny.errors import UsageError
from tests.bench.fakes import cells

pytestmark = pytest.mark.slow

# Workers have foldtiny, but not these tests.
cloudpickle.register_pickle_by_value(sys.modules[__name__])


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 1}),
        LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as local,
    ):
        yield local


def _slow_task(cell: Cell, output: str) -> dict[str, Any]:
    """Say who works on what, and take a while."""
    with (Path(output) / f"{cell.seed}-{os.getpid()}").open("w"):
        time.sleep(0.25)
    about = {"worker": os.getpid()}
    return {"status": "ok", "error": None, "result": None, "repetitions": None, "environment": about, "command": ""}


def _broken_task(cell: Cell, output: str) -> dict[str, Any]:
    os.kill(os.getpid(), signal.SIGKILL)
    return {}


def test_a_worker_with_another_foldtiny_is_named(cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("foldtiny.bench.cluster.__version__", "9.9.9")
    with pytest.raises(UsageError) as caught:
        Cluster(cluster.scheduler_address, tmp_path)
    assert " has foldtiny 0." in caught.value.message and caught.value.message.endswith("; here it is 9.9.9")


def test_a_worker_killed_at_work_loses_nothing(cluster: Any, tmp_path: Path) -> None:
    pool = Cluster(cluster.scheduler_address, tmp_path, _slow_task)
    wanted = cells(8)
    killed: list[int] = []

    class Killer:
        """Kills the worker that has the cell with seed 4 while it is at it."""

        def started(self, cell: Cell) -> None: ...

        def stage(self, cell: Cell, stage: str) -> None: ...

        def ended(self, cell: Cell, record: Any, done: int, total: int) -> None:
            started = next(iter(tmp_path.glob("4-*")), None)
            busy = not killed and started is not None and not any(tmp_path.glob("7-*"))
            if busy and started is not None:
                killed.append(int(started.name.partition("-")[2]))
                os.kill(killed[0], signal.SIGKILL)

    path = tmp_path / "records.jsonl"
    assert pool.slots == 2
    summary = run(wanted, [Pool(pool, pool.slots, stop=pool.stop)], path, listener=Killer())
    pool.close()
    assert killed, "the test must have killed a worker"
    assert summary.failed == 0
    recorded = [json.loads(line) for line in path.read_text().splitlines()]
    assert Counter(record["id"] for record in recorded) == Counter(cell.id for cell in wanted)
    workers = {record["environment"]["worker"] for record in recorded}
    assert len(workers) >= 2 and os.getpid() not in workers


def test_a_cell_that_kills_every_worker_fails_alone(cluster: Any, tmp_path: Path) -> None:
    pool = Cluster(cluster.scheduler_address, tmp_path, _broken_task)
    summary = run(cells(1), [Pool(pool)], tmp_path / "records.jsonl")
    pool.close()
    assert summary.records[0]["error"] == {
        "type": "MeasureError",
        "message": "every worker of the cluster that ran nano33ble m aot died",
        "hint": "look into the workers' logs for the reason",
    }


def test_no_scheduler_ends_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("foldtiny.bench.cluster.CONNECT_LIMIT_S", 0.5)
    with pytest.raises(UsageError) as caught:
        Cluster("tcp://127.0.0.1:9", tmp_path)
    assert caught.value.message == "no Dask scheduler answers at tcp://127.0.0.1:9"
    assert caught.value.hint == "start one with `dask scheduler`, and give its tcp:// address"
    with pytest.raises(UsageError) as caught:
        Cluster("nonsense://x", tmp_path)
    assert caught.value.message == "no Dask scheduler answers at nonsense://x"


def test_dask_is_an_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError) as caught:
        Cluster("tcp://127.0.0.1:9", tmp_path)
    assert str(caught.value) == (
        "--scheduler needs Dask, which is not installed; install it with: pip install 'foldtiny[cluster]'"
    )


def test_a_cluster_without_workers_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("foldtiny.bench.cluster.CONNECT_LIMIT_S", 0.5)
    with (
        LocalCluster(n_workers=0, processes=False, dashboard_address=None) as empty,
        pytest.raises(UsageError) as caught,
    ):
        Cluster(empty.scheduler_address, tmp_path)
    assert caught.value.message == f"the scheduler {empty.scheduler_address} has no workers"
