"""A record as the page needs it: every field there, or None, whatever the record's age and whoever wrote it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from foldtiny.report import text as say

SOURCES = ("hardware", "simulated", "estimated", "paper")


@dataclass(frozen=True, slots=True)
class Case:
    """One record.

    Times are milliseconds; ``time_source`` says where ``ms`` is from. ``low`` and ``high`` are always estimated.
    ``row`` is the record's place in the list from 1, and its mark on the page.
    """

    row: int
    ok: bool
    name: str
    model: str
    board: str
    method: str
    sparsity: float | None
    settings: tuple[str, ...]
    runtime: str
    precision: str
    source: str
    device: str
    accuracy: float | None
    dense: float | None
    images: int | None
    dataset: str
    flash: float | None
    flash_limit: float | None
    ram: float | None
    ram_limit: float | None
    ms: float | None
    p95: float | None
    time_source: str
    basis: str
    low: float | None
    high: float | None
    instructions: float | None
    error: str
    hint: str
    command: str
    started: str
    seconds: float | None
    environment: dict[str, Any]
    result: dict[str, Any]

    @property
    def anchor(self) -> str:
        """What marks this record on the page."""
        return f"r{self.row}"

    @property
    def folding(self) -> str:
        """Method and sparsity in a few words."""
        if self.sparsity is None:
            return self.method or "as given"
        return f"{self.method} {say.short_percent(self.sparsity)}".strip()

    @property
    def subject(self) -> str:
        """What accuracies can be compared with each other: the network and the images."""
        return f"{self.model} on {self.dataset}" if self.dataset else self.model


def read(record: dict[str, Any], row: int) -> Case:
    """Return a record as a ``Case``.

    Parameters
    ----------
    record : dict
        As ``foldtiny bench`` writes them.
    row : int
        Its place in the list, from 1.
    """
    cell, result = _dict(record.get("cell")), _dict(record.get("result"))
    ok = record.get("status", "ok" if result else "failed") == "ok" and bool(result)

    def first(name: str) -> str:
        return _text(result.get(name)) or _text(say.dig(cell, name))

    # What was asked for names the row of a table; what was reached is close to it, and in the result.
    asked = say.number(say.dig(cell, "sparsity"))
    if asked is None:
        asked = say.number(say.dig(result, "folding", "sparsity_requested"))
    reached = say.number(result.get("sparsity"))
    ms, p95, time_source, basis = _time(record, result)
    model = _text(result.get("model")) or _model_name(_text(cell.get("model"))) or "unknown model"
    board = first("board") or "unknown board"
    return Case(
        row=row,
        ok=ok,
        name=f"{model} on {board}",
        model=model,
        board=board,
        method=first("method"),
        sparsity=asked if asked is not None else reached,
        settings=_settings(cell, result),
        runtime=first("runtime"),
        precision=first("precision"),
        source=_source(result.get("source")),
        device=_text(result.get("device")),
        accuracy=say.number(say.dig(result, "accuracy", "deployed")),
        dense=say.number(say.dig(result, "accuracy", "dense")),
        images=_whole(say.dig(result, "accuracy", "images")),
        dataset=_text(say.dig(result, "accuracy", "dataset")),
        flash=say.number(say.dig(result, "flash_bytes", "total")),
        flash_limit=say.number(say.dig(result, "flash_bytes", "limit")),
        ram=say.number(say.dig(result, "ram_bytes", "total")),
        ram_limit=say.number(say.dig(result, "ram_bytes", "limit")),
        ms=ms,
        p95=p95,
        time_source=time_source,
        basis=basis,
        low=say.number(say.dig(result, "latency", "estimated", "ms_low")),
        high=say.number(say.dig(result, "latency", "estimated", "ms_high")),
        instructions=say.number(say.dig(result, "latency", "instructions")),
        error=_error(record, ok),
        hint=_text(say.dig(record, "error", "hint")),
        command=_text(record.get("command")),
        started=_text(record.get("started")),
        seconds=say.number(record.get("seconds")),
        environment=_dict(record.get("environment")),
        result=result if ok else {},
    )


def _time(record: dict[str, Any], result: dict[str, Any]) -> tuple[float | None, float | None, str, str]:
    """Return median and 95th percentile of the time, and where they are from; repetitions tell more than one run."""
    basis = _text(say.dig(result, "latency", "basis"))
    median = say.number(say.dig(record, "repetitions", "median_ms"))
    if median is not None:
        source = _source(say.dig(record, "repetitions", "source")) or _source(result.get("source"))
        return median, say.number(say.dig(record, "repetitions", "p95_ms")), source, basis
    latency = result.get("latency")
    single = say.number(say.dig(latency, "ms"))
    return single, say.number(say.dig(latency, "ms_p95")), _source(result.get("source")), basis


def _settings(cell: dict[str, Any], result: dict[str, Any]) -> tuple[str, ...]:
    """Return what is out of the ordinary, a few words each."""
    found = []
    for name, usual in (("budget", "uniform"), ("repair", "none")):
        value = _text(cell.get(name)) or _text(say.dig(result, "folding", name))
        if value and value != usual:
            found.append(f"{name} {value}")
    optimize = _text(cell.get("optimize"))
    if optimize and optimize != "auto":
        found.append(f"for {optimize}")
    seed = cell.get("seed")
    if seed not in (None, 0):
        found.append(f"seed {seed}")
    return tuple(found)


def _model_name(spec: str) -> str:
    """Return what ``foldtiny deploy`` would call the model that a failed cell asked for."""
    return "lenet5" if spec == "default" else PurePath(spec.rpartition(":")[2]).stem.lower()


def _error(record: dict[str, Any], ok: bool) -> str:
    if ok:
        return ""
    message = _text(say.dig(record, "error", "message"))
    return message or _text(say.dig(record, "error", "type")) or "there is no result, and no reason was recorded"


def _source(value: Any) -> str:
    """Return a source that has a badge (more may follow a colon); an unknown one must not pass for a measurement."""
    word = value.partition(":")[0].strip() if isinstance(value, str) else ""
    return word if word in SOURCES else ""


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return "" if value is None or isinstance(value, dict | list) else str(value)


def _whole(value: Any) -> int | None:
    found = say.number(value)
    return None if found is None else int(found)
