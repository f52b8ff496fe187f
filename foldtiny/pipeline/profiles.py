"""What each layer of a network costs: counted when compiling, and timed by firmware built with profiling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from foldtiny.aot import LayerInfo

_BAR = 10


def describe(layers: Sequence[LayerInfo]) -> list[dict[str, Any]]:
    """Return what is known of each layer without running it, as plain JSON values."""
    return [
        {
            "layer": number,
            "name": layer.name,
            "operators": list(layer.operators),
            "kernel": layer.kernel,
            "output_shape": list(layer.output_shape),
            "macs": layer.macs,
            "constant_bytes": layer.constant_bytes,
            "scratch_bytes": layer.scratch_bytes,
            "bytes_moved": layer.bytes_moved,
        }
        for number, layer in enumerate(layers)
    ]


def measured(described: list[dict[str, Any]], ticks: Sequence[int], unit: str) -> list[dict[str, Any]]:
    """Return the layers with what each took; as they are where the firmware was built without profiling.

    Parameters
    ----------
    described : list of dict
        From ``describe``.
    ticks : sequence of int
        Of each layer, in ``unit``: instructions, cycles, microseconds or nanoseconds.

    Returns
    -------
    list of dict
        ``unit`` (such as ``instructions``), ``unit_per_mac`` where there are any, and ``share`` of the whole, 0 to 1.
    """
    if not ticks:
        return described
    whole = sum(ticks) or 1
    return [
        {
            **layer,
            unit: spent,
            f"{unit}_per_mac": spent / layer["macs"] if layer["macs"] else None,
            "share": spent / whole,
            "unit": unit,
        }
        for layer, spent in zip(described, ticks, strict=False)
    ]


def rows(layers: Sequence[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Return the table's columns and lines, with a last line that adds up."""
    unit = layers[0].get("unit") if layers else None
    columns = ["layer", "operators", "output", "MACs", "bytes moved"]
    columns += [unit, "per MAC", "share", ""] if unit else []
    lines = []
    for layer in layers:
        line = [
            str(layer["layer"]),
            " + ".join(layer["operators"]).lower(),
            "x".join(str(size) for size in layer["output_shape"]),
            f"{layer['macs']:,}" if layer["macs"] else "-",
            f"{layer['bytes_moved']:,}",
        ]
        if unit:
            line += [f"{layer[unit]:,}", _ratio(layer[unit], layer["macs"]), f"{layer['share']:.1%}"]
            line.append("█" * round(layer["share"] * _BAR))
        lines.append(line)
    macs, moved = (sum(layer[key] for layer in layers) for key in ("macs", "bytes_moved"))
    total = ["", "all", "", f"{macs:,}", f"{moved:,}"]
    if unit:
        spent = sum(layer[unit] for layer in layers)
        total += [f"{spent:,}", _ratio(spent, macs), "100.0%", ""]
    return columns, [*lines, total]


def _ratio(spent: int, macs: int) -> str:
    return f"{spent / macs:.2f}" if macs else "-"
