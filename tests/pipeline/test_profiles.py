"""What layers cost: counted, timed on the simulated board, and printed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from foldtiny.aot import compile_tflite
from foldtiny.cli import app
from foldtiny.console import print_layers
from foldtiny.pipeline import DeployRequest, deploy, profiles
from tests.aot import networks


def test_bytes_moved_are_inputs_outputs_and_constants() -> None:
    layers = profiles.describe(compile_tflite(networks.lenet5(), optimize="size").layers)
    first = layers[0]
    # 28 x 28 inputs, 14 x 14 x 4 outputs; 100 weights, and for each channel a bias, a multiplier (4 bytes) and a shift.
    assert first["bytes_moved"] == 28 * 28 + 14 * 14 * 4 + 100 + 4 * (4 + 4 + 1)
    assert first["operators"] == ["CONV_2D", "MAX_POOL_2D"]
    assert first["output_shape"] == [1, 14, 14, 4]
    assert [layer["layer"] for layer in layers] == list(range(len(layers)))


def test_shares_add_up_and_ratios_are_per_mac(capsys: pytest.CaptureFixture[str]) -> None:
    described = profiles.describe(compile_tflite(networks.lenet5()).layers)
    ticks = [100 * (i + 1) for i in range(len(described))]
    layers = profiles.measured(described, ticks, "instructions")
    assert sum(layer["share"] for layer in layers) == pytest.approx(1)
    assert layers[1]["instructions"] == 200
    assert layers[1]["instructions_per_mac"] == 200 / 80_000
    assert layers[-1]["macs"] == 0 and layers[-1]["instructions_per_mac"] is None
    print_layers(layers)
    out = capsys.readouterr().out
    assert "instructions" in out and "conv_2d + max_pool_2d" in out
    assert f"{sum(ticks):,}" in out.splitlines()[-2]
    print_layers(described)
    assert "instructions" not in capsys.readouterr().out


def test_firmware_without_profiling_leaves_what_is_known_anyway() -> None:
    described = profiles.describe(compile_tflite(networks.lenet5()).layers)
    assert profiles.measured(described, [], "cycles") == described


def test_compile_draws_the_plan_and_describes_the_layers(tmp_path: Path) -> None:
    model, picture, project = tmp_path / "net.tflite", tmp_path / "memory.svg", tmp_path / "project"
    model.write_bytes(networks.separable())
    arguments = ["compile", str(model), "--board", "nano33ble", "-o", str(project)]
    done = CliRunner().invoke(app, [*arguments, "--plot-memory", str(picture), "--profile"])
    assert done.exit_code == 0, done.output
    assert picture.read_text(encoding="utf-8").startswith("<svg")
    assert "depthwise_conv_2d" in done.stdout and "bytes moved" in done.stdout
    assert "-DMODEL_PROFILE" in (project / "platformio.ini").read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_deployment_is_profiled_on_the_simulated_board(tmp_path: Path) -> None:
    model = tmp_path / "net.tflite"
    model.write_bytes(networks.lenet5())
    request = DeployRequest(
        "nano33ble", tflite=model, output=tmp_path / "build", port="sim", runs=2, profile=True, optimize="size"
    )
    result = deploy(request)
    assert result is not None and result.latency.instructions
    written = json.loads(Path(result.artefacts["result"]).read_text(encoding="utf-8"))
    assert sum(part["bytes"] for part in written["footprint"]["flash"]) == written["flash_bytes"]["total"]
    assert sum(part["bytes"] for part in written["footprint"]["ram"]) == written["ram_bytes"]["total"]
    in_layers = [part["bytes"] for part in written["footprint"]["flash"] if part["layer"] is not None]
    assert sum(in_layers) == written["flash_bytes"]["model"]
    assert written["memory"]["arena_bytes"] == written["ram_bytes"]["planned"]
    layers = written["layers"]
    assert len(layers) == 6
    spent = sum(layer["instructions"] for layer in layers)
    # Layers fill the run but for the calls between them; the simulator counts in steps of 40.
    assert 0.9 * result.latency.instructions <= spent <= result.latency.instructions + 40 * len(layers)
    assert layers[0]["macs"] == 78_400 and layers[0]["unit"] == "instructions"
