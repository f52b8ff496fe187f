"""The single steps, as `foldtiny fold`, `convert` and `compile` run them and as `deploy` chains them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from foldtiny import data, data_pictures
from foldtiny.data import ImageSet
from foldtiny.errors import DataError, FoldError, UsageError, reason
from foldtiny.pipeline import memory, profiles
from foldtiny.pipeline.request import FoldOptions, Shape
from foldtiny.progress import ProgressFn
from foldtiny.resources import write_atomic
from foldtiny.stages import StageOutput

if TYPE_CHECKING:
    from foldtiny.aot import CompiledModel
    from foldtiny.boards import Board
    from foldtiny.zoo.checkpoint import LoadedModel

# What a real board's framework takes beside the network (Arduino on mbed OS is the largest); room is left for it even
# on the twin, so that both run the same code.
FRAMEWORK_FLASH_BYTES = 128 * 1024
FRAMEWORK_RAM_BYTES = 64 * 1024


def fold(
    loaded: LoadedModel,
    path: Path,
    images: ImageSet | None,
    unlabelled: npt.NDArray[np.float32] | None,
    options: FoldOptions,
    progress: ProgressFn,
    save_images: Path | None = None,
) -> StageOutput:
    """Fold a network, measure its accuracy before and after on labelled images, and write the folded checkpoint.

    ``unlabelled`` images are for the repairs that need some; folding itself gets none. ``save_images`` names a picture
    for those that ``repair="dir"`` made.

    Raises
    ------
    FoldError
        If images are to be saved and the repair made none.
    """
    import torch

    from foldtiny.evaluate import accuracy
    from foldtiny.fold import fold as fold_module
    from foldtiny.zoo import checkpoint

    example = torch.zeros(1, *loaded.input_shape)
    folded = fold_module(
        loaded.module,
        example,
        sparsity=options.fraction,
        method=options.method,
        budget=options.budget,
        repair=options.repair,
        images=unlabelled,
        seed=options.seed,
        progress=progress,
    )
    if save_images is not None:
        if folded.images is None:
            why = "; ".join(folded.report.notes) or "it had nothing to do"
            raise FoldError(f"--save-images has nothing to save: {why}", "leave it out")
        data_pictures.write_grid(save_images, folded.images)
    measured: dict[str, Any] = {}
    if images is not None and images.labels is not None:
        progress("accuracy before folding", 0.8)
        measured["dense"] = accuracy(loaded.module, images.images, images.labels)
        progress("accuracy after folding", 0.9)
        measured["folded"] = accuracy(folded.module, images.images, images.labels)
        measured |= {"images": len(images.images), "dataset": images.name}
    report = folded.report
    checkpoint.save(
        path,
        folded.module,
        architecture=loaded.architecture,
        config=loaded.config,
        input_shape=loaded.input_shape,
        classes=loaded.classes,
        class_names=loaded.class_names,
        metadata={**loaded.metadata, "folded_from": loaded.sha256, "sparsity": report.sparsity},
    )
    written = (path,) if save_images is None else (path, save_images)
    removed = f"{report.parameters_dense:,} → {report.parameters_folded:,} parameters ({report.sparsity:.1%} removed)"
    scores = f", accuracy {measured['dense']:.2%} → {measured['folded']:.2%}" if measured else ""
    return StageOutput({"report": report.to_dict(), "accuracy": measured}, removed + scores, written)


def convert(
    loaded: LoadedModel,
    path: Path,
    calibration: npt.NDArray[np.float32] | None,
    *,
    precision: str,
    seed: int,
    progress: ProgressFn,
) -> StageOutput:
    """Convert a network to a checked .tflite file and write it."""
    from foldtiny.convert import convert as convert_module

    model = convert_module(
        loaded.module,
        loaded.input_shape,
        precision=precision,
        calibration=calibration,
        seed=seed,
        progress=progress,
    )
    write_atomic(path, model.data)
    report = model.report
    summary = f"{precision} .tflite, {len(model.data):,} B; float32 within {report.max_abs_difference:.0e} of torch"
    if precision == "int8":
        summary += (
            f", int8 agrees on {report.agreement:.1%} of {report.images} images; calibration: {report.calibration}"
        )
    return StageOutput(report.to_dict(), summary, (path,))


def compile_project(
    content: bytes,
    board: Board,
    directory: Path,
    *,
    title: str,
    optimize: str,
    class_names: tuple[str, ...] = (),
    profile: bool = False,
    fuse: bool = True,
    plot_memory: Path | None = None,
) -> StageOutput:
    """Compile a .tflite file to C and write the PlatformIO project.

    ``profile`` builds it so that the firmware times each layer; ``plot_memory`` names a picture of the memory plan.
    Without ``fuse``, each operator is a layer and each tensor is whole (see ``aot.compile_tflite``).
    """
    compiled, optimized = compile_model(content, board, optimize, profile, fuse)
    return write_project(
        compiled,
        optimized,
        content,
        board,
        directory,
        title=title,
        class_names=class_names,
        profile=profile,
        plot_memory=plot_memory,
    )


def write_project(
    compiled: CompiledModel,
    optimized: str,
    content: bytes,
    board: Board,
    directory: Path,
    *,
    title: str,
    class_names: tuple[str, ...] = (),
    profile: bool = False,
    plot_memory: Path | None = None,
) -> StageOutput:
    """Write the PlatformIO project of a compiled network; ``optimized`` says what it was compiled for."""
    from foldtiny import project

    if plot_memory is not None:
        from foldtiny.aot import picture

        picture.write(compiled, plot_memory, title)
    flags = ("-DMODEL_PROFILE",) if profile else ()
    rendered = project.render(
        board, compiled, content, directory, title=title, class_names=class_names, build_flags=flags
    )
    plan = compiled.plan
    result = {
        "model_hash": compiled.model_hash,
        "operators": list(compiled.operators),
        "macs": compiled.macs,
        "arena_bytes": plan.arena_bytes,
        "lower_bound_bytes": plan.lower_bound_bytes,
        "target": board.target,
        "optimize": optimized,
        "environments": rendered.environments,
        "layers": profiles.describe(compiled.layers),
        "memory": memory.describe(plan, len(compiled.layers)),
    }
    summary = (
        f"for {optimized}: {len(compiled.layers)} layers, {compiled.macs:,} multiply-accumulates, "
        f"tensors in {plan.arena_bytes:,} B of RAM (bound {plan.lower_bound_bytes:,}) → {directory}"
    )
    files = [path for path in sorted(directory.rglob("*")) if path.is_file() and ".pio" not in path.parts]
    return StageOutput(result, summary, files)


def compile_model(content: bytes, board: Board, optimize: str, profile: bool, fuse: bool) -> tuple[CompiledModel, str]:
    """Compile, and with ``auto`` decide: for speed where there is room on the board, otherwise for size."""
    from foldtiny import aot

    def compiled(how: str) -> CompiledModel:
        return aot.compile_tflite(content, target=board.target, optimize=how, profile=profile, fuse=fuse)

    if optimize != "auto":
        return compiled(optimize), optimize
    fast = compiled("speed")
    constants = sum(layer.constant_bytes for layer in fast.layers)
    flash, ram = board.limits.flash_bytes, board.limits.ram_bytes
    fits = flash is None or constants + FRAMEWORK_FLASH_BYTES <= flash
    fits = fits and (ram is None or fast.plan.arena_bytes + FRAMEWORK_RAM_BYTES <= ram)
    return (fast, "speed") if fits else (compiled("size"), "size")


def test_images(spec: str | None, input_shape: Shape, classes: int) -> ImageSet | None:
    """Return the images to test with, or None where there are none.

    Raises
    ------
    DataError
        If a label is not one of the network's classes: the accuracy would be silently wrong.
    """
    if spec is None:
        return None
    images = data.load(spec, "test", input_shape=input_shape)
    labels = images.labels
    if labels is not None and len(labels) and not 0 <= labels.min() <= labels.max() < classes:
        raise DataError(
            f"{images.name} has labels from {labels.min()} to {labels.max()}; the network has {classes} classes "
            f"(allowed: 0 to {classes - 1})",
            "give the data that the network was trained for with --data",
        )
    return images


def calibration_images(spec: str | None, input_shape: Shape) -> npt.NDArray[np.float32] | None:
    """Return images to calibrate the quantisation on, or None where there are none."""
    return data.load(spec, "calibration", input_shape=input_shape).images if spec else None


def repair_images(options: FoldOptions, spec: str | None, input_shape: Shape) -> npt.NDArray[np.float32] | None:
    """Return unlabelled images where the repair can use them; everything else works without data.

    Raises
    ------
    UsageError
        If the repair needs images and there are none (``ls`` then makes synthetic ones).
    """
    if options.repair not in ("data", "ls") or (options.repair == "ls" and spec is None):
        return None
    if spec is None:
        raise UsageError(
            f"--repair {options.repair} needs images", "give some with --data, or use --repair ls, ar or dir"
        )
    return calibration_images(spec, input_shape)


def own_data(trained_on: str | None) -> str | None:
    """Return the data spec of the data set that a network was trained on, where foldtiny can load it itself."""
    return "auto" if trained_on == "fashion-mnist" else None


def read_tflite(path: Path) -> bytes:
    """Return the bytes of a .tflite file.

    Raises
    ------
    DataError
        If there is no such file, or it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {path}: {reason(error)}", "give the path of a .tflite file") from error
