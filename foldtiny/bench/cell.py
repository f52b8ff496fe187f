"""One cell of a benchmark: one model, folded one way, on one device."""

from __future__ import annotations

import hashlib
import json
import shlex
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

from foldtiny.errors import UsageError
from foldtiny.pipeline.request import DeployRequest, FoldOptions, Shape
from foldtiny.stages import file_hash

# Boards behind these are not flashed by `deploy`; an `upload` command of one's own does it.
_SERIAL_URLS = ("socket://", "rfc2217://")


@dataclass(frozen=True, slots=True)
class Cell:
    """What one deployment of a matrix is; the fields are the axes and what belongs to them.

    ``sparsity``, ``method``, ``budget``, ``repair`` and ``precision`` are None for a .tflite file, which is deployed as
    it is. ``serial`` is the USB serial number; behind a network port it is only noted. ``flash`` None means: wherever
    PlatformIO can. ``upload`` is a command that puts the firmware on the board instead. ``sha256`` is that of the
    model's (and weights') file, so that a retrained network is another cell.
    """

    model: str
    board: str
    port: str = "auto"
    serial: str | None = None
    sparsity: float | None = None
    method: str | None = None
    budget: str | None = None
    repair: str | None = None
    precision: str | None = None
    runtime: str = "aot"
    optimize: str = "auto"
    seed: int = 0
    weights: str | None = None
    input_shape: Shape | None = None
    data: str | None = None
    inputs: str | None = None
    flash: bool | None = None
    upload: str | None = None
    tflm_source: str | None = None
    tflm_arena: int | None = None
    runs: int = 32
    repeat: int = 1
    profile: bool = False
    sha256: str | None = None

    @property
    def is_tflite(self) -> bool:
        """Whether the model is a .tflite file."""
        return self.model.lower().endswith(".tflite")

    @property
    def id(self) -> str:
        """A hash over everything that the measurement depends on; the same in every run of the same matrix."""
        content = json.dumps(self.to_dict(), sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    @property
    def name(self) -> str:
        """The model's short name."""
        return "lenet5" if self.model == "default" else Path(self.model.rpartition(":")[2] or self.model).stem

    @property
    def label(self) -> str:
        """What people call the cell, such as ``esp-eye lenet5-s25-int8 aot``; folders are named so too."""
        parts = [self.name]
        if not self.is_tflite:
            parts += [self.folding.slug, str(self.precision)]
        parts += [f"seed{self.seed}"] if self.seed else []
        runtime = self.runtime if self.optimize == "auto" else f"{self.runtime}-{self.optimize}"
        where = f" on {self.serial or self.port}" if self.port not in ("auto", "sim") or self.serial else ""
        return f"{self.board} {'-'.join(parts)} {runtime}{where}"

    @property
    def shared(self) -> str:
        """A name for what does not depend on the board: the folded network and its .tflite file."""
        if self.is_tflite:
            return f"{self.name}-{self.id}"  # nothing to share
        axes = (
            self.model, self.weights, self.input_shape, self.data, self.sha256,
            self.sparsity, self.method, self.budget, self.repair, self.precision, self.seed,
        )  # fmt: skip
        return f"{self.name}-{hashlib.sha256(json.dumps(axes).encode()).hexdigest()[:12]}"

    @property
    def folding(self) -> FoldOptions:
        """How it is folded; the defaults for a .tflite file."""
        default = FoldOptions()
        return FoldOptions(
            default.sparsity if self.sparsity is None else self.sparsity,
            self.method or default.method,
            self.budget or default.budget,
            self.repair or default.repair,
            self.seed,
        )

    def folder(self, output: Path) -> Path:
        """Return the cell's own folder, so that cells at work at the same time never meet in one."""
        board, rest, runtime = self.label.split(" ")[:3]
        return output / f"{board}-{rest}-{runtime}-{self.id[:8]}"

    def request(self, output: Path, *, simulated: bool = False) -> DeployRequest:
        """Return the deployment; with ``simulated`` on the twin, whatever is connected."""
        remote = self.port.startswith(_SERIAL_URLS)
        flash = self.flash if self.flash is not None else not (remote or self.upload)
        return DeployRequest(
            board=self.board,
            folding=self.folding,
            model="default" if self.is_tflite else self.model,
            weights=Path(self.weights) if self.weights else None,
            input_shape=self.input_shape,
            precision=self.precision or "int8",
            runtime=self.runtime,
            optimize=self.optimize,
            tflite=Path(self.model) if self.is_tflite else None,
            inputs=Path(self.inputs) if self.inputs else None,
            tflm_source=Path(self.tflm_source) if self.tflm_source else None,
            tflm_arena=self.tflm_arena,
            data=self.data,
            output=self.folder(output),
            port="sim" if simulated else self.port,
            serial=None if simulated or "://" in self.port else self.serial,
            flash=True if simulated else flash,
            runs=self.runs,
            seed=self.seed,
            profile=self.profile,
        )

    def check(self) -> None:
        """Raise a UsageError for a value that no run could work with."""
        self.request(Path("build")).check()
        if self.repeat < 1:
            raise UsageError(f"--repeat is {self.repeat} (allowed: 1 or more)", "measure at least once")
        if self.upload and self.port in ("auto", "sim"):
            raise UsageError(f"upload of {self.board} needs a port", "name the port on which the board then answers")

    @staticmethod
    def from_dict(values: dict[str, Any]) -> Cell:
        """Return a cell from what ``to_dict`` gave."""
        shape = values["input_shape"]
        return Cell(**{**values, "input_shape": tuple(shape) if shape else None})

    def to_dict(self) -> dict[str, Any]:
        """Return the cell as plain JSON values."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {**values, "input_shape": list(self.input_shape) if self.input_shape else None}


def command(request: DeployRequest) -> str:
    """Return the ``foldtiny deploy`` command line of a request; what is the default is left out."""
    default = DeployRequest(board=request.board)
    words = ["foldtiny", "deploy", "--board", request.board]

    def add(option: str, value: object, usual: object = None) -> None:
        if value is not None and value != usual:
            words.extend((f"--{option}", str(value)))

    if request.tflite:
        add("tflite", request.tflite)
        add("inputs", request.inputs)
    else:
        add("model", request.model, default.model)
        add("weights", request.weights)
        add("input-shape", "x".join(map(str, request.input_shape)) if request.input_shape else None)
        add("data", request.data)
        add("sparsity", request.folding.sparsity)
        for name in ("method", "budget", "repair"):
            add(name, getattr(request.folding, name), getattr(default.folding, name))
        add("precision", request.precision, default.precision)
    for name in ("runtime", "tflm_source", "tflm_arena", "optimize", "port", "serial", "runs", "seed", "output"):
        add(name.replace("_", "-"), getattr(request, name), getattr(default, name))
    words += ["--no-flash"] if not request.flash else []
    words += ["--profile"] if request.profile else []
    words += ["--dry-run"] if request.dry_run else []
    return shlex.join(words)


@cache
def fingerprint(*names: str | None) -> str | None:
    """Return one SHA-256 over those of the names that are files, or None where none is (a zoo network, a factory)."""
    hashes = [file_hash(Path(name)) for name in names if name and Path(name).is_file()]
    return hashlib.sha256("".join(hashes).encode()).hexdigest() if hashes else None
