"""The board half of a deployment: .tflite → C → project → firmware → measured board."""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from foldtiny import aot, reference
from foldtiny.aot import host
from foldtiny.boards import Board
from foldtiny.device import build as firmware_build
from foldtiny.device import build_remote, cycles, parts
from foldtiny.device.measure import measure, measure_port
from foldtiny.device.target import Target
from foldtiny.device.versions import program_version
from foldtiny.errors import CompileError, MeasureError
from foldtiny.pipeline import hardware, interpret, profiles, steps
from foldtiny.pipeline.model import ReadyModel, array_hash, images_hash
from foldtiny.pipeline.request import DeployRequest
from foldtiny.progress import ProgressFn, Reporter
from foldtiny.project import Project
from foldtiny.project.tflm import SourceTree
from foldtiny.resources import write_atomic
from foldtiny.result import Accuracy, BitExact, EstimatedTime, FlashBytes, Latency, RamBytes
from foldtiny.stages import StageOutput, StageRecord, Workspace, file_hash, tree_hash

# A float32 network may add in another order than the reference; this much of the largest output is allowed.
FLOAT_TOLERANCE = 1e-4
_REFERENCE = "TFLite Micro's reference kernels"


@dataclass(frozen=True, slots=True)
class BoardRun:
    """What running on a board gave, for the result."""

    directory: Path
    source: str
    device: str
    macs: int
    accuracy: Accuracy
    flash: FlashBytes
    ram: RamBytes
    latency: Latency
    bit_exact: BitExact
    layers: list[dict[str, Any]]
    memory: dict[str, Any]
    footprint: dict[str, Any]
    optimize: str
    artefacts: dict[str, str]
    records: list[StageRecord]


