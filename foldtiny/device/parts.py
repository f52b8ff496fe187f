"""What fills flash and RAM: the image's bytes shared out by the names of its symbols."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

_LAYER = re.compile(r"model_weights_(\d+)_")
_TABLE = re.compile(r"model_table_\d+_")
# What the generated code, the kernels and the firmware call their functions and objects; the rest comes from the
# compiler's libraries and, on a real board, from its framework.
_MODEL = ("model_weights_", "model_data")
_GENERATED = ("model_",)
_KERNELS = ("ft_",)
# The runtime tflm's: C++ names of its namespaces (functions, tables, names of types), and its kernels' C functions.
_INTERPRETER = re.compile(r"_Z\w*?(?:6tflite|11flatbuffers|8gemmlowp|3ruy|14model_)|TfLite")
_INTERPRETER_KERNELS = ("arm_", "esp_nn_")
_FIRMWARE = ("fw_", "main")


def part_of(symbol: str) -> tuple[str, str, int | None]:
    """Return what a symbol in flash belongs to: the group, the part's name, and the layer's number if it has one."""
    layer = _LAYER.match(symbol)
    if layer:
        return "model", f"layer {layer[1]}", int(layer[1])
    if symbol.startswith(_MODEL):
        return "model", "model", None
    if _TABLE.match(symbol):
        return "engine", "tables", None
    if symbol.startswith(_GENERATED):
        return "engine", "generated code", None
    if _INTERPRETER.match(symbol):
        return "engine", "interpreter", None
    if symbol.startswith((*_KERNELS, *_INTERPRETER_KERNELS)):
        return "engine", "kernels", None
    if symbol.startswith(_FIRMWARE):
        return "firmware", "firmware", None
    return "library", "libraries", None


def flash(symbols: Iterable[tuple[str, int]], total: int) -> list[dict[str, Any]]:
    """Share out flash.

    Parameters
    ----------
    symbols : iterable of (str, int)
        Name and bytes of each function and object in flash.
    total : int
        Bytes of the image in flash; what no symbol accounts for (constants without a name, padding, tables of the
        linker) is the part ``unnamed``.

    Returns
    -------
    list of dict
        ``group`` (model, engine, firmware, library, unnamed), ``name``, ``layer`` (a number, or None) and ``bytes``,
        which add up to ``total``; the layers of the model in order, then the largest first.
    """
    sums: dict[tuple[str, str, int | None], int] = {}
    for name, size in symbols:
        part = part_of(name)
        sums[part] = sums.get(part, 0) + size
    rest = total - sum(sums.values())
    if rest > 0:
        sums["unnamed", "unnamed", None] = rest
    ordered = sorted(sums.items(), key=lambda item: (item[0][2] is None, item[0][2] or 0, -item[1], item[0][1]))
    return [
        {"group": group, "name": name, "layer": layer, "bytes": size} for (group, name, layer), size in ordered if size
    ]


def ram(arena: int, data: int, bss: int, stack: int) -> list[dict[str, Any]]:
    """Share out RAM: the arena, the rest of .data and .bss, and the stack at its deepest.

    Parameters
    ----------
    arena, data, bss, stack : int
        Bytes; ``bss`` holds the arena.
    """
    parts = [
        ("tensors", "arena", arena),
        ("static", ".data", data),
        ("static", ".bss", bss - arena),
        ("stack", "stack", stack),
    ]
    return [{"group": group, "name": name, "layer": None, "bytes": size} for group, name, size in parts if size > 0]


def merge_layers(parts: Sequence[dict[str, Any]], most: int = 100) -> list[dict[str, Any]]:
    """Return the parts with the smallest layers as one where there are more than ``most`` layers."""
    layers = sorted((part for part in parts if part["layer"] is not None), key=lambda part: -part["bytes"])
    small = layers[most:]
    if not small:
        return list(parts)
    dropped = {part["layer"] for part in small}
    kept = [part for part in parts if part["layer"] not in dropped]
    total = sum(part["bytes"] for part in small)
    return [*kept, {"group": "model", "name": f"{len(small)} small layers", "layer": None, "bytes": total}]
