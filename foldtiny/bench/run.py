"""Runs cells side by side where their devices and folders allow it, and records each as soon as it has ended."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from foldtiny.bench.cell import Cell
from foldtiny.bench.records import SCHEMA, Record, RecordFile
from foldtiny.errors import FoldtinyError

Tell = Callable[[str], None]
"""Called with the name of the stage at work."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one cell ended: what its record says beside the cell itself."""

    status: str
    error: dict[str, str] | None = None
    result: dict[str, Any] | None = None
    repetitions: dict[str, Any] | None = None
    environment: dict[str, Any] = field(default_factory=dict)
    command: str = ""

    @staticmethod
    def failed(error: Exception, environment: dict[str, Any] | None = None, command: str = "") -> Outcome:
        """Return the outcome of a cell that raised an error."""
        if isinstance(error, FoldtinyError):
            message, hint = error.message, error.hint
        else:
            message = f"foldtiny failed unexpectedly: {type(error).__name__}: {error}"
            hint = "this is a bug: please report it with what the cell's command prints with --debug"
        about = {"type": type(error).__name__, "message": message, "hint": hint}
        return Outcome("failed", error=about, environment=environment or {}, command=command)


Runner = Callable[[Cell, Tell], Outcome]


@dataclass(frozen=True, slots=True)
class Pool:
    """Something that runs up to ``slots`` of the cells that it ``takes`` at a time; ``stop`` ends those at work."""

    runner: Runner
    slots: int = 1
    takes: Callable[[Cell], bool] = lambda _: True
    stop: Callable[[], None] = lambda: None


class Listener(Protocol):
    """Who is told how the run goes; called by one thread at a time."""

    def started(self, cell: Cell) -> None:
        """Announce that a cell has begun."""

    def stage(self, cell: Cell, stage: str) -> None:
        """Announce that a cell has come to a stage."""

    def ended(self, cell: Cell, record: Record, done: int, total: int) -> None:
        """Announce that a cell has ended and is recorded."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run did: the records of its cells (also those of an earlier run that were skipped), in matrix order."""

    path: Path
    records: tuple[Record, ...]
    skipped: int

    @property
    def failed(self) -> int:
        """How many cells failed."""
        return sum(record["status"] != "ok" for record in self.records)

    def to_dict(self) -> dict[str, Any]:
        """Return the summary as plain JSON values."""
        ok = len(self.records) - self.failed
        counts = {"cells": len(self.records), "ok": ok, "failed": self.failed, "skipped": self.skipped}
        return {"path": str(self.path), **counts, "records": list(self.records)}


def run(
    cells: Sequence[Cell],
    pools: Sequence[Pool],
    path: Path,
    *,
    resume: bool = False,
    device: Callable[[Cell], str | None] = lambda _: None,
    environment: Mapping[str, Any] | None = None,
    listener: Listener | None = None,
) -> Summary:
    """Run every cell that is not recorded as ok yet.

    A device does one cell at a time; of cells that share the board-free stages, the first runs alone, so that the
    others find its work. A failed cell stops no other.

    Parameters
    ----------
    cells : sequence of Cell
        Cells with the same id are run once.
    pools : sequence of Pool
        Each cell goes to the first that takes it.
    path : Path
        The file of records.
    resume : bool
        Go on with an existing file: cells recorded as ok are skipped, failed ones run again.
    device : callable, optional
        The device of a cell, None where nothing is shared (a twin).
    environment : mapping, optional
        Added to the environment of each record.
    listener : Listener, optional

    Raises
    ------
    UsageError, DataError, FoldtinyError
        If the file of records cannot be used; see ``RecordFile``.
    """
    wanted = {cell.id: cell for cell in cells}
    with RecordFile(path, resume=resume) as records:
        done = {record["id"]: record for record in records.found if record["id"] in wanted and record["status"] == "ok"}
        pending = [cell for id, cell in wanted.items() if id not in done]
        skipped = len(done)
        work = _Work(pending, pools, records, device, dict(environment or {}), listener, done, len(wanted))
        work.run()
        records.compact()
    return Summary(path, tuple(work.done[id] for id in wanted), skipped)


class _Work:
    """The state of a run; everything that threads share is touched with ``_changed`` held."""

    def __init__(
        self,
        pending: list[Cell],
        pools: Sequence[Pool],
        records: RecordFile,
        device: Callable[[Cell], str | None],
        environment: dict[str, Any],
        listener: Listener | None,
        done: dict[str, Record],
        total: int,
    ) -> None:
        self.done = done
        self._pending = {cell.id: cell for cell in pending}
        self._pools, self._records = list(enumerate(pools)), records
        self._environment, self._listener, self._total = environment, listener, total
        self._changed = threading.Condition()
        self._shared = {cell.id: cell.shared for cell in pending}
        self._devices = {cell.id: device(cell) for cell in pending}
        self._running: dict[str, tuple[int, Cell, threading.Thread]] = {}
        self._tried: set[str] = set()
        self._error: BaseException | None = None
        self._stopping = False

    def run(self) -> None:
        """Run everything; on an interrupt or a full disk, end what is at work and raise."""
        try:
            with self._changed:
                while (self._pending or self._running) and self._error is None:
                    self._start_what_can()
                    self._changed.wait()
            if self._error is not None:
                raise self._error
        finally:
            with self._changed:
                self._stopping = True
                threads = [thread for _, _, thread in self._running.values() if thread.ident is not None]
            if threads:
                for _, pool in self._pools:
                    pool.stop()
            for thread in threads:
                thread.join()

    def _start_what_can(self) -> None:
        devices = {self._devices[id] for id in self._running} - {None}
        first = {self._shared[id] for id in self._running} - self._tried
        free = [pool.slots - sum(at == number for at, _, _ in self._running.values()) for number, pool in self._pools]
        for id, cell in list(self._pending.items()):
            if not any(free):
                break
            number, pool = next((number, pool) for number, pool in self._pools if pool.takes(cell))
            device, shared = self._devices[id], self._shared[id]
            if not free[number] or device in devices or shared in first:
                continue
            del self._pending[id]
            free[number] -= 1
            devices |= {device} - {None}
            first |= {shared} - self._tried
            thread = threading.Thread(target=self._work, args=(pool, cell), name=cell.label)
            self._running[id] = (number, cell, thread)
            if self._listener is not None:
                self._listener.started(cell)
            thread.start()

    def _work(self, pool: Pool, cell: Cell) -> None:
        started, began = datetime.now(UTC), time.monotonic()
        try:
            outcome = pool.runner(cell, lambda stage: self._tell(cell, stage))
        except Exception as error:
            outcome = Outcome.failed(error)
        record: Record = {
            "schema": SCHEMA,
            "id": cell.id,
            "cell": cell.to_dict(),
            "status": outcome.status,
            "error": outcome.error,
            "result": outcome.result,
            "repetitions": outcome.repetitions,
            "environment": {**outcome.environment, **self._environment},
            "started": started.isoformat(timespec="seconds"),
            "seconds": round(time.monotonic() - began, 3),
            "command": outcome.command,
        }
        with self._changed:
            try:
                if not self._stopping:  # a cell that was ended with the run has no result
                    self._records.append(record)
                    self.done[cell.id] = record
                    if self._listener is not None:
                        self._listener.ended(cell, record, len(self.done), self._total)
            except BaseException as error:
                self._error = self._error or error
            finally:
                self._tried.add(self._shared[cell.id])
                del self._running[cell.id]
                self._changed.notify_all()

    def _tell(self, cell: Cell, stage: str) -> None:
        with self._changed:
            if self._listener is not None and not self._stopping:
                self._listener.stage(cell, stage)
