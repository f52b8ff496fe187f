"""``foldtiny deploy``: the whole way, and its result."""

from __future__ import annotations

import json
from typing import Any

from foldtiny import __version__, boards
from foldtiny.boards import Board
from foldtiny.device.target import Target, choose
from foldtiny.pipeline import hardware, interpret, within
from foldtiny.pipeline.board import BoardRun, run_on_board
from foldtiny.pipeline.model import ReadyModel, model_directory, prepare_folded, prepare_tflite
from foldtiny.pipeline.request import DeployRequest
from foldtiny.progress import Reporter, SilentReporter
from foldtiny.resources import write_atomic
from foldtiny.result import DeployResult, Parameters
from foldtiny.stages import StageRecord, exclusive


def deploy(request: DeployRequest, reporter: Reporter | None = None) -> DeployResult | None:
    """Fold, convert, compile, build, flash, run and measure.

    Parameters
    ----------
    request : DeployRequest
        What to deploy.
    reporter : Reporter, optional
        Told about each stage.

    Returns
    -------
    DeployResult or None
        The measured result, also written to ``result.json`` beside the project; None for a dry run, which stops
        before a board is touched.

    Raises
    ------
    FoldtinyError
        For everything that a user can mend, with the way out.
    """
    reporter = _Notes(reporter or SilentReporter())
    request.check()
    board = boards.get(request.board)
    target = choose(board, request.port, request.serial, flash=request.flash)
    if target.note is not None:
        reporter.note(target.note)
    # Folding takes a while: what is missing on this machine is said before.
    interpret.require(request, board, target)
    hardware.require(board, target)
    if request.folding.limits:
        return within.deploy(
            request, board, target, reporter, lambda plain, finish: _once(plain, board, target, reporter, finish)
        )
    return _once(request, board, target, reporter)


def _once(
    request: DeployRequest, board: Board, target: Target, reporter: _Notes, finish: within.Finish | None = None
) -> DeployResult | None:
    """Deploy at a given sparsity; ``finish`` completes the result before it is written."""
    prepare = prepare_tflite if request.tflite else prepare_folded
    with exclusive(model_directory(request)):
        model = prepare(request, reporter)
        run = run_on_board(request, board, model, target, reporter)
        if run is None:
            return None
        result = _assemble(request, board.name, model, run, reporter.texts)
        result = finish(result) if finish else result
        path = run.directory / "result.json"
        result.artefacts["result"] = str(path)
        write_atomic(path, json.dumps(result.to_dict(), indent=2, sort_keys=True) + "\n")
        return result


def _assemble(request: DeployRequest, board: str, model: ReadyModel, run: BoardRun, notes: list[str]) -> DeployResult:
    return DeployResult(
        board=board,
        source=run.source,
        device=run.device,
        runtime=request.runtime,
        precision=model.precision,
        model=model.name,
        method=model.method,
        sparsity=model.sparsity,
        parameters=model.parameters,
        macs=model.macs if model.macs.folded is not None else Parameters(run.macs, run.macs),
        accuracy=run.accuracy,
        flash_bytes=run.flash,
        ram_bytes=run.ram,
        latency=run.latency,
        bit_exact=run.bit_exact,
        layers=run.layers,
        memory=run.memory,
        footprint=run.footprint,
        folding=model.folding,
        optimize=run.optimize,
        artefacts={**model.artefacts, **run.artefacts},
        stages=[_stage(record) for record in (*model.records, *run.records)],
        notes=notes,
        foldtiny=__version__,
    )


def _stage(record: StageRecord) -> dict[str, Any]:
    return {
        "name": record.name,
        "summary": record.summary,
        "seconds": round(record.seconds, 3),
        "reused": record.reused,
    }


class _Notes:
    """Passes everything on and remembers the notes, which belong in the result too."""

    def __init__(self, inner: Reporter) -> None:
        self._inner = inner
        self.texts: list[str] = []
        self.start = inner.start
        self.progress = inner.progress
        self.done = inner.done

    def note(self, text: str) -> None:
        self.texts.append(text)
        self._inner.note(text)