@dataclass(frozen=True, slots=True)
class _Job:
    """What every stage of one board needs."""

    request: DeployRequest
    board: Board
    model: ReadyModel
    target: Target
    reporter: Reporter
    directory: Path
    content: bytes
    project: Project
    tree: SourceTree | None = None

    @property
    def tflite_hash(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @property
    def elf(self) -> Path:
        return self.directory / "firmware.elf"

    def workspace(self, *, live: bool = False) -> Workspace:
        """Return the folder of stages; what happens ``live`` on a real board is never taken from an earlier run."""
        reuse = self.request.reuse and not (live and self.target.port is not None)
        return Workspace(self.directory, self.reporter, reuse=reuse)


def run_on_board(
    request: DeployRequest, board: Board, model: ReadyModel, target: Target, reporter: Reporter
) -> BoardRun | None:
    """Compile, build, run and measure; None for a dry run, which ends with the firmware built."""
    unfused = "" if request.fuse else "-unfused"
    directory = model.directory / f"{board.name}-{request.runtime}{unfused}"
    environments = {
        "hardware": board.hardware.environment if board.hardware else None,
        "simulated": board.simulator.environment,
    }
    project = Project(directory / "project", board, environments)
    tree = interpret.sources(request, board, target)
    job = _Job(request, board, model, target, reporter, directory, steps.read_tflite(model.tflite), project, tree)
    compiled = _compile_stage(job)
    records = [compiled]
    accuracy = model.accuracy
    if model.images is not None:
        scored = _accuracy_stage(job)
        records.append(scored)
        accuracy = dataclasses.replace(accuracy, deployed=scored.result["accuracy"])
    model_hash = compiled.result["model_hash"]
    environment = hardware.environment(project, target, model_hash, reporter, dry_run=request.dry_run)
    built = _build_stage(job, environment)
    records.append(built)
    if request.dry_run:
        return None
    port = target.port
    with hardware.powered(target, request.power_mode, reporter):
        if target.flash:
            flashed = job.workspace(live=True).run(
                "flash", lambda progress: hardware.flash(project, environment, target, job.elf, progress), inputs={}
            )
            records.append(flashed)
            port = flashed.result["port"]
        measured = _measure_stage(job, port, model_hash)
        records.append(measured)
    return _summarise(board, model, directory, accuracy, compiled.result, built.result, measured.result, records)


def _compile_stage(job: _Job) -> StageRecord:
    if job.request.runtime == "tflm":
        return _interpret_stage(job)
    options: dict[str, Any] = {
        "title": job.model.name,
        "optimize": job.request.optimize,
        "class_names": job.model.class_names,
        "profile": job.request.profile,
        "fuse": job.request.fuse,
    }
    return job.workspace().run(
        "compile",
        lambda _: steps.compile_project(job.content, job.board, job.project.directory, **options),
        inputs={"tflite": job.tflite_hash, "board": job.board.model_dump(mode="json"), **options},
        code=("aot", "project", "firmware", "templates", "pipeline/memory", "pipeline/profiles"),
    )


def _interpret_stage(job: _Job) -> StageRecord:
    options: dict[str, Any] = {
        "title": job.model.name,
        "arena_bytes": job.request.tflm_arena,
        "class_names": job.model.class_names,
        "profile": job.request.profile,
    }
    inputs = {"tflite": job.tflite_hash, "board": job.board.model_dump(mode="json"), **options}
    return job.workspace().run(
        "compile",
        lambda _: interpret.interpret_project(job.content, job.board, job.project.directory, tree=job.tree, **options),
        inputs=inputs | {"tree": job.tree.sha256 if job.tree else None},
        code=("aot", "project", "firmware", "templates", "reference"),
    )


def _accuracy_stage(job: _Job) -> StageRecord:
    """Run the generated C on every labelled image; the result serves all boards, so it lies beside the model."""
    images = job.model.images
    assert images is not None and images.labels is not None
    labels = images.labels

    def run(progress: ProgressFn) -> StageOutput:
        samples = reference.quantise_images(job.content, images.images)
        try:
            compiled = aot.compile_tflite(job.content, target="portable")
            results, how = host.run(compiled, samples, progress), "the generated C"
        except CompileError:
            if job.request.runtime != "tflm":
                raise
            results, how = reference.outputs(job.content, samples), _REFERENCE  # operators that only they know
        logits = reference.logits(job.content, results)
        correct = float((logits.argmax(1) == labels).mean())
        summary = f"{correct:.2%} of {len(samples):,} images right, run through {how} on this machine"
        return StageOutput({"accuracy": correct, "images": len(samples)}, summary)

    workspace = Workspace(job.model.directory, job.reporter, reuse=job.request.reuse)
    inputs = {"tflite": job.tflite_hash, "images": images_hash(images)}
    return workspace.run("accuracy", run, inputs=inputs, code=("aot", "firmware", "reference"))


def _build_stage(job: _Job, environment: str) -> StageRecord:
    spec = job.board.simulator
    compiler = program_version(spec.compiler) if environment == spec.environment else "upstream"
    url = job.target.port
    if url is not None and job.request.runtime == "aot" and build_remote.wanted(job.board, url):
        flags = ("-DMODEL_PROFILE",) if job.request.profile else ()
        compiler = url
        action = partial(hardware.build_there, job.project, url, job.elf, flags)
    else:
        action = partial(_build, job.project, environment, job.elf)
    return job.workspace().run(
        "build",
        action,
        inputs={"project": tree_hash(job.project.directory), "environment": environment, "compiler": compiler},
        code=("device",),
    )


def _measure_stage(job: _Job, port: str | None, model_hash: str) -> StageRecord:
    raw = [array.reshape(-1).view(np.uint8) for sample in job.model.inputs for array in sample]
    return job.workspace(live=True).run(
        "measure",
        lambda progress: _measure(
            job.board, job.request.runtime, port or job.elf, job.content, job.model, model_hash, progress
        ),
        inputs={
            "elf": file_hash(job.elf),
            "tflite": job.tflite_hash,
            "inputs": array_hash(np.concatenate(raw)),
            "simulator": program_version(job.board.simulator.command[0]),
            "flash_wait": job.board.flash_wait.model_dump() if job.board.flash_wait else None,
        },
        code=("device", "reference"),
    )


def _build(project: Project, environment: str, elf: Path, progress: ProgressFn) -> StageOutput:
    built = firmware_build.build(project, environment, progress=progress)
    write_atomic(elf, built.elf.read_bytes())
    shutil.copymode(built.elf, elf)  # a Linux board's firmware is a program
    sizes = built.footprint
    summary = (
        f"flash {sizes.flash_total:,} B (model {sizes.flash_model:,}, engine {sizes.flash_engine:,}), "
        f"static RAM {sizes.ram_static:,} B"
    )
    return StageOutput(sizes.to_dict(), summary, (elf,))


def _measure(
    board: Board,
    runtime: str,
    where: Path | str,
    content: bytes,
    model: ReadyModel,
    model_hash: str,
    progress: ProgressFn,
) -> StageOutput:
    """Measure on the twin that runs the firmware ``where`` (a path), or on the board at the port ``where``."""
    progress("running the reference interpreter", 0.0)
    expected = reference.outputs(content, model.inputs)
    run = partial(measure_port, board, where) if isinstance(where, str) else partial(measure, board, where)
    measured = run(model.inputs, expected, progress, model_hash=model_hash)
    largest = max((float(np.abs(a).max()) for sample in expected for a in sample), default=0.0)
    result = measured.to_dict() | {"port": where if isinstance(where, str) else None}
    result |= {"tolerance": FLOAT_TOLERANCE * largest if model.precision == "float32" else 0.0}
    interpret.check(board, runtime, measured.hello)
    _judge(board, model, result)
    if isinstance(where, Path) and cycles.supports(board):
        progress("estimating cycles", 1.0)
        result["estimated"] = cycles.estimate(board, where, [a.tobytes() for a in model.inputs[0]]).to_dict()
    exact = result["bit_exact"]
    summary = f"{exact['matching']}/{exact['checked']} bit-exact"
    if result["tolerance"]:
        summary = f"{exact['checked']} outputs within {result['max_difference']:.1e} of the reference"
    return StageOutput(result, f"{summary} on {measured.simulator or board.title}")


def _judge(board: Board, model: ReadyModel, result: dict[str, Any]) -> None:
    """Refuse a measurement whose outputs are wrong: its speed is worth nothing."""
    exact, mismatch = result["bit_exact"], result["first_mismatch"]
    if model.precision == "float32":
        wrong = result["max_difference"] > result["tolerance"]
    else:
        wrong = exact["matching"] != exact["checked"]
    if wrong:
        raise MeasureError(
            f"{model.name} on {board.name}: only {exact['matching']} of {exact['checked']} outputs equal {_REFERENCE}; "
            f"the first difference is input {mismatch['sample']}, value {mismatch['index']}: "
            f"{mismatch['found']:g} instead of {mismatch['expected']:g}",
            "this is a bug in foldtiny: please report it with the .tflite file",
        )


def _summarise(
    board: Board,
    model: ReadyModel,
    directory: Path,
    accuracy: Accuracy,
    compiled: dict[str, Any],
    built: dict[str, Any],
    measured: dict[str, Any],
    records: list[StageRecord],
) -> BoardRun:
    stack = measured["stack_bytes"]["high_water"]
    latency = measured["latency"]
    return BoardRun(
        directory=directory,
        source=measured["source"],
        device=measured["simulator"] or board.title,
        macs=compiled["macs"],
        accuracy=accuracy,
        flash=FlashBytes(built["flash_total"], built["flash_model"], built["flash_engine"], board.limits.flash_bytes),
        ram=RamBytes(
            total=built["ram_static"] + stack,
            planned=compiled["arena_bytes"],
            static=built["ram_static"],
            stack=stack,
            limit=board.limits.ram_bytes,
            used=measured["arena_bytes"] if "interpreter" in compiled else None,
        ),
        latency=Latency(
            instructions=latency["instructions"],
            ms=latency["ms"],
            runs=latency["runs"],
            basis=_basis(board, measured),
            ms_min=latency["ms_min"],
            ms_p95=latency["ms_p95"],
            estimated=_estimated(measured.get("estimated")),
        ),
        bit_exact=BitExact(
            checked=measured["bit_exact"]["checked"],
            matching=measured["bit_exact"]["matching"],
            reference=_REFERENCE,
            max_abs_difference=measured["max_difference"],
            tolerance=measured["tolerance"],
        ),
        layers=profiles.measured(compiled["layers"], measured["layers"], latency["unit"]),
        memory=compiled["memory"],
        footprint={
            "flash": built["flash_parts"],
            "ram": parts.ram(built["ram_arena"], built["ram_data"], built["ram_static"] - built["ram_data"], stack),
        },
        optimize=compiled["optimize"],
        artefacts={
            "project": str(directory / "project"),
            "firmware": str(directory / "firmware.elf"),
            "measurement": str(directory / "measure.json"),
        },
        records=records,
    )


def _estimated(found: dict[str, Any] | None) -> EstimatedTime | None:
    if found is None:
        return None
    return EstimatedTime(
        **{f.name: found[f.name] for f in dataclasses.fields(EstimatedTime) if f.name != "assumptions"},
        assumptions=tuple(found["assumptions"]),
    )


def _basis(board: Board, measured: dict[str, Any]) -> str:
    if measured["source"] == "hardware":
        return "measured on the board"
    if measured["latency"]["unit"] == "instructions":
        return f"simulated: instructions at {board.clock_hz / 1e6:g} MHz, one a cycle"
    return f"simulated: {measured['meaning']}"
