"""Conditions that records must keep, for CI: limits of one's own, and no worse than a baseline."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from foldtiny.errors import UsageError
from foldtiny.report import columns

Records = Sequence[dict[str, Any]]

_BINARY = {"": 1.0, "k": 1024.0, "m": 1024.0**2}
_DECIMAL = {"": 1.0, "k": 1e3, "m": 1e6}
_FRACTION = {"": 1.0, "%": 0.01}
_MS = {"": 1.0, "ms": 1.0}


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure that can be held against something; ``better`` is -1 where less is better."""

    column: str
    units: dict[str, float]
    better: int
    form: Callable[[float], str]


def _bytes(value: float) -> str:
    return f"{value:,.0f} B"


def _count(value: float) -> str:
    return f"{value:,.0f}"


def _percent(value: float) -> str:
    return f"{value:.2%}"


def _ms(value: float) -> str:
    return f"{value:.4g} ms"


METRICS = {
    "flash": Metric("flash_bytes", _BINARY, -1, _bytes),
    "ram": Metric("ram_bytes", _BINARY, -1, _bytes),
    "ms": Metric("ms", _MS, -1, _ms),
    "p95": Metric("ms_p95", _MS, -1, _ms),
    "instructions": Metric("instructions", _DECIMAL, -1, _count),
    "accuracy": Metric("accuracy", _FRACTION, 1, _percent),
    "bit_exact": Metric("bit_exact", _FRACTION, 1, _percent),
    "parameters": Metric("parameters", _DECIMAL, -1, _count),
    "macs": Metric("macs", _DECIMAL, -1, _count),
}
_COMPARED = ("flash", "ram", "ms", "instructions", "accuracy")
_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge, "<=": operator.le, "==": operator.eq, "!=": operator.ne, ">": operator.gt, "<": operator.lt,
}  # fmt: skip
_GATE = re.compile(
    r"\s*(?:(?P<board>[\w-]+)\s*:)?\s*(?P<metric>\w+)\s*(?P<op>>=|<=|==|!=|>|<)\s*"
    r"(?P<value>\d+(?:[.,_]\d+)*(?:e\d+)?)\s*(?P<unit>[a-zA-Z%]*)\s*"
)


@dataclass(frozen=True, slots=True)
class Gate:
    """``flash>900k``: a record fails where it holds. ``nano33ble: flash>900k`` is for one board."""

    text: str
    metric: str
    op: str
    value: float
    board: str | None = None


@dataclass(frozen=True, slots=True)
class Violation:
    """One record that does not keep one condition; ``text`` is the whole sentence."""

    id: str
    title: str
    gate: str
    text: str


def parse(text: str) -> Gate:
    """Return the gate that a text describes.

    Sizes know k and M (1 k is 1,024 B), counts k and M (1 k is 1,000), fractions %.

    Raises
    ------
    UsageError
        If it cannot be read.
    """
    found = _GATE.fullmatch(text)
    if found is None:
        raise UsageError(
            f"--fail-if is '{text}' (expected [BOARD:] FIGURE OPERATOR NUMBER)",
            'write it like --fail-if "flash>900k" or --fail-if "nano33ble: accuracy<90%"',
        )
    name, unit = found["metric"].lower(), found["unit"].lower()
    metric = METRICS.get(name)
    if metric is None:
        raise UsageError(f"--fail-if has no figure '{found['metric']}' (figures: {', '.join(METRICS)})", "choose one")
    if metric.units is _BINARY:
        unit = unit.removesuffix("b").removesuffix("i")
    if unit not in metric.units or not re.fullmatch(r"\d+(\.\d+)?(e\d+)?", found["value"]):
        known = ", ".join(sorted(filter(None, metric.units)))
        raise UsageError(
            f"--fail-if cannot read '{found['value']}{found['unit']}' as {name} (units: none, {known})",
            f'write it like --fail-if "{_EXAMPLES[name]}"',
        )
    return Gate(text.strip(), name, found["op"], float(found["value"]) * metric.units[unit], found["board"])


