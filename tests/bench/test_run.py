"""The order of cells, what may run side by side, and what a failure does."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest

from foldtiny.bench import Cell, Outcome, Pool, run
from foldtiny.bench.records import Record
from foldtiny.bench.run import Tell
from foldtiny.errors import BuildError, FoldtinyError, UsageError
from tests.bench.fakes import cells, ok


class Watch:
    """A runner that notes which cells are at work together."""

    def __init__(self, seconds: float = 0.03) -> None:
        self.seconds = seconds
        self.together: list[set[str]] = []
        self.order: list[str] = []
        self._at_work: set[str] = set()
        self._lock = threading.Lock()

    def __call__(self, cell: Cell, _: Tell) -> Outcome:
        with self._lock:
            self._at_work.add(cell.id)
            self.order.append(cell.id)
            self.together.append(set(self._at_work))
        time.sleep(self.seconds)
        with self._lock:
            self._at_work.discard(cell.id)
        return Outcome("ok")

    @property
    def most(self) -> int:
        return max(map(len, self.together))


def _lines(path: Path) -> list[Record]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_no_more_than_jobs_run_together(tmp_path: Path) -> None:
    watch = Watch()
    run(cells(8), [Pool(watch, 3)], tmp_path / "r.jsonl")
    assert watch.most == 3


def test_one_device_does_one_cell_at_a_time_and_others_go_on(tmp_path: Path) -> None:
    watch = Watch()
    wanted = [*cells(4, port="a"), *cells(4, port="b")]
    ports = {cell.id: cell.port for cell in wanted}
    run(wanted, [Pool(watch, 8)], tmp_path / "r.jsonl", device=lambda cell: cell.port)
    assert watch.most == 2
    assert all(len({ports[id] for id in group}) == len(group) for group in watch.together)


def test_the_first_cell_of_a_model_runs_alone(tmp_path: Path) -> None:
    watch = Watch()
    one, other = [
        [Cell("m.pt", board, sparsity=sparsity, precision="int8") for board in "abcd"] for sparsity in (0.25, 0.5)
    ]
    run([*one, *other], [Pool(watch, 8)], tmp_path / "r.jsonl")
    first = {cell.id for cell in (one[0], other[0])}
    assert set(watch.order[:2]) == first
    assert all(group <= first or not group & first or len(group & first) == 1 for group in watch.together)
    assert watch.most >= 3


def test_a_failure_is_recorded_and_stops_nothing(tmp_path: Path) -> None:
    def runner(cell: Cell, _: Tell) -> Outcome:
        if cell.seed == 1:
            raise BuildError("it does not fit", "fold more")
        if cell.seed == 2:
            raise ZeroDivisionError("division by zero")
        return Outcome("ok")

    summary = run(cells(4), [Pool(runner, 2)], tmp_path / "r.jsonl", environment={"git": None})
    assert summary.failed == 2
    records = {record["cell"]["seed"]: record for record in _lines(tmp_path / "r.jsonl")}
    assert [records[seed]["status"] for seed in range(4)] == ["ok", "failed", "failed", "ok"]
    assert records[1]["error"] == {"type": "BuildError", "message": "it does not fit", "hint": "fold more"}
    assert records[2]["error"]["message"] == "foldtiny failed unexpectedly: ZeroDivisionError: division by zero"
    parts = "schema id cell status error result repetitions environment started seconds command"
    assert " ".join(records[0]) == parts
    assert records[0]["environment"] == {"git": None}


def test_resume_skips_what_is_ok_and_repeats_what_failed(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    broken = True
    ran: list[int] = []

    def runner(cell: Cell, tell: Tell) -> Outcome:
        ran.append(cell.seed)
        if cell.seed == 1 and broken:
            raise BuildError("broken")
        return ok(cell, tell)

    assert run(cells(3), [Pool(runner)], path).failed == 1
    broken = False
    ran.clear()
    summary = run(cells(5), [Pool(runner)], path, resume=True)
    assert ran == [1, 3, 4]
    assert (summary.failed, summary.skipped, len(summary.records)) == (0, 2, 5)
    assert sorted(record["cell"]["seed"] for record in _lines(path)) == [0, 1, 2, 3, 4]
    assert all(record["status"] == "ok" for record in _lines(path))


def test_records_are_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    run(cells(1), [Pool(ok)], path)
    before = path.read_bytes()
    with pytest.raises(UsageError) as caught:
        run(cells(2), [Pool(ok)], path)
    assert str(caught.value) == (
        f"{path} already holds records; go on with it with --resume, or choose another with --records"
    )
    assert path.read_bytes() == before


def test_two_benchmarks_never_write_one_file(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    said: list[str] = []

    def runner(cell: Cell, tell: Tell) -> Outcome:
        with pytest.raises(FoldtinyError) as caught:
            run(cells(1), [Pool(ok)], path, resume=True)
        said.append(caught.value.message)
        return ok(cell, tell)

    run(cells(1), [Pool(runner)], path)
    assert said == [f"another foldtiny bench is writing {path}"]
    assert len(_lines(path)) == 1


def test_an_interrupt_stops_the_cells_at_work_and_keeps_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    stop = threading.Event()

    class Interrupted:
        def started(self, cell: Cell) -> None:
            if cell.seed == 2:
                raise KeyboardInterrupt

        def stage(self, cell: Cell, stage: str) -> None: ...

        def ended(self, cell: Cell, record: Record, done: int, total: int) -> None: ...

    def runner(cell: Cell, tell: Tell) -> Outcome:
        if cell.seed == 1:
            assert stop.wait(20)
        return ok(cell, tell)

    with pytest.raises(KeyboardInterrupt):
        run(cells(4), [Pool(runner, 2, stop=stop.set)], path, listener=Interrupted())
    # Cell 1 was ended with the run, so it has no record; cell 0 was done.
    assert [record["cell"]["seed"] for record in _lines(path)] == [0]


def test_a_record_that_cannot_be_written_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "r.jsonl"
    real, calls = __import__("os").write, []

    def write(handle: int, data: bytes) -> int:
        calls.append(1)
        if len(calls) == 3:
            real(handle, data[:10])  # the disk is full half-way
            raise OSError(28, "No space left on device")
        return int(real(handle, data))

    monkeypatch.setattr("foldtiny.bench.records.os.write", write)
    with pytest.raises(FoldtinyError) as caught:
        run(cells(5), [Pool(ok)], path)
    monkeypatch.undo()
    assert caught.value.message == f"cannot write {path}: no space left on device"
    assert [record["cell"]["seed"] for record in _lines(path)] == [0, 1]


def test_numbers_that_json_lacks_become_null(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    run(cells(1), [Pool(lambda *_: Outcome("ok", result={"x": [float("nan"), 1.5]}))], path)
    assert _lines(path)[0]["result"] == {"x": [None, 1.5]}


def test_a_damaged_line_and_another_schema_are_named(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text('{"schema": 1, "id": "a"}\nnonsense\n{"schema": 1, "id": "b"}\n')
    with pytest.raises(FoldtinyError) as caught:
        run(cells(1), [Pool(ok)], path, resume=True)
    assert caught.value.message == f"line 2 of {path} is not a record"
    path.write_text('{"schema": 2, "id": "a"}\n')
    with pytest.raises(FoldtinyError) as caught:
        run(cells(1), [Pool(ok)], path, resume=True)
    assert caught.value.message == f"line 1 of {path} has schema 2; this foldtiny reads schema 1"
