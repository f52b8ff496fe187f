"""How the table is filled: what fails stays in its cell, what does not fit runs on a roomy twin."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from foldtiny import boards, fold
from foldtiny.device.build import TooLargeError
from foldtiny.errors import FoldError, LinkError
from foldtiny.pipeline.board import BoardRun
from foldtiny.pipeline.model import ReadyModel
from foldtiny.pipeline.request import DeployRequest
from foldtiny.resources import asset
from foldtiny.result import Accuracy, BitExact, EstimatedTime, FlashBytes, Latency, Parameters, RamBytes
from foldtiny.table2 import Table2Request, figures, fill, run
from foldtiny.zoo import checkpoint


def _board_run(size: int, limit: int | None) -> BoardRun:
    return BoardRun(
        directory=Path(),
        source="simulated",
        device="QEMU Test",
        macs=1,
        accuracy=Accuracy(0.93, 0.92, 0.91, 2_000, "Test"),
        flash=FlashBytes(size, 0, 0, limit),
        ram=RamBytes(total=6_500, planned=6_000, static=6_200, stack=300, limit=None),
        latency=Latency(2_000_000, 10.0, 8, "simulated"),
        bit_exact=BitExact(8, 8, "the reference"),
        layers=[{"operators": ["CONV_2D"], "output_shape": [1, 28, 28, 12]}],
        memory={},
        footprint={},
        optimize="speed",
        artefacts={"firmware": "firmware.elf"},
        records=[],
    )


class Stages:
    """Stands in for the pipeline; ``fail`` maps (board, precision) to the error to raise."""

    def __init__(self, tmp_path: Path) -> None:
        self.fail: dict[tuple[str, str], Exception] = {}
        self.flash: dict[str, int] = {"float32": 800_000, "int8": 300_000}
        self.asked: list[tuple[DeployRequest, boards.Board]] = []
        self.tflite = tmp_path / "model.tflite"
        self.tflite.write_bytes(bytes(100))

    def prepare(self, request: DeployRequest, reporter: Any) -> ReadyModel:
        if ("", request.precision) in self.fail:
            raise self.fail["", request.precision]
        return ReadyModel(
            name="lenet5",
            directory=self.tflite.parent,
            tflite=self.tflite,
            precision=request.precision,
            inputs=[],
            method=request.folding.method,
            sparsity=request.folding.sparsity,
            parameters=Parameters(1000, 500),
            accuracy=Accuracy(0.93, 0.92, None, 2_000, "Test"),
            folding={"layers": {"conv1": (16, 12)}},
        )

    def run(self, request: DeployRequest, board: boards.Board, *_: Any) -> BoardRun:
        self.asked.append((request, board))
        limit = board.limits.flash_bytes
        size = self.flash[request.precision]
        if (request.board, request.precision) in self.fail:
            raise self.fail[request.board, request.precision]
        if limit is not None and size > limit:
            raise TooLargeError(board, "flash", size, limit)
        return _board_run(size, limit)


@pytest.fixture
def stages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stages:
    made = Stages(tmp_path)
    monkeypatch.setattr(fill, "prepare_folded", made.prepare)
    monkeypatch.setattr(fill, "run_on_board", made.run)
    monkeypatch.setattr(
        figures, "sizes", lambda board, elf: figures.Sizes(made.flash[made.asked[-1][0].precision], 6_200)
    )
    return made


def test_a_board_that_fails_does_not_stop_the_others(stages: Stages, tmp_path: Path) -> None:
    stages.fail["esp-eye", "int8"] = LinkError("the board does not answer", "press reset")
    table = run(Table2Request(sparsities=(0.25,), ports=("sim",), output=tmp_path / "out"))
    assert not table.complete
    found = {cell.board: cell for cell in table.cells}
    assert found["esp-eye"].errors == {"deployed": "the board does not answer; press reset"}
    assert found["esp-eye"].deployed is None and found["esp-eye"].poster_config is not None
    assert found["nano33ble"].deployed is not None and found["jetson-nano"].errors == {}
    written = json.loads((tmp_path / "out" / "table2.json").read_text())
    assert len(written["cells"]) == 3


def test_a_fold_that_fails_leaves_its_reason_on_every_board(stages: Stages, tmp_path: Path) -> None:
    stages.fail["", "float32"] = FoldError("the network cannot be traced", "mend it")
    stages.fail["nano33ble", "int8"] = PermissionError(13, "Permission denied", "/dev/ttyACM0")
    table = run(Table2Request(sparsities=(0.1,), ports=("sim",), output=tmp_path / "out"))
    for cell in table.cells:
        assert cell.errors["poster_config"] == "the network cannot be traced; mend it"
        assert (cell.deployed is None) == (cell.board == "nano33ble")
    assert table.cells[2].errors["deployed"] == "nano33ble 10% int8: permission denied"


@pytest.mark.parametrize("tflite_bytes", [100, 2_000_000])
def test_an_image_that_does_not_fit_runs_on_a_roomy_twin_and_says_so(
    stages: Stages, tmp_path: Path, tflite_bytes: int
) -> None:
    """Whether that shows from the weights alone, or only when the image is linked."""
    stages.tflite.write_bytes(bytes(tflite_bytes))
    stages.flash["float32"] = 2_936_013
    request = Table2Request(boards=("nano33ble",), sparsities=(0.25,), ports=("sim",), output=tmp_path / "out")
    (cell,) = run(request).cells
    ours = cell.poster_config
    assert ours is not None and cell.deployed is not None
    assert (ours.fits, ours.misfit) == (False, "does not fit: 2.8 M > 0.94 M")
    assert "with the flash enlarged" in ours.ms_source and "with the flash enlarged" in ours.flash_source
    assert (cell.deployed.fits, cell.deployed.misfit) == (True, None)
    # What was tried: the board itself only where it could have fitted.
    limits = [board.limits.flash_bytes for request, board in stages.asked if request.precision == "float32"]
    assert limits == ([983_040] if tflite_bytes == 100 else []) + [boards.SIMULATED_ROOM]


def test_a_deployment_that_does_not_fit_is_an_error(stages: Stages, tmp_path: Path) -> None:
    stages.flash["int8"] = 1_000_000
    request = Table2Request(boards=("nano33ble",), sparsities=(0.1,), ports=("sim",), output=tmp_path / "out")
    (cell,) = run(request).cells
    assert "nano33ble has 983,040 B" in cell.errors["deployed"]


def test_the_two_configurations_are_those_of_the_poster_and_of_deploy(stages: Stages, tmp_path: Path) -> None:
    run(Table2Request(boards=("esp-eye",), sparsities=(0.5,), ports=("sim",), output=tmp_path / "out"))
    poster, deployed = (request for request, _ in stages.asked)
    assert (poster.precision, poster.fuse, poster.folding.method) == ("float32", False, "kmeans")
    assert (poster.folding.sparsity, poster.folding.budget) == (0.499, "uniform")
    default = DeployRequest(board="esp-eye")
    assert (deployed.precision, deployed.fuse, deployed.optimize) == ("int8", True, default.optimize)
    assert deployed.folding == dataclasses.replace(default.folding, sparsity=0.5)


def test_ram_in_the_posters_configuration_holds_tensors_and_an_interpreter(stages: Stages, tmp_path: Path) -> None:
    (cell,) = run(Table2Request(("esp-eye",), (0.5,), ("sim",), output=tmp_path / "out")).cells
    ours, deployed = cell.poster_config, cell.deployed
    assert ours is not None and deployed is not None
    assert (ours.ram_tensors, ours.ram_firmware) == (6_000, 6_200 + 300)
    assert ours.ram == 6_000 + ours.ram_interpreter and ours.ram_interpreter == figures.interpreter_bytes(12)
    assert deployed.ram == deployed.ram_firmware == 6_500 and deployed.ram_interpreter == 0
    assert ours.accuracy == 0.92 and deployed.accuracy == 0.91


def test_interpreter_bytes_are_those_that_tflite_micro_counted() -> None:
    # As benchmarks/interpreter_ram.py printed them for the poster's four networks.
    channels = ((15, 61), (14, 55), (12, 45), (9, 35))
    assert [figures.interpreter_bytes(sum(pair)) for pair in channels] == [2_252, 2_188, 2_092, 1_996]


def test_an_estimate_is_its_upper_end_and_hardware_names_its_port(
    stages: Stages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guess = EstimatedTime(1, 2, 3, 9, 30.0, 40.0, "a timing table", ())
    inner = stages.run

    def estimated(request: DeployRequest, board: boards.Board, *rest: Any) -> BoardRun:
        found = inner(request, board, *rest)
        return dataclasses.replace(found, latency=dataclasses.replace(found.latency, estimated=guess))

    monkeypatch.setattr(fill, "run_on_board", estimated)
    (cell,) = run(Table2Request(("nano33ble",), (0.5,), ("sim",), output=tmp_path / "out")).cells
    assert cell.deployed is not None
    assert (cell.deployed.ms, cell.deployed.source, cell.deployed.ms_range) == (40.0, "estimated", (30.0, 40.0))
    assert cell.deployed.ms_source.startswith("a timing table, 30.0 to 40.0 ms at 64 MHz; 2,000,000 instructions on")


def test_the_posters_widths() -> None:
    """Table 2's RAM: 15, 14, 12 and 9 channels in the first convolution; its flash: 4 bytes a parameter."""
    loaded = checkpoint.load(asset("lenet5_fashion_mnist.pt"))
    example = torch.zeros(1, *loaded.input_shape)
    channels, megabytes = [], []
    for sparsity in (0.1, 0.25, 0.5, 0.7):
        asked = fill.request_of(Table2Request(), "poster_config", sparsity, "esp-eye").folding.sparsity
        # The widths do not depend on the method; this one is the quickest.
        report = fold.fold(loaded.module, example, sparsity=asked, method="l1").report
        channels.append(report.layers["features.0"][1])
        megabytes.append(4 * report.parameters_folded / 1024 / 1024)
    assert channels == [15, 14, 12, 9]
    for ours, printed in zip(megabytes, (3.4, 2.8, 1.9, 1.2), strict=True):
        assert 0 < printed + 0.05 - ours < 0.15