_EXAMPLES = {
    "flash": "flash>900k", "ram": "ram>64k", "ms": "ms>50", "p95": "p95>60", "instructions": "instructions>3M",
    "accuracy": "accuracy<90%", "bit_exact": "bit_exact<100%", "parameters": "parameters>700k", "macs": "macs>3M",
}  # fmt: skip


def parse_percent(text: str) -> float:
    """Return ``2%`` or ``0.02`` as a fraction.

    Raises
    ------
    UsageError
        If it is neither.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(%?)\s*", text)
    if found is None:
        raise UsageError(f"--max-regression is '{text}' (expected a percentage)", "write it like --max-regression 2%")
    return float(found[1]) * (0.01 if found[2] else 1.0)


def check(records: Records, gates: Sequence[Gate]) -> list[Violation]:
    """Return every record that fails a gate; a failed cell and a figure that is missing fail too.

    Raises
    ------
    UsageError
        If a gate is for a board of which there is no record.
    """
    found = [_failed(record) for record in records if record["status"] != "ok"]
    for gate in gates:
        if gate.board and all(record["cell"]["board"] != gate.board for record in records):
            boards = ", ".join(sorted({record["cell"]["board"] for record in records}))
            raise UsageError(
                f"--fail-if '{gate.text}' is for a board without records (boards: {boards})", "mend the board's name"
            )
        metric = METRICS[gate.metric]
        for record in records:
            if record["status"] != "ok" or gate.board not in (None, record["cell"]["board"]):
                continue
            figures = columns.figures(record)
            value = figures[metric.column]
            if value is None:
                found.append(_violation(record, gate.text, f"has no {gate.metric} to hold against it"))
            elif _OPERATORS[gate.op](value, gate.value):
                # Accuracy is that of the generated C on the host, wherever the rest is from.
                source = "" if gate.metric == "accuracy" else f" ({figures['source']})"
                found.append(_violation(record, gate.text, f"{gate.metric} is {metric.form(value)}{source}"))
    return found


def compare(records: Records, baseline: Records, most: float) -> tuple[list[Violation], int]:
    """Return every figure that is worse than the baseline's by more than a fraction, and how many cells were compared.

    Cells are compared with those of the same axes and the same source of figures: simulated with simulated only.
    Time counts on hardware; on twins it is the instructions again.
    """
    old = {key: record for record in baseline if record["status"] == "ok" for key in (record["id"], _key(record))}
    found: list[Violation] = []
    compared = 0
    for record in records:
        before = old.get(record["id"]) or old.get(_key(record))
        if record["status"] != "ok" or before is None:
            continue
        then, now = columns.figures(before), columns.figures(record)
        if then["source"] != now["source"]:
            continue
        compared += 1
        for name in _COMPARED:
            metric = METRICS[name]
            was, is_ = then[metric.column], now[metric.column]
            if was is None or (name == "ms" and now["source"] != "hardware"):
                continue
            if is_ is None:
                found.append(_violation(record, "baseline", f"has no {name} any more"))
                continue
            worse = (was - is_) * metric.better / abs(was) if was else float(is_ != was)
            if worse > most:
                said = f"{name} went from {metric.form(was)} to {metric.form(is_)}, {worse:.1%} worse"
                found.append(_violation(record, "baseline", f"{said} (allowed: {100 * most:.3g}%)"))
    return found, compared


def _key(record: dict[str, Any]) -> str:
    """The axes without the port, which changes from plug to plug, and without the model's bytes."""
    return repr([value for name, value in columns.axes(record).items() if name != "port"])


def _failed(record: dict[str, Any]) -> Violation:
    return _violation(record, "status", f"failed: {record['error']['message']}")


def _violation(record: dict[str, Any], gate: str, said: str) -> Violation:
    title = columns.title(record)
    return Violation(record["id"], title, gate, f"{title}: {said}" + (f" [{gate}]" if gate != "status" else ""))
