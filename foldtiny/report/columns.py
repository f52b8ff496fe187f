"""A record as one flat line: the axes of its cell, and its figures with the unit in their names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

AXES = (
    "model", "weights", "board", "port", "serial", "sparsity", "method", "budget", "repair", "precision", "runtime",
    "optimize", "seed",
)  # fmt: skip


def axes(record: dict[str, Any]) -> dict[str, Any]:
    """Return what the cell was asked to be."""
    return {name: record["cell"].get(name) for name in AXES}


def figures(record: dict[str, Any]) -> dict[str, Any]:
    """Return what was measured; all None for a failed cell.

    Sizes are bytes, times milliseconds of one inference; accuracy, sparsity and ``bit_exact`` are fractions.
    """
    result = record["result"] or {}
    latency, flash, ram = (result.get(name) or {} for name in ("latency", "flash_bytes", "ram_bytes"))
    exact, accuracy = result.get("bit_exact") or {}, result.get("accuracy") or {}
    estimated = latency.get("estimated") or {}
    checked = exact.get("checked")
    return {
        "source": result.get("source"),
        "device": result.get("device"),
        "accuracy": accuracy.get("deployed"),
        "accuracy_dense": accuracy.get("dense"),
        "flash_bytes": flash.get("total"),
        "flash_model_bytes": flash.get("model"),
        "ram_bytes": ram.get("total"),
        "ram_planned_bytes": ram.get("planned"),
        "instructions": latency.get("instructions"),
        "ms": latency.get("ms"),
        "ms_p95": latency.get("ms_p95"),
        "ms_min": latency.get("ms_min"),
        "ms_estimated_low": estimated.get("ms_low"),
        "ms_estimated_high": estimated.get("ms_high"),
        "inferences": latency.get("runs"),
        "bit_exact": exact["matching"] / checked if checked else None,
        "parameters": (result.get("parameters") or {}).get("folded"),
        "macs": (result.get("macs") or {}).get("folded"),
        "sparsity_reached": result.get("sparsity"),
    }


def line(record: dict[str, Any]) -> dict[str, Any]:
    """Return a whole record as one flat line."""
    error = record["error"] or {}
    return {
        **axes(record),
        "status": record["status"],
        **figures(record),
        "error": error.get("message"),
        "started": record["started"],
        "seconds": record["seconds"],
        "command": record["command"],
        "id": record["id"],
    }


def title(record: dict[str, Any]) -> str:
    """Return what people call the cell."""
    cell = record["cell"]
    parts = [str(cell["model"])]
    if cell["sparsity"] is not None:
        parts.append(f"{cell['sparsity']:.4g}")
    parts += [str(cell[name]) for name in ("method", "precision", "runtime") if cell[name] is not None]
    usual = {"budget": "uniform", "repair": "none", "optimize": "auto", "seed": 0, "port": "auto"}
    parts += [f"{name} {cell[name]}" for name, value in usual.items() if cell.get(name) not in (None, value, "sim")]
    parts += [str(cell["serial"])] if cell.get("serial") else []
    return f"{cell['board']}: {', '.join(parts)}"


def varying(records: Sequence[dict[str, Any]]) -> tuple[list[str], dict[str, Any]]:
    """Return the axes on which records differ (board and sparsity always), and the values of the others."""
    lines = [axes(record) for record in records]
    shown = [name for name in AXES if name in ("board", "sparsity") or len({str(one[name]) for one in lines}) > 1]
    same = {name: lines[0][name] for name in AXES if name not in shown and lines[0][name] not in (None, "auto", "sim")}
    return shown, same
