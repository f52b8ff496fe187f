"""The single-step commands: open what the user named, run one step, return its output."""

from __future__ import annotations

from pathlib import Path

from foldtiny import boards
from foldtiny.pipeline import steps
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
) -> StageOutput:
    """Fold a network and write the folded checkpoint; see ``steps.fold``."""
    options.check()
    loaded = checkpoint.load_model(model, weights, input_shape)
    spec = data_spec or steps.own_data(loaded.metadata.get("data"))
    images = steps.test_images(spec, loaded.input_shape, loaded.classes)
    unlabelled = steps.repair_images(options, spec, loaded.input_shape)
    return steps.fold(loaded, path, images, unlabelled, options, progress)


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
