"""The main job on every board: a trained network, real images, real compilers, PlatformIO, and a serial link."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .conftest import Run

pytestmark = pytest.mark.slow

KEYS = {
    "board": None,
    "source": None,
    "runtime": None,
    "precision": None,
    "sparsity": None,
    "parameters": {"dense", "folded"},
    "accuracy": {"dense", "folded", "deployed"},
    "flash_bytes": {"total", "model", "engine"},
    "ram_bytes": {"total", "planned", "static", "stack"},
    "latency": {"instructions", "ms", "runs"},
    "bit_exact": {"checked", "matching"},
    "artefacts": None,
}


def _check_shape(result: dict[str, Any]) -> None:
    for key, parts in KEYS.items():
        assert key in result
        if parts:
            assert parts <= result[key].keys()
    for path in result["artefacts"].values():
        assert Path(path).exists()


@pytest.mark.parametrize("board", ["esp-eye", "nano33ble", "jetson-nano"])
def test_deploy_lenet5(run: Run, output: Path, board: str) -> None:
    done = run(
        "deploy", "--board", board, "--sparsity", 0.25, "--json", "-o", output, "--port", "sim", "--data", "subset"
    )
    assert done.code == 0, done.err
    result = done.json()
    _check_shape(result)
    assert (result["board"], result["source"], result["runtime"], result["precision"]) == (
        board,
        "simulated",
        "aot",
        "int8",
    )
    assert result["bit_exact"]["checked"] == result["bit_exact"]["matching"] == 32
    # The poster's network; a quarter of it removed, within 1 % of the request (never less).
    assert result["parameters"]["dense"] == 979_690
    assert 0.25 <= result["sparsity"] <= 0.26
    accuracy = result["accuracy"]
    assert accuracy["dense"] > 0.915
    assert accuracy["dense"] - accuracy["deployed"] < 0.01
    flash, ram = result["flash_bytes"], result["ram_bytes"]
    # int8 weights: about a byte a parameter, the biases and multipliers of 744 channels, and where a processor has
    # kernels for speed that want it, the second convolution's 19,250 weights in up to 112,896 bytes.
    assert result["parameters"]["folded"] <= flash["model"] < result["parameters"]["folded"] * 1.05 + 112_896
    assert flash["model"] + flash["engine"] < flash["total"]
    assert ram["total"] == ram["static"] + ram["stack"]
    assert 0 < ram["planned"] <= ram["static"]
    assert ram["stack"] > 0
    # NEON's tile, the densest, takes 30 instructions for 128 products.
    assert result["latency"]["instructions"] > result["macs"]["folded"] * 30 / 128
    estimated = result["latency"]["estimated"]
    assert (estimated is not None) == (board == "nano33ble")
    if estimated:
        assert result["latency"]["instructions"] < estimated["cycles_low"] < estimated["cycles_high"]
        assert result["latency"]["ms"] < estimated["ms_low"] < estimated["ms_high"]
    assert result["latency"]["runs"] >= 32


def test_a_second_deploy_reuses_every_stage(run: Run, output: Path) -> None:
    arguments = ("deploy", "--board", "nano33ble", "--json", "-o", output, "--port", "sim", "--data", "subset")
    first, second = run(*arguments), run(*arguments)
    assert second.code == 0, second.err
    assert all(stage["reused"] for stage in second.json()["stages"])
    assert second.json()["latency"] == first.json()["latency"]
    assert "reused" in second.err


def test_another_board_reuses_fold_and_conversion(run: Run, output: Path) -> None:
    run("deploy", "--board", "nano33ble", "--json", "-o", output, "--port", "sim", "--data", "subset")
    done = run(
        "deploy", "--board", "jetson-nano", "--json", "-o", output, "--port", "sim", "--data", "subset", "--runs", 33
    )
    stages = {stage["name"]: stage["reused"] for stage in done.json()["stages"]}
    assert stages["fold"] and stages["convert"]
    assert done.json()["bit_exact"] | {"checked": 33, "matching": 33} == done.json()["bit_exact"]


@pytest.mark.parametrize("board", ["nano33ble", "jetson-nano"])
def test_float32(run: Run, output: Path, board: str) -> None:
    # 85 % removed, so that float32 weights fit the Nano's 983,040 B of flash.
    done = run(
        "deploy", "--board", board, "--sparsity", 0.85, "--precision", "float32", "--json",
        "-o", output, "--port", "sim", "--data", "subset",
    )  # fmt: skip
    assert done.code == 0, done.err
    exact = done.json()["bit_exact"]
    assert exact["checked"] == 32
    assert exact["max_abs_difference"] <= exact["tolerance"]
    assert abs(done.json()["accuracy"]["deployed"] - done.json()["accuracy"]["folded"]) < 0.002


def test_an_image_that_does_not_fit_fails_with_the_numbers(run: Run, output: Path) -> None:
    done = run(
        "deploy", "--board", "nano33ble", "--sparsity", 0.25, "--precision", "float32",
        "-o", output, "--port", "sim", "--data", "subset",
    )  # fmt: skip
    assert done.code == 1
    assert "983,040" in done.err and "flash" in done.err
    assert "--sparsity" in done.err


def test_dry_run_stops_before_the_board(run: Run, tmp_path: Path, output: Path) -> None:
    done = run("deploy", "--board", "nano33ble", "-o", output, "--data", "subset", "--dry-run")
    assert done.code == 0, done.err
    assert done.out == ""
    assert "measure" not in done.err
