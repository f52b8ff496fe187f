"""`kill -9` at random moments loses nothing and duplicates nothing."""

from __future__ import annotations

import json
import multiprocessing
import random
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from foldtiny.bench import records
from tests.bench import fakes

KILLS = 50
CELLS = 1000
AT_A_TIME = 2


@pytest.fixture(scope="module")
def context() -> Any:
    """Processes that are forked from one that has imported everything already."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["foldtiny.bench"])
    return context


def _wait_for_work(journal: Path, process: Any) -> None:
    def size() -> int:
        return journal.stat().st_size if journal.exists() else 0

    before = size()
    while size() == before and process.exitcode is None:
        time.sleep(0.002)


def _start(context: Any, folder: Path) -> Any:
    process = context.Process(target=fakes.work, args=(folder, CELLS))
    process.start()
    return process


def _journal(folder: Path) -> list[str]:
    journal = folder / "ran"
    return journal.read_text().split() if journal.exists() else []


def _run_to_the_end(context: Any, folder: Path, before: list[str]) -> None:
    """Every cell is recorded once then, and what was recorded is where it was."""
    process = _start(context, folder)
    process.join(120)
    assert process.exitcode == 0
    final = [json.loads(line)["id"] for line in (folder / "records.jsonl").read_text().splitlines()]
    assert Counter(final) == Counter(cell.id for cell in fakes.cells(CELLS))
    assert final[: len(before)] == before


def test_fifty_kills_lose_and_duplicate_nothing(context: Any, tmp_path: Path, record_property: Any) -> None:
    draw = random.Random(7)
    folders = [tmp_path]
    before: list[str] = []
    killed = torn = recorded = 0
    while killed < KILLS:
        if len(before) == CELLS:  # A fast machine has nothing left to kill: another matrix.
            _run_to_the_end(context, folders[-1], before)
            folders.append(folders[-1] / "next")
            folders[-1].mkdir()
            before = []
        folder = folders[-1]
        path = folder / "records.jsonl"
        process = _start(context, folder)
        if draw.random() < 0.8:  # at work; otherwise also while it starts and reads what there is
            _wait_for_work(folder / "ran", process)
        time.sleep(draw.uniform(0.0, 0.1))
        assert process.exitcode in (None, 0)
        if process.exitcode is None:
            process.kill()
        process.join()
        killed += process.exitcode == -signal.SIGKILL
        content = path.read_bytes() if path.exists() else b""
        torn += bool(content) and not content.endswith(b"\n")
        found = [record["id"] for record in records.read(path)] if path.exists() else []
        assert found[: len(before)] == before, "a record that was there is gone"
        assert len(set(found)) == len(found), "a cell is recorded twice"
        # What ran to its end but is not on record was in progress: at most one cell for each slot.
        assert len(set(_journal(folder)) - set(found)) <= AT_A_TIME
        recorded += len(found) - len(before)
        before = found
    again = sum(len(ran) - len(set(ran)) for ran in map(_journal, folders))
    assert recorded > 0, "the kills must hit runs at work"
    assert again <= killed * AT_A_TIME
    _run_to_the_end(context, folders[-1], before)
    record_property(
        "figure",
        f"bench: {killed} kills -9 at random moments with {recorded} cells recorded between them: "
        f"0 records lost, 0 duplicated, {again} cells in progress run again, {torn} torn lines dropped",
    )


@pytest.mark.parametrize("whole", [1, 3])
def test_a_last_line_torn_at_any_byte_is_dropped(tmp_path: Path, whole: int) -> None:
    path = tmp_path / "records.jsonl"
    lines = [json.dumps({"schema": 1, "id": str(number), "status": "ok"}).encode() + b"\n" for number in range(4)]
    kept = b"".join(lines[:whole])
    for cut in range(len(lines[whole])):
        path.write_bytes(kept + lines[whole][:cut])
        # Only the newline is missing: that record is whole.
        complete = cut == len(lines[whole]) - 1
        assert [record["id"] for record in records.read(path)] == [str(n) for n in range(whole + complete)]
        with records.RecordFile(path, resume=True) as opened:
            opened.append({"schema": 1, "id": "new", "status": "ok"})
        ids = [json.loads(line)["id"] for line in path.read_text().splitlines()]
        assert ids == [*map(str, range(whole + complete)), "new"]
