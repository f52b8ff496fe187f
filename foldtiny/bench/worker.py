"""Runs one cell in a process of its own: a crash, a lack of memory or a stray print of a library stays its own.

``python -m foldtiny.bench.worker`` reads the job as one JSON object on stdin and writes one per line on stdout: a
``stage`` for each stage that begins, at the end the ``outcome``.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from pathlib import Path
from typing import Any

from foldtiny import boards
from foldtiny.bench import environment, share
from foldtiny.bench.cell import Cell, command
from foldtiny.bench.run import Outcome, Tell
from foldtiny.bench.upload import build_and_upload
from foldtiny.device.target import Target, choose
from foldtiny.pipeline import DeployRequest, deploy
from foldtiny.pipeline.model import model_directory
from foldtiny.progress import SilentReporter
from foldtiny.result import DeployResult

SHARED = "shared"


def execute(cell: Cell, output: Path, tell: Tell, *, simulated: bool = False) -> Outcome:
    """Deploy one cell and say how it ended; nothing is raised for what goes wrong with it.

    Parameters
    ----------
    cell : Cell
    output : Path
        Folder of the whole benchmark.
    tell : callable
        Called with the name of each stage that begins.
    simulated : bool
        Run on the twin, whatever is connected.
    """
    request = cell.request(output, simulated=simulated)
    line = command(request)
    target: Target | None = None
    try:
        board = boards.get(cell.board)
        target = choose(board, request.port, request.serial, flash=request.flash)
        if target.port is not None:
            request = dataclasses.replace(request, runs=cell.runs * cell.repeat)
        line = command(request)
        folder, store = model_directory(request), output / SHARED / cell.shared
        share.take(store, folder)
        reporter = _Reporter(tell)
        try:
            if cell.upload:
                line = build_and_upload(cell.upload, board, request, reporter)
            result = deploy(request, reporter)
        finally:
            share.give(folder, store)
        assert result is not None  # only a dry run has none
    except Exception as error:
        return Outcome.failed(error, environment.describe(cell, target), line)
    about = environment.describe(cell, target, result)
    return Outcome("ok", None, result.to_dict(), repetitions(cell, request, result), about, line)


def repetitions(cell: Cell, request: DeployRequest, result: DeployResult) -> dict[str, Any]:
    """Return the times of one inference over all repetitions, and what kind of repetition they are."""
    latency = result.latency
    if result.source == "hardware":
        source = f"hardware: times of single inferences by the board's own clock, {cell.repeat} x {cell.runs}"
    elif request.runs > cell.runs:
        source = f"simulated: a twin on a port, {cell.repeat} x {cell.runs} inferences"
    else:
        source = "simulated: a twin is deterministic, so the inputs ran once whatever --repeat says"
    return {
        "count": latency.runs,
        "median_ms": latency.ms,
        "p95_ms": latency.ms_p95,
        "min_ms": latency.ms_min,
        "source": source,
    }


class _Reporter(SilentReporter):
    def __init__(self, tell: Tell) -> None:
        self._tell = tell

    def start(self, stage: str) -> None:
        """Pass the name on."""
        self._tell(stage)


def main() -> None:
    """Run the job on stdin."""
    # What libraries print, from C too, must not get between the lines.
    lines = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def write(**message: Any) -> None:
        lines.write(json.dumps(message) + "\n")
        lines.flush()

    job = json.load(sys.stdin)
    outcome = execute(
        Cell.from_dict(job["cell"]), Path(job["output"]), lambda stage: write(stage=stage), simulated=job["simulated"]
    )
    write(outcome=dataclasses.asdict(outcome))


if __name__ == "__main__":
    main()
