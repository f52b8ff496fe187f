"""The schema of records, version 1: what ``foldtiny report --schema`` prints and every file is held against."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from foldtiny.bench import records as files
from foldtiny.bench.cell import Cell
from foldtiny.errors import DataError, reason
from foldtiny.result import DeployResult


class _Part(BaseModel):
    """A part of a record; unknown keys are kept, so that a newer foldtiny may add some."""

    model_config = ConfigDict(extra="allow", frozen=True)


class Failure(_Part):
    """Why a cell failed: the kind of error, what was found, and what to do."""

    type: str
    message: str
    hint: str


class Repetitions(_Part):
    """Time of one inference in milliseconds over all that ran; ``source`` says what kind of time and of repetition."""

    count: int = Field(ge=0)
    median_ms: float | None
    p95_ms: float | None
    min_ms: float | None
    source: str


class Environment(_Part):
    """What it ran with. Absent or null where it is not known, as with a cell that failed early."""

    foldtiny: str | None = Field(default=None, description="version")
    python: str | None = None
    packages: dict[str, str | None] = Field(default_factory=dict, description="versions of what the figures depend on")
    compiler: dict[str, str] | None = Field(default=None, description="program and version of the target's compiler")
    platform: str | None = Field(default=None, description="PlatformIO's platform with its version, for real boards")
    flags: str | None = Field(default=None, description="compiler flags")
    simulator: dict[str, str] | None = Field(default=None, description="title and version, for twins")
    board: dict[str, Any] | None = Field(default=None, description="name, core, clock_hz, device, port, serial")
    git: dict[str, Any] | None = Field(default=None, description="commit of the project it ran in, modified or not")
    host: dict[str, Any] | None = Field(default=None, description="name, system, cpu, cores of the machine")
    time: str | None = Field(default=None, description="UTC, ISO 8601")


class Record(_Part):
    """One deployment of a benchmark. A file of records holds one of them as JSON on each line."""

    version: Literal[1] = Field(alias="schema", description="version of this schema")
    id: str = Field(min_length=1, description="hash of the cell; of two records of a cell the later one counts")
    cell: Cell
    status: Literal["ok", "failed"]
    error: Failure | None
    result: DeployResult | None = Field(description="what `foldtiny deploy --json` prints")
    repetitions: Repetitions | None
    environment: Environment
    started: datetime = Field(description="UTC, ISO 8601")
    seconds: float = Field(ge=0, description="how long the whole cell took")
    command: str = Field(description="the foldtiny deploy command that reproduces the cell")


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of one record."""
    schema = Record.model_json_schema(by_alias=True, mode="validation")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def load(paths: Sequence[Path]) -> list[dict[str, Any]]:
    """Return the records of files, the last of each cell, checked against the schema.

    Parameters
    ----------
    paths : sequence of Path
        Files of records, a ``result.json`` of ``foldtiny deploy``, or what ``foldtiny bench --json`` printed.

    Raises
    ------
    DataError
        If a file cannot be read, is something else, holds nothing, or does not fit the schema.
    """
    found: list[dict[str, Any]] = []
    for path in paths:
        records = _read(path)
        for number, record in enumerate(records, start=1):
            _check(record, f"record {number} of {path}")
        if not records:
            raise DataError(f"{path} holds no records", "give a file that `foldtiny bench` wrote")
        found += records
    return files.latest(found)


def _read(path: Path) -> list[dict[str, Any]]:
    try:
        value = json.loads(path.read_bytes())
    except OSError as error:
        raise DataError(f"cannot read {path}: {reason(error)}", "give a file that `foldtiny bench` wrote") from error
    except ValueError:
        return files.read(path)
    if isinstance(value, dict) and "latency" in value and "schema" not in value:
        return [_from_result(value, path)]
    if isinstance(value, dict) and "records" in value:
        value = value["records"]
    return value if isinstance(value, list) else [value]


def _check(record: Any, where: str) -> None:
    try:
        Record.model_validate(record)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the record"
        raise DataError(
            f"{where} does not fit the schema at {place}: {first['msg']}",
            "`foldtiny report --schema` prints what a record holds",
        ) from error


def _from_result(result: dict[str, Any], path: Path) -> dict[str, Any]:
    """Make a record of a ``result.json``, whose request is not known in full."""
    latency = result["latency"]
    keys = ("model", "board", "sparsity", "method", "precision", "runtime")
    try:
        cell = Cell(**{key: result[key] for key in keys}, optimize=result.get("optimize") or "auto")
        repetitions = {
            "count": latency["runs"],
            "median_ms": latency["ms"],
            "p95_ms": latency.get("ms_p95"),
            "min_ms": latency.get("ms_min"),
            "source": f"{result['source']}: {latency['basis']}",
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path} is not a result of foldtiny deploy", "give a file of records") from error
    return {
        "schema": files.SCHEMA,
        "id": hashlib.sha256(path.read_bytes()).hexdigest()[:16],
        "cell": cell.to_dict(),
        "status": "ok",
        "error": None,
        "result": result,
        "repetitions": repetitions,
        "environment": {"foldtiny": result.get("foldtiny")},
        "started": datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat(timespec="seconds"),
        "seconds": round(sum(stage["seconds"] for stage in result.get("stages", [])), 3),
        "command": "",
    }
