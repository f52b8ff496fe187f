"""A chip instead of a sparsity: the deployed network keeps the limit and leaves little of it unused."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Run

pytestmark = pytest.mark.slow


def test_deploy_to_a_flash_limit(run: Run, output: Path) -> None:
    done = run(
        "deploy", "--board", "nano33ble", "--max-flash", "256k", "--json", "--runs", 2,
        "-o", output, "--port", "sim", "--data", "subset",
    )  # fmt: skip
    assert done.code == 0, done.err
    result = done.json()
    assert 0.97 * 262_144 < result["flash_bytes"]["total"] <= 262_144
    found = result["search"]
    assert found["limits"] == {"flash_bytes": 262_144, "ram_bytes": None, "ms": None}
    assert found["sparsity"] == pytest.approx(result["sparsity"], abs=0.01)
    dense, last = found["candidates"][0], found["candidates"][-1]
    assert (dense["removed"], dense["fits"], dense["parameters"]) == (0.0, False, 979_690)
    assert (last["weights"], last["fits"]) == ("folded", True)
    assert last["flash_bytes"] == result["flash_bytes"]["total"]
    # The network that was only of the same widths took what the folded one takes.
    tried = [c for c in found["candidates"] if c["weights"] == "placeholder" and c["removed"] == last["removed"]]
    assert tried and abs(tried[0]["flash_bytes"] - last["flash_bytes"]) < 256
    again = run(
        "deploy", "--board", "nano33ble", "--max-flash", "256KiB", "--json", "--runs", 2,
        "-o", output, "--port", "sim", "--data", "subset",
    )  # fmt: skip
    assert again.code == 0, again.err
    assert again.json()["search"] == found
    assert all(stage["reused"] for stage in again.json()["stages"])
    assert "search    75" in again.err and "reused" in again.err


def test_a_limit_that_nothing_keeps_ends_in_one_sentence(run: Run, tmp_path: Path) -> None:
    done = run("fold", "lenet5", "--board", "esp-eye", "--max-flash", "1k", "--data", "subset", "-o", tmp_path / "f.pt")
    assert done.code == 1
    assert "lenet5 does not fit esp-eye: even with 99" in done.err
    # Not even the constants fit, so nothing had to be built to know.
    assert "it takes at least " in done.err and " B of flash (limit 1,024)" in done.err
    assert "raise the limit" in done.err
    assert not (tmp_path / "f.pt").exists()
