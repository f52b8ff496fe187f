"""Records as ``foldtiny bench`` writes them, for tests of what is made of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from foldtiny.bench.cell import Cell, command
from foldtiny.result import Accuracy, BitExact, DeployResult, FlashBytes, Latency, Parameters, RamBytes


def ok(
    board: str = "nano33ble",
    sparsity: float = 0.25,
    *,
    flash: int = 819_640,
    ram: int = 8_852,
    instructions: int | None = 2_064_600,
    ms: float = 32.26,
    accuracy: float | None = 0.9285,
    source: str = "simulated",
    **cell: Any,
) -> dict[str, Any]:
    """Return the record of a cell that went well."""
    result = DeployResult(
        board=board,
        source=source,
        device="QEMU",
        runtime="aot",
        precision="int8",
        model="lenet5",
        method="combination",
        sparsity=sparsity,
        parameters=Parameters(979_690, 733_687),
        macs=Parameters(3_826_432, 2_912_740),
        accuracy=Accuracy(0.934, 0.93, accuracy, 2000, "Fashion-MNIST"),
        flash_bytes=FlashBytes(flash, flash - 10_000, 4_000, 983_040),
        ram_bytes=RamBytes(ram, ram - 1_000, ram - 500, 500, 262_144),
        latency=Latency(instructions, ms, 32, "simulated", ms, ms + 1),
        bit_exact=BitExact(32, 32, "TFLite Micro"),
        artefacts={},
        stages=[{"name": "fold", "summary": "", "seconds": 1.5, "reused": False}],
        optimize="speed",
    )
    about = {"count": 32, "median_ms": ms, "p95_ms": ms + 1, "min_ms": ms, "source": source}
    record = _record(_cell(board, sparsity, cell), "ok")
    return json.loads(json.dumps({**record, "result": result.to_dict(), "repetitions": about}))


def failed(board: str = "esp-eye", message: str = "it does not fit", **cell: Any) -> dict[str, Any]:
    """Return the record of a cell that failed."""
    record = _record(_cell(board, 0.25, cell), "failed")
    return {**record, "error": {"type": "BuildError", "message": message, "hint": "fold more"}}


def write(path: Path, *records: dict[str, Any]) -> Path:
    """Write a file of records."""
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def _cell(board: str, sparsity: float, values: dict[str, Any]) -> Cell:
    usual = {"model": "default", "method": "combination", "budget": "uniform", "repair": "none", "precision": "int8"}
    return Cell(**{**usual, "board": board, "sparsity": sparsity, **values})


def _record(cell: Cell, status: str) -> dict[str, Any]:
    return {
        "schema": 1,
        "id": cell.id,
        "cell": cell.to_dict(),
        "status": status,
        "error": None,
        "result": None,
        "repetitions": None,
        "environment": {"foldtiny": "0.1.0"},
        "started": "2026-01-02T03:04:05+00:00",
        "seconds": 12.5,
        "command": command(cell.request(Path("build/bench"))),
    }
