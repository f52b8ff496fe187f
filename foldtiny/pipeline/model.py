"""The board-free half of a deployment: trained network → folded network → .tflite."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from foldtiny.data import ImageSet
from foldtiny.pipeline import steps
from foldtiny.pipeline.request import DeployRequest, Shape
from foldtiny.progress import Reporter
from foldtiny.resources import asset
from foldtiny.result import Accuracy, Parameters
from foldtiny.stages import StageOutput, StageRecord, Workspace, file_hash

Arrays = list[npt.NDArray[Any]]

DEFAULT_CHECKPOINT = "lenet5_fashion_mnist.pt"


@dataclass(frozen=True, slots=True)
class ReadyModel:
    """A .tflite file ready for a board, with what is known about it and the inputs to run."""

    name: str
    directory: Path
    tflite: Path
    precision: str
    inputs: list[Arrays]
    images: ImageSet | None = None
    method: str | None = None
    sparsity: float | None = None
    parameters: Parameters = field(default_factory=Parameters)
    macs: Parameters = field(default_factory=Parameters)
    accuracy: Accuracy = field(default_factory=Accuracy)
    class_names: tuple[str, ...] = ()
    folding: dict[str, Any] = field(default_factory=dict)
    artefacts: dict[str, str] = field(default_factory=dict)
    records: list[StageRecord] = field(default_factory=list)


def model_directory(request: DeployRequest) -> Path:
    """Return the folder for everything that does not depend on the board."""
    if request.tflite:
        return request.output / request.tflite.stem
    return request.output / f"{model_name(request.model)}-{request.folding.slug}-{request.precision}"


def prepare_tflite(request: DeployRequest, reporter: Reporter) -> ReadyModel:
    """Take a .tflite file as it is, with the user's inputs or seeded random ones.

    Raises
    ------
    DataError
        If the file or the inputs cannot be read.
    CompileError
        If the file is not a .tflite that foldtiny understands.
    """
    from foldtiny import aot, reference
    from foldtiny.aot.inspect import inspect
    from foldtiny.pipeline.inputs import load_inputs

    assert request.tflite is not None
    content = steps.read_tflite(request.tflite)
    read = inspect if request.runtime == "tflm" else aot.compile_tflite
    compiled = read(content, name=request.tflite.stem)
    if request.inputs:
        inputs = load_inputs(request.inputs, compiled.inputs)[: request.runs]
    else:
        reporter.note(f"no --inputs given: {request.runs} seeded random inputs are run")
        inputs = reference.random_inputs(content, request.runs, request.seed)
    return ReadyModel(
        name=request.tflite.stem,
        directory=model_directory(request),
        tflite=request.tflite,
        precision="float32" if compiled.inputs[0].dtype == "float32" else "int8",
        inputs=inputs,
        artefacts={"tflite": str(request.tflite)},
    )


def prepare_folded(request: DeployRequest, reporter: Reporter) -> ReadyModel:
    """Fold a trained network and convert it to .tflite.

    Raises
    ------
    DataError, FoldError, ConvertError, UsageError
        See the stages.
    """
    from foldtiny import reference

    directory = model_directory(request)
    workspace = Workspace(directory, reporter, reuse=request.reuse)
    source = open_source(request, workspace)
    spec = request.data or source.dataset
    images = steps.test_images(spec, source.input_shape, source.record.result["classes"])
    calibration = steps.calibration_images(spec, source.input_shape)
    unlabelled = steps.repair_images(request.folding, spec, source.input_shape)
    if images is None:
        reporter.note("no --data given: accuracy is not measured, and calibration and test inputs are synthetic")

    folded_path, tflite_path = directory / "folded.pt", directory / "model.tflite"
    folded = _fold(request, workspace, source, images, unlabelled, folded_path)
    converted = _convert(request, workspace, calibration, folded_path, tflite_path)
    content = steps.read_tflite(tflite_path)
    report = folded.result["report"]
    return ReadyModel(
        name=source.name,
        directory=directory,
        tflite=tflite_path,
        precision=request.precision,
        inputs=(
            reference.quantise_images(content, images.images[: request.runs])
            if images is not None
            else reference.random_inputs(content, request.runs, request.seed)
        ),
        images=images if images is not None and images.labels is not None else None,
        method=request.folding.method,
        sparsity=report["sparsity"],
        parameters=Parameters(report["parameters_dense"], report["parameters_folded"]),
        macs=Parameters(report["macs_dense"], report["macs_folded"]),
        accuracy=Accuracy(**folded.result["accuracy"]),
        class_names=source.class_names or (images.class_names if images else ()),
        folding=report,
        artefacts={
            "folded": str(folded_path),
            "fold_report": str(directory / "fold.json"),
            "tflite": str(tflite_path),
            "convert_report": str(directory / "convert.json"),
        },
        records=[source.record, folded, converted],
    )


@dataclass(frozen=True, slots=True)
class Source:
    """The trained network: what is known of it, and how to load it (torch takes seconds to import)."""

    record: StageRecord
    name: str
    load: Callable[[], Any]

    @property
    def identity(self) -> str:
        return str(self.record.result["sha256"])

    @property
    def input_shape(self) -> Shape:
        channels, height, width = self.record.result["input_shape"]
        return channels, height, width

    @property
    def class_names(self) -> tuple[str, ...]:
        return tuple(self.record.result["class_names"])

    @property
    def dataset(self) -> str | None:
        return steps.own_data(self.record.result["data"])


def _fold(
    request: DeployRequest,
    workspace: Workspace,
    source: Source,
    images: ImageSet | None,
    unlabelled: npt.NDArray[np.float32] | None,
    path: Path,
) -> StageRecord:
    return workspace.run(
        "fold",
        lambda progress: steps.fold(source.load(), path, images, unlabelled, request.folding, progress),
        inputs={
            "model": source.identity,
            "folding": dataclasses.asdict(request.folding),
            "images": images_hash(images),
            "unlabelled": None if unlabelled is None else array_hash(unlabelled),
        },
        code=("fold", "zoo", "evaluate"),
    )


def _convert(
    request: DeployRequest,
    workspace: Workspace,
    calibration: npt.NDArray[np.float32] | None,
    folded: Path,
    path: Path,
) -> StageRecord:
    from foldtiny.zoo import checkpoint

    return workspace.run(
        "convert",
        lambda progress: steps.convert(
            checkpoint.load(folded, trusted_factory=request.model if ":" in request.model else None),
            path,
            calibration,
            precision=request.precision,
            seed=request.seed,
            progress=progress,
        ),
        inputs={
            "folded": file_hash(folded),
            "precision": request.precision,
            "seed": request.seed,
            "calibration": None if calibration is None else array_hash(calibration),
        },
        code=("convert", "zoo"),
    )


def open_source(request: DeployRequest, workspace: Workspace) -> Source:
    """Find the trained network and say what it is, as a stage; torch is imported only where it was not seen before."""
    from foldtiny.zoo import checkpoint

    name = model_name(request.model)
    path = _checkpoint_file(request)
    if path is not None:
        # A file is identified by its bytes: when they were seen before, torch need not be imported at all.
        def read() -> Any:
            return checkpoint.load(path)

        identity: dict[str, Any] = {"file": file_hash(path)}
    else:
        loaded = checkpoint.load_model(request.model, request.weights, request.input_shape)

        def read() -> Any:
            return loaded

        identity = {"sha256": loaded.sha256, "input_shape": list(loaded.input_shape)}
    record = workspace.run("load", lambda _: _describe(name, read()), inputs={"model": identity}, code=("zoo",))
    return Source(record, name, read)


def _describe(name: str, loaded: Any) -> StageOutput:
    parameters = sum(p.numel() for p in loaded.module.parameters())
    shape = "x".join(map(str, loaded.input_shape))
    return StageOutput(
        {
            "sha256": loaded.sha256,
            "architecture": loaded.architecture,
            "input_shape": list(loaded.input_shape),
            "classes": loaded.classes,
            "class_names": list(loaded.class_names),
            "data": loaded.metadata.get("data"),
        },
        f"{name}: {parameters:,} parameters, input {shape}, {loaded.classes} classes",
    )


def array_hash(array: npt.NDArray[Any]) -> str:
    """Return a SHA-256 over an array's type, shape and bytes."""
    digest = hashlib.sha256(f"{array.dtype.str}{array.shape}".encode())
    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def images_hash(images: ImageSet | None) -> str | None:
    """Return a SHA-256 over images and labels, or None where there are none."""
    if images is None:
        return None
    return array_hash(images.images) + ("" if images.labels is None else array_hash(images.labels))


def _checkpoint_file(request: DeployRequest) -> Path | None:
    if request.weights is None and request.model in ("default", "lenet5"):
        return asset(DEFAULT_CHECKPOINT)
    path = Path(request.model)
    return path if request.weights is None and path.is_file() else None


def model_name(spec: str) -> str:
    """Return what a model is called in folders and tables."""
    if spec == "default":
        return "lenet5"
    if ":" in spec:
        spec = spec.rpartition(":")[2]
    return Path(spec).stem.lower()
