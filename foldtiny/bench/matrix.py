"""What to run: axes from flags or a TOML file, and the cells that they span."""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from foldtiny import boards
from foldtiny.bench.cell import Cell, fingerprint
from foldtiny.errors import UsageError, reason
from foldtiny.pipeline.request import Shape
from foldtiny.resources import asset


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class BoardEntry(_Data):
    """One device: a board, and where it is."""

    name: str
    port: str | None = None
    serial: str | None = None
    flash: bool | None = None
    upload: str | None = None


class ModelEntry(_Data):
    """One model, and what belongs to it."""

    model: str
    weights: str | None = None
    input_shape: Shape | None = None
    data: str | None = None
    inputs: str | None = None

    @field_validator("input_shape", mode="before")
    @classmethod
    def _shape(cls, value: Any) -> Any:
        """Take ``3x96x96`` as well as ``[3, 96, 96]``."""
        return value.lower().split("x") if isinstance(value, str) else value


class Matrix(_Data):
    """The axes, and what holds for all cells. Lists may be given as a single value."""

    boards: tuple[BoardEntry, ...] = ()
    models: tuple[ModelEntry, ...] = (ModelEntry(model="default"),)
    sparsities: tuple[float, ...] = (0.25,)
    methods: tuple[str, ...] = ("combination",)
    budgets: tuple[str, ...] = ("uniform",)
    repairs: tuple[str, ...] = ("none",)
    precisions: tuple[str, ...] = ("int8",)
    runtimes: tuple[str, ...] = ("aot",)
    optimize: tuple[str, ...] = ("auto",)
    seeds: tuple[int, ...] = (0,)
    data: str | None = None
    tflm_source: str | None = None
    tflm_arena: int | None = None
    port: str = "auto"
    flash: bool | None = None
    runs: int = Field(default=32, ge=1)
    repeat: int = Field(default=1, ge=1)
    profile: bool = False
    jobs: int | None = Field(default=None, ge=1)
    output: str = "build/bench"
    records: str | None = None
    scheduler: str | None = None

    @field_validator("*", mode="before")
    @classmethod
    def _listed(cls, value: Any, info: Any) -> Any:
        """Turn single values of an axis into lists, and names into entries."""
        key = {"boards": "name", "models": "model"}.get(info.field_name)
        if key is None and info.field_name not in _AXES:
            return value
        values = value if isinstance(value, list | tuple) else [value]
        if not values:
            raise ValueError("is empty; give at least one value or leave it out")
        return [{key: one} if key and isinstance(one, str) else one for one in values]

    @property
    def records_path(self) -> Path:
        """The file of records."""
        return Path(self.records) if self.records else Path(self.output) / "records.jsonl"


_AXES = ("sparsities", "methods", "budgets", "repairs", "precisions", "runtimes", "optimize", "seeds")


def load(path: Path | None, given: Mapping[str, Any]) -> Matrix:
    """Return the matrix of a TOML file and of flags; a flag takes the place of the file's value.

    Parameters
    ----------
    path : Path or None
        The TOML file, if there is one.
    given : mapping
        Fields of ``Matrix``; None where a flag was not given.

    Raises
    ------
    UsageError
        If the file cannot be read, a field is unknown or wrong, or no board is named.
    """
    values: dict[str, Any] = {}
    where = "the matrix"
    if path is not None:
        where = str(path)
        try:
            values = tomllib.loads(path.read_text("utf-8"))
        except OSError as error:
            raise UsageError(f"cannot read {path}: {reason(error)}", "give the path of a TOML file") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise UsageError(f"{path} is not TOML: {error}", "docs/bench.md shows a matrix file") from error
    values |= {key: value for key, value in given.items() if value is not None}
    try:
        matrix = Matrix.model_validate(values)
    except ValidationError as error:
        raise _wrong(where, error) from error
    if not matrix.boards:
        raise UsageError("no board is named", "give --board esp-eye,nano33ble, or boards in a matrix file")
    return matrix


def expand(matrix: Matrix) -> list[Cell]:
    """Return the cells: every combination once, boards changing fastest.

    Raises
    ------
    UsageError
        If a board is unknown or a value is not among the allowed ones.
    """
    cells: dict[str, Cell] = {}
    for entry in matrix.models:
        for folding in _foldings(matrix, entry):
            for optimize, runtime, board in itertools.product(matrix.optimize, matrix.runtimes, matrix.boards):
                cell = Cell(
                    model=entry.model,
                    board=boards.get(board.name).name,
                    port=board.port or matrix.port,
                    serial=board.serial,
                    **folding,
                    runtime=runtime,
                    optimize=optimize,
                    weights=entry.weights,
                    input_shape=entry.input_shape,
                    data=entry.data or matrix.data if not entry.model.lower().endswith(".tflite") else None,
                    inputs=entry.inputs,
                    tflm_source=matrix.tflm_source if runtime == "tflm" else None,
                    tflm_arena=matrix.tflm_arena if runtime == "tflm" else None,
                    flash=board.flash if board.flash is not None else matrix.flash,
                    upload=board.upload,
                    runs=matrix.runs,
                    repeat=matrix.repeat,
                    profile=matrix.profile,
                    sha256=fingerprint(_file(entry.model), entry.weights, entry.inputs),
                )
                cell.check()
                cells[cell.id] = cell
    return list(cells.values())


def _foldings(matrix: Matrix, entry: ModelEntry) -> list[dict[str, Any]]:
    names = ("sparsity", "method", "budget", "repair", "precision", "seed")
    axes: tuple[tuple[Any, ...], ...] = (
        matrix.sparsities, matrix.methods, matrix.budgets, matrix.repairs, matrix.precisions, matrix.seeds,
    )  # fmt: skip
    if entry.model.lower().endswith(".tflite"):
        return [{"seed": seed} for seed in matrix.seeds]  # deployed as it is
    return [dict(zip(names, values, strict=True)) for values in itertools.product(*axes)]


def _file(model: str) -> str:
    """Return the file behind a model's name: the shipped network's checkpoint may change too."""
    return str(asset("lenet5_fashion_mnist.pt")) if model in ("default", "lenet5") else model


def _wrong(where: str, error: ValidationError) -> UsageError:
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    said = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        tables: dict[str, type[BaseModel]] = {"boards": BoardEntry, "models": ModelEntry}
        table = tables.get(str(first["loc"][0]), Matrix)
        return UsageError(
            f"{where} has an unknown key '{place}' (keys: {', '.join(table.model_fields)})", "mend or remove the key"
        )
    return UsageError(f"{where} is wrong at {place}: {said}, found {first['input']!r}", "mend the value")
