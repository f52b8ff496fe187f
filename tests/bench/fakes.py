"""Cells that cost nothing, and runners for them."""

from __future__ import annotations

import os
import time
from pathlib import Path

from foldtiny.bench import Cell, Outcome, Pool, run
from foldtiny.bench.run import Tell


def cells(count: int, **values: object) -> list[Cell]:
    """Return cells that differ in their seed."""
    return [Cell(**{"model": "m.tflite", "board": "nano33ble", "seed": seed, **values}) for seed in range(count)]  # type: ignore[arg-type]


def ok(cell: Cell, _: Tell) -> Outcome:
    """Measure nothing."""
    return Outcome("ok", command=f"cell {cell.seed}")


def work(folder: Path, count: int) -> None:
    """Run so many cells into ``folder/records.jsonl``; each says in ``folder/ran`` that it ran, as it ends."""
    journal = os.open(folder / "ran", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def runner(cell: Cell, tell: Tell) -> Outcome:
        time.sleep(0.002)
        # Some records are so big that a kill may cut their write.
        outcome = Outcome("ok", environment={"fill": "x" * (100_000 if cell.seed % 40 == 0 else 300)})
        os.write(journal, f"{cell.id}\n".encode())
        return outcome

    run(cells(count), [Pool(runner, 2)], folder / "records.jsonl", resume=True)
