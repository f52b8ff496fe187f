"""The single-step commands: open what the user named, run one step, return its output."""

from __future__ import annotations

from pathlib import Path

from foldtiny import boards
from foldtiny.errors import UsageError
from foldtiny.pipeline import steps, within
from foldtiny.pipeline.request import DeployRequest, FoldOptions, Shape
from foldtiny.progress import ProgressFn
from foldtiny.stages import StageOutput
from foldtiny.zoo import checkpoint


def fold(
    model: str,
    weights: Path | None,
    input_shape: Shape | None,
    data_spec: str | None,
    path: Path,
    options: FoldOptions,
    progress: ProgressFn,
    *,
    board: str | None = None,
    save_images: Path | None = None,
) -> StageOutput:
    """Fold a network and write the folded checkpoint; see ``steps.fold``.

    ``save_images`` names a picture for the images that ``repair="dir"`` works with. With limits among the options, to
    the largest network that keeps them on ``board``; see ``within.fold``.
    """
    options.check()
    if options.limits and board is None:
        raise UsageError(
            "--max-flash, --max-ram and --max-ms need a board: it decides what a network takes",
            "name it with --board (see `foldtiny boards`)",
        )
    if board is not None and not options.limits:
        raise UsageError(
            "--board only goes with --max-flash, --max-ram or --max-ms: folding to a --sparsity is the same for all",
            "leave it out, or give a limit instead of --sparsity",
        )
    if save_images is not None and options.repair != "dir":
        raise UsageError(
            f"--save-images has nothing to save: --repair {options.repair} makes no images",
            "leave it out, or repair with --repair dir",
        )
    loaded = checkpoint.load_model(model, weights, input_shape)
    spec = data_spec or steps.own_data(loaded.metadata.get("data"))
    images = steps.test_images(spec, loaded.input_shape, loaded.classes)
    unlabelled = steps.repair_images(options, spec, loaded.input_shape)

    def fold_to(chosen: FoldOptions) -> StageOutput:
        return steps.fold(loaded, path, images, unlabelled, chosen, progress, save_images)

    if board is None:
        return fold_to(options)
    request = DeployRequest(board, options, model, weights, input_shape, data=data_spec, port="sim")
    names = loaded.class_names or (images.class_names if images else ())
    calibration = steps.calibration_images(spec, loaded.input_shape)
    return within.fold(request, loaded, path, fold_to, names, unlabelled, calibration, progress)


def convert(
    model: str,
    weights: Path | None,
    input_shape: Shape | None,
    data_spec: str | None,
    path: Path,
    precision: str,
    *,
    seed: int,
    progress: ProgressFn,
) -> StageOutput:
    """Convert a network and write the .tflite file; see ``steps.convert``."""
    DeployRequest(board="", precision=precision).check()
    loaded = checkpoint.load_model(model, weights, input_shape)
    spec = data_spec or steps.own_data(loaded.metadata.get("data"))
    calibration = steps.calibration_images(spec, loaded.input_shape)
    return steps.convert(loaded, path, calibration, precision=precision, seed=seed, progress=progress)


def compile_tflite(
    tflite: Path,
    board_name: str,
    path: Path,
    optimize: str,
    *,
    profile: bool = False,
    fuse: bool = True,
    plot_memory: Path | None = None,
) -> StageOutput:
    """Compile a .tflite file and write the project; see ``steps.compile_project``."""
    board = boards.get(board_name)
    DeployRequest(board=board_name, optimize=optimize).check()
    return steps.compile_project(
        steps.read_tflite(tflite),
        board,
        path,
        title=tflite.stem,
        optimize=optimize,
        profile=profile,
        fuse=fuse,
        plot_memory=plot_memory,
    )
