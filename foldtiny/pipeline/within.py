"""Folding to limits: the search as a stage of a deployment, and the last word of the real, folded network."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from foldtiny import boards
from foldtiny.boards import Board
from foldtiny.device.target import Target
from foldtiny.device.versions import program_version
from foldtiny.errors import UsageError
from foldtiny.pipeline import model, search, steps
from foldtiny.pipeline.limits import Limits
from foldtiny.pipeline.request import DeployRequest, FoldOptions
from foldtiny.pipeline.trial import SCALE, Trials, basis, need_of
from foldtiny.progress import ProgressFn, Reporter, SilentReporter
from foldtiny.result import Candidate, DeployResult, Search
from foldtiny.stages import StageOutput, StageRecord, Workspace, exclusive

if TYPE_CHECKING:
    from foldtiny.zoo.checkpoint import LoadedModel

# A folded network takes what the placeholder of its widths took, to a few bytes; each correction is a whole fold.
_CORRECTIONS = 8

_SOURCES = ("fold", "zoo", "convert", "aot", "project", "firmware", "templates", "device")

Finish = Callable[[DeployResult], DeployResult]
Once = Callable[[DeployRequest, Finish], DeployResult | None]


def deploy(request: DeployRequest, board: Board, target: Target, reporter: Reporter, once: Once) -> DeployResult | None:
    """Search, then deploy the largest network that fits; what is measured at the end has to keep the limits.

    Parameters
    ----------
    request : DeployRequest
        With limits.
    board, target, reporter
        As for any deployment.
    once : callable
        Deploys at a given sparsity; calls the function that it gets with the result before it writes it.

    Raises
    ------
    FoldError
        If nothing fits.
    """
    limits = _limits(request.folding)
    if request.dry_run and target.port is not None and (limits.ram_bytes or limits.ms):
        raise UsageError(
            "--max-ram and --max-ms are measured on the board, and --dry-run leaves it alone",
            "leave out --dry-run, or search on the simulated twin with --port sim",
        )
    found, last = _search(request, board, target, reporter)
    step, name = round(found.sparsity * SCALE), model.model_name(request.model)
    for _ in range(_CORRECTIONS):
        folding = dataclasses.replace(request.folding, sparsity=step / SCALE, limits=None)
        plain = dataclasses.replace(request, folding=folding, optimize=found.optimize)
        result = once(plain, partial(_judged, found=found, limits=limits, step=step))
        if result is None:
            return None
        assert result.search is not None
        found, real = result.search, result.search.candidates[-1]
        if real.fits:
            return result
        reporter.note(f"folded, {search.over(real, limits, board)}: a little more has to go")
        step = min(last, step + _more(real.need, step))
    raise search.nothing_fits(name, board, limits, list(found.candidates[-_CORRECTIONS:]))


def fold(
    request: DeployRequest, loaded: LoadedModel, path: Path, fold_to: Callable[[FoldOptions], StageOutput],
    class_names: tuple[str, ...], unlabelled: npt.NDArray[np.float32] | None,
    calibration: npt.NDArray[np.float32] | None, progress: ProgressFn,
) -> StageOutput:  # fmt: skip
    """Fold a network to limits on the simulated twin of a board, without deploying it.

    Parameters
    ----------
    request : DeployRequest
        Board, model and limits.
    loaded : LoadedModel
        The trained network.
    path : Path
        Where ``fold_to`` writes the folded network.
    fold_to : callable
        Folds with given options.
    class_names, unlabelled, calibration
        As the deployment of this network would have them.
    progress : callable

    Raises
    ------
    FoldError
        If nothing fits.
    """
    from foldtiny.zoo import checkpoint

    request.check()
    limits, board, target = _limits(request.folding), boards.get(request.board), Target()
    name = model.model_name(request.model)
    with tempfile.TemporaryDirectory(prefix="foldtiny-") as folder:
        trials = _trials(
            request, board, target, Path(folder), loaded, name, class_names, unlabelled, calibration, SilentReporter()
        )
        found = search.solve(
            trials.at, trials.last, limits, progress, name=name, board=board, basis=basis(board, target)
        )
        step = round(found.sparsity * SCALE)
        for _ in range(_CORRECTIONS):
            done = fold_to(dataclasses.replace(request.folding, sparsity=step / SCALE, limits=None))
            progress("holding the folded network against the limits", 0.97)
            folded = checkpoint.load(path, trusted_factory=request.model if ":" in request.model else None)
            parameters = done.result["report"]["parameters_folded"]
            real = trials.of(folded.module, step, parameters, "folded")
            found = search.with_real(found, real)
            if real.fits:
                result = {**done.result, "search": dataclasses.asdict(found)}
                return StageOutput(result, f"{search.summary(found)}; {done.summary}", done.files)
            step = min(trials.last, step + _more(real.need, step))
    raise search.nothing_fits(name, board, limits, list(found.candidates[-_CORRECTIONS:]))


def _search(request: DeployRequest, board: Board, target: Target, reporter: Reporter) -> tuple[Search, int]:
    """Run the search as a stage; return what it found and the last step that some width reaches."""
    directory = model.model_directory(request)
    limits = _limits(request.folding)
    with exclusive(directory):
        source = model.open_source(request, Workspace(directory, reporter, reuse=request.reuse))
        spec = request.data or source.dataset
        images = steps.test_images(spec, source.input_shape, source.record.result["classes"])
        unlabelled = steps.repair_images(request.folding, spec, source.input_shape)
        names = source.class_names or (images.class_names if images else ())
        place = directory / f"{board.name}-{request.runtime}"

        def run(progress: ProgressFn) -> StageOutput:
            calibration = steps.calibration_images(spec, source.input_shape)
            trials = _trials(
                request, board, target, place / "project", source.load(), source.name, names, unlabelled, calibration,
                reporter,
            )  # fmt: skip
            found = search.solve(
                trials.at, trials.last, limits, progress, name=source.name, board=board, basis=basis(board, target)
            )
            return StageOutput({"search": dataclasses.asdict(found), "last": trials.last}, search.summary(found))

        # What happens on a real board is never taken from an earlier run.
        workspace = Workspace(place, reporter, reuse=request.reuse and target.port is None)
        record: StageRecord = workspace.run(
            "search", run, inputs=_inputs(request, board, source.identity, unlabelled, names), code=_SOURCES
        )
    return Search.from_dict(record.result["search"]), int(record.result["last"])


def _inputs(
    request: DeployRequest, board: Board, identity: str, unlabelled: Any, names: tuple[str, ...]
) -> dict[str, Any]:
    folding = request.folding
    return {
        "model": identity,
        "limits": _limits(folding).to_dict(),
        "budget": folding.budget,
        "seed": [request.seed, folding.seed],
        "unlabelled": None if unlabelled is None else model.array_hash(unlabelled),
        "board": board.model_dump(mode="json"),
        "precision": request.precision,
        "optimize": request.optimize,
        "profile": request.profile,
        "class_names": list(names),
        "tools": [program_version(board.simulator.compiler), program_version(board.simulator.command[0])],
    }


def _trials(
    request: DeployRequest, board: Board, target: Target, directory: Path, loaded: LoadedModel, title: str,
    class_names: tuple[str, ...], unlabelled: npt.NDArray[np.float32] | None,
    calibration: npt.NDArray[np.float32] | None, reporter: Reporter,
) -> Trials:  # fmt: skip
    import torch

    from foldtiny.fold.candidates import Candidates

    folding, example = request.folding, torch.zeros(1, *loaded.input_shape)
    candidates = Candidates(loaded.module, example, budget=folding.budget, images=unlabelled, seed=folding.seed)
    return Trials(
        request, board, target, directory, candidates, loaded.input_shape, calibration, title, class_names, reporter
    )


def _judged(result: DeployResult, found: Search, limits: Limits, step: int) -> DeployResult:
    """Return a result with its search, to which what was deployed is added as one more candidate."""
    estimated = result.latency.estimated
    ms = estimated.ms_high if estimated else result.latency.ms
    flash, ram = result.flash_bytes.total, result.ram_bytes.total
    need = need_of(limits, flash, ram, ms)
    real = Candidate(
        step / SCALE, result.parameters.folded or 0, result.optimize, flash, ram, ms, need, need <= 1.0,
        weights="folded",
    )  # fmt: skip
    return dataclasses.replace(result, search=search.with_real(found, real))


def _more(need: float, step: int) -> int:
    """Return by how many steps to go on where the real network needs a bit more than was thought."""
    return max(1, round((need - 1.0) * (SCALE - step)))


def _limits(folding: FoldOptions) -> Limits:
    assert folding.limits is not None
    return folding.limits
