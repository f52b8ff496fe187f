"""``--runtime tflm`` through the command line: on a stand-in for TFLite Micro, and on a real tree."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from foldtiny import boards, reference
from foldtiny.device import measure
from tests.project import fetched, tflm_tree

from .conftest import Run

pytestmark = pytest.mark.slow

REAL = os.environ.get("FOLDTINY_TFLM_SOURCE")
# A folder with what PlatformIO would fetch, unpacked: pico-tflmicro, cmsis-nn, esp-tflite-micro, esp-nn.
PACKAGES = os.environ.get("FOLDTINY_TFLM_PACKAGES")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tflm_tree.write(tmp_path_factory.mktemp("tree"))


@pytest.fixture(scope="module")
def relu(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("network") / "relu.tflite"
    path.write_bytes(tflm_tree.network())
    return path


def test_interpreter_on_the_twin(run: Run, tree: Path, relu: Path, tmp_path: Path) -> None:
    arguments = ["deploy", "--board", "nano33ble", "--port", "sim", "--tflite", relu, "--runtime", "tflm"]
    arguments += ["--tflm-source", tree, "-o", tmp_path, "--profile"]
    done = run(*arguments, "--json")
    assert done.code == 0, done.err
    result = done.json()
    assert (result["runtime"], result["source"]) == ("tflm", "simulated")
    assert result["bit_exact"]["matching"] == result["bit_exact"]["checked"] == 32
    ram, flash = result["ram_bytes"], result["flash_bytes"]
    assert ram["used"] == tflm_tree.USED_BYTES < ram["planned"] < ram["static"]
    assert flash["model"] == relu.stat().st_size  # the file as it is
    parts = {part["name"]: part["bytes"] for part in result["footprint"]["flash"]}
    assert 0 < parts["interpreter"] < flash["engine"] and parts["kernels"] > 0
    (layer,) = result["layers"]
    assert (layer["operators"], layer["kernel"]) == (["RELU"], "TFLite Micro")
    assert 0 < layer["instructions"] <= result["latency"]["instructions"]
    again = run(*arguments, "--json")
    assert all(stage["reused"] for stage in again.json()["stages"])

    # Another project: TFLite Micro is not compiled again, the network is.
    build = {**os.environ, "FOLDTINY_CACHE": str(tmp_path / "cache")}
    for number in range(2):
        assert run(*arguments, "-o", tmp_path / str(number), env=build).code == 0
    (log,) = (tmp_path / "1").rglob("foldtiny-nano33ble-sim.log")
    lines = log.read_text().splitlines()
    kept = [line for line in lines if line.startswith("Retrieved") and "tflite-micro" in line]
    made = [line for line in lines if line.startswith("Compiling")]
    assert len(kept) == 3 and not [line for line in made if "tflite-micro" in line]
    assert any("model/model.o" in line for line in made)

    table = run(*arguments)
    assert f"{tflm_tree.USED_BYTES} of an arena of {ram['planned']:,}" in table.out

    small = run(*arguments, "--tflm-arena", tflm_tree.USED_BYTES - 1)
    assert small.code == 1
    assert "TFLite Micro did not start on the nano33ble: its arena is too small" in small.err
    assert "--tflm-arena" in small.err


def test_without_sources_it_says_how_to_get_them(run: Run, relu: Path, tmp_path: Path) -> None:
    done = run("deploy", "--board", "nano33ble", "--port", "sim", "--tflite", relu, "--runtime", "tflm", "-o", tmp_path)
    assert done.code == 2
    assert "needs the sources of TFLite Micro" in done.err and "create_tflm_tree.py" in done.err


@pytest.mark.skipif(REAL is None, reason="FOLDTINY_TFLM_SOURCE names no tree of TFLite Micro")
def test_real_interpreter_on_the_twin(run: Run, output: Path) -> None:
    """LeNet5 by TFLite Micro's own sources: the same bytes, at more cost than the network compiled to C."""
    results = {}
    for runtime in ("aot", "tflm"):
        more = ["--tflm-source", REAL] if runtime == "tflm" else []
        done = run("deploy", "--board", "nano33ble", "--port", "sim", "--data", "subset", "-o", output, "--json",
                   "--runtime", runtime, *more)  # fmt: skip
        assert done.code == 0, done.err
        results[runtime] = done.json()
    aot, tflm = results["aot"], results["tflm"]
    assert tflm["bit_exact"]["matching"] == tflm["bit_exact"]["checked"] == 32
    assert tflm["accuracy"]["deployed"] == aot["accuracy"]["deployed"]
    assert tflm["latency"]["instructions"] > aot["latency"]["instructions"]
    assert tflm["ram_bytes"]["used"] <= tflm["ram_bytes"]["planned"]
    assert tflm["flash_bytes"]["engine"] > aot["flash_bytes"]["engine"]


def _run_fetched(name: str, twin_name: str, tflite: bytes, packages: Path, out: Path) -> measure.Measurement:
    board, twin = boards.get(name), boards.get(twin_name)
    elf = fetched.build(board, twin, tflite, packages, out)
    inputs = reference.random_inputs(tflite, 8)
    expected = reference.outputs(tflite, inputs)
    return measure.measure(fetched.replace_name(twin, board), elf, inputs, expected)


def test_packages_that_platformio_fetches(relu: Path, tmp_path: Path) -> None:
    packages = fetched.stand_in(tmp_path / "packages")
    found = _run_fetched("nano33ble", "nano33ble", relu.read_bytes(), packages, tmp_path / "p")
    assert (found.matching, found.checked, found.hello.arena_bytes) == (8, 8, tflm_tree.USED_BYTES)


@pytest.mark.skipif(PACKAGES is None, reason="FOLDTINY_TFLM_PACKAGES names no folder with TFLite Micro's packages")
@pytest.mark.parametrize(("name", "twin"), [("nano33ble", "nano33ble"), ("esp-eye", "jetson-nano")])
def test_real_packages(output: Path, run: Run, tmp_path: Path, name: str, twin: str) -> None:
    """LeNet5 by the very sources that a real board is built from."""
    assert PACKAGES is not None
    done = run("deploy", "--board", "nano33ble", "--port", "sim", "--data", "subset", "-o", output, "--json")
    tflite = Path(done.json()["artefacts"]["tflite"]).read_bytes()
    found = _run_fetched(name, twin, tflite, Path(PACKAGES), tmp_path / "p")
    assert found.matching == found.checked == 8
    assert found.hello.arena_bytes > 0
