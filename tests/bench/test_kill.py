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


def test_fifty_kills_lose_and_duplicate_nothing(context: Any, tmp_path: Path, record_property: Any) -> None:
    draw = random.Random(7)
    path = tmp_path / "records.jsonl"
    before: list[str] = []
    killed = torn = again = 0
    while killed < KILLS:
        process = context.Process(target=fakes.work, args=(tmp_path, CELLS))
        process.start()
        if draw.random() < 0.8:  # at work; otherwise also while it starts and reads what there is
            _wait_for_work(tmp_path / "ran", process)
        time.sleep(draw.uniform(0.0, 0.1))
        assert process.exitcode in (None, 0)
        if process.exitcode is None:
            process.kill()
        process.join()
        killed += process.exitcode == -signal.SIGKILL
        content = path.read_bytes() if path.exists() else b""
        torn += not content.endswith(b"\n")
        found = [record["id"] for record in records.read(path)] if path.exists() else []
        assert found[: len(before)] == before, "a record that was there is gone"
        assert len(set(found)) == len(found), "a cell is recorded twice"
        ran = Counter((tmp_path / "ran").read_text().split()) if (tmp_path / "ran").exists() else Counter()
        # What ran to its end but is not on record was in progress: at most one cell for each slot.
        assert len(set(ran) - set(found)) <= AT_A_TIME
        again = sum(ran.values()) - len(ran)
        before = found
    assert 0 < len(before) < CELLS, "the kills must hit runs at work"
    assert again <= killed * AT_A_TIME
    process = context.Process(target=fakes.work, args=(tmp_path, CELLS))
    process.start()
    process.join(120)
    assert process.exitcode == 0
    final = [json.loads(line)["id"] for line in path.read_text().splitlines()]
    assert Counter(final) == Counter(cell.id for cell in fakes.cells(CELLS))
    assert final[: len(before)] == before
    record_property(
        "figure",
        f"bench: {killed} kills -9 at random moments with {len(before)} of {CELLS} cells recorded between them: "
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
