"""Records as `foldtiny bench` writes them, made from networks that are really compiled, without a board."""

from __future__ import annotations

from functools import cache
from typing import Any

from foldtiny.aot import compile_tflite
from foldtiny.device import parts
from foldtiny.pipeline import memory, profiles
from tests.aot import networks

NASTY = '<script>alert("x")</script><img src=x onerror=alert(1)>&amp;\'"'


@cache
def _compiled(name: str) -> Any:
    return compile_tflite(getattr(networks, name)())


def record(
    *,
    network: str = "lenet5",
    model: str = "lenet5",
    board: str = "nano33ble",
    sparsity: float | None = 0.25,
    method: str | None = "combination",
    source: str = "simulated",
    profile: bool = True,
    accuracy: float | None = 0.92,
    flash: int = 820_152,
    ms: float = 32.26,
) -> dict[str, Any]:
    """Return a record of a run that ended well."""
    compiled = _compiled(network)
    described = profiles.describe(compiled.layers)
    ticks = [1000 * (i + 1) for i in range(len(described))] if profile else []
    symbols = [(f"model_weights_{i}_w", layer["constant_bytes"]) for i, layer in enumerate(described)]
    symbols += [("ft_conv_2d", 9_000), ("model_invoke", 300), ("fw_loop", 3_000), ("memcpy", 500)]
    simulated = source == "simulated"
    folding = {
        "method": method,
        "budget": "uniform",
        "repair": "none",
        "sparsity_requested": sparsity,
        "sparsity": (sparsity or 0) + 0.001,
        "parameters_dense": 979_690,
        "parameters_folded": 733_687,
        "groups": [
            {"name": "conv10", "layers": ["conv10", "fc2"], "dense_width": 16, "folded_width": 14, "method": method}
        ],
        "skipped": [{"name": "out", "reason": "its channels are the network's output"}],
        "layers": {"conv10": [16, 14], "fc2": [256, 223], "fc10": [10, 10]},
        "notes": ["nothing else"],
    }
    result = {
        "board": board,
        "source": source,
        "device": "QEMU" if simulated else "Arduino Nano 33 BLE",
        "runtime": "aot",
        "precision": "int8",
        "model": model,
        "method": method,
        "sparsity": None if sparsity is None else sparsity + 0.001,
        "parameters": {"dense": 979_690, "folded": 733_687},
        "macs": {"dense": 3_826_432, "folded": 2_912_740},
        "accuracy": {
            "dense": 0.9293,
            "folded": accuracy,
            "deployed": accuracy,
            "images": 10_000,
            "dataset": "Fashion-MNIST (test)",
        },
        "flash_bytes": {"total": flash, "model": 805_320, "engine": 10_604, "limit": 983_040},
        "ram_bytes": {"total": 8_908, "planned": 7_456, "static": 8_332, "stack": 576, "limit": 262_144},
        "latency": {
            "instructions": 2_064_720 if simulated else None,
            "ms": ms,
            "runs": 32,
            "basis": "simulated: instructions at 64 MHz, one a cycle" if simulated else "measured on the board",
            "ms_min": ms,
            "ms_p95": ms,
            "estimated": {
                "cycles_low": 3_327_629,
                "cycles_high": 3_442_276,
                "ms_low": ms * 1.6,
                "ms_high": ms * 1.7,
                "model": "Cortex-M4 instruction timing",
                "assumptions": ["no wait states"],
            }
            if simulated
            else None,
        },
        "bit_exact": {"checked": 32, "matching": 32, "reference": "TFLite Micro's reference kernels"},
        "stages": [{"name": "fold", "summary": "done", "seconds": 5.7, "reused": False}],
        "notes": ["this runs on its simulated twin"],
        "layers": profiles.measured(described, ticks, "instructions"),
        "memory": memory.describe(compiled.plan, len(compiled.layers)),
        "footprint": {
            "flash": parts.flash(symbols, sum(size for _, size in symbols) + 200),
            "ram": parts.ram(compiled.plan.arena_bytes, 0, compiled.plan.arena_bytes + 876, 576),
        },
        "folding": folding if sparsity is not None else {},
        "optimize": "speed",
        "foldtiny": "0.1.0",
    }
    return {
        "schema": 1,
        "id": f"{model}-{board}-{sparsity}-{method}",
        "cell": {"model": "default", "board": board, "port": "auto", "sparsity": sparsity, "method": method},
        "status": "ok",
        "error": None,
        "result": result,
        "repetitions": {"count": 3, "median_ms": ms, "p95_ms": ms * 1.01, "min_ms": ms, "source": f"{source}: it says"},
        "environment": {"python": "3.11.7", "packages": {"torch": "2.13.0"}, "compiler": f"gcc for {board}"},
        "started": "2026-11-24T09:20:00+00:00",
        "seconds": 31.5,
        "command": f"foldtiny deploy --board {board} --sparsity {sparsity}",
    }


def failed(board: str = "nano33ble", sparsity: float = 0.1) -> dict[str, Any]:
    """Return a record of a run that did not end well."""
    return {
        "schema": 1,
        "id": "failed",
        "cell": {
            "model": "default",
            "board": board,
            "sparsity": sparsity,
            "method": "combination",
            "precision": "int8",
            "runtime": "aot",
        },
        "status": "failed",
        "error": {"type": "BuildError", "message": "the firmware needs 2,960,312 B of flash", "hint": "fold more"},
        "result": None,
        "environment": {},
        "started": "2026-11-24T09:30:00+00:00",
        "seconds": 3.0,
        "command": f"foldtiny deploy --board {board} --sparsity {sparsity} --precision float32",
    }


def several() -> list[dict[str, Any]]:
    """Return records of several boards, methods and sources, one that failed, and one of a .tflite file."""
    return [
        record(),
        record(sparsity=0.5, accuracy=0.91, flash=524_000, ms=25.1),
        record(sparsity=0.5, method="ward", accuracy=0.905, flash=523_000, ms=25.0, profile=False),
        record(board="esp-eye", source="hardware", flash=855_000, ms=60.0),
        record(network="separable", model="tiny", sparsity=None, method=None, accuracy=None, flash=60_000, ms=3.0),
        failed(),
    ]


def nasty() -> dict[str, Any]:
    """Return a record whose every text tries to be HTML, and is long."""
    one = record()
    long = NASTY + "a_name_without_any_break_" * 8
    one["result"] |= {"model": long, "board": long, "device": long, "notes": [long]}
    one["cell"]["method"] = one["result"]["method"] = long
    one["command"] = f"foldtiny deploy --model '{long}'\x00\ud800"
    one["environment"] = {long: long}
    one["result"]["accuracy"]["dataset"] = long
    one["result"]["layers"] = [{**layer, "name": long, "kernel": long} for layer in one["result"]["layers"]]
    for layer in one["result"]["layers"]:
        layer["operators"] = [long]
    for tensor in one["result"]["memory"]["tensors"]:
        tensor["name"] = long
    one["result"]["folding"] |= {"layers": {long: [16, 14]}, "notes": [long]}
    one["result"]["stages"] = [{"name": long, "summary": long, "seconds": 1.0, "reused": False}]
    return one
