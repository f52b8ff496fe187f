"""The whole way to a board on a port: built, flashed, found again, measured; a twin is never taken for hardware."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from foldtiny import boards
from foldtiny.device import simulate, upstream
from foldtiny.errors import BuildError, FoldtinyError
from foldtiny.pipeline import DeployRequest, deploy
from foldtiny.progress import SilentReporter
from foldtiny.result import DeployResult
from tests.aot.networks import Network
from tests.device.hardware import Desk, FakeBoard

pytestmark = pytest.mark.slow


def _model(folder: Path, seed: int = 0) -> Path:
    network = Network((1, 8, 8, 3), "int8", seed)
    network.conv(4, 3)
    network.reshape(1, 256)
    network.dense(5)
    path = folder / f"model{seed}.tflite"
    path.write_bytes(network.done())
    return path


def _deploy(folder: Path, model: Path, **more: object) -> DeployResult:
    request = DeployRequest(board="esp-eye", tflite=model, output=folder / "build", runs=4, **more)  # type: ignore[arg-type]
    result = deploy(request)
    assert result is not None
    return result


def test_what_is_missing_is_said_before_the_folding(
    desk: Desk, fake_board: FakeBoard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upstream, "reachable", lambda: False)
    with pytest.raises(BuildError, match=r"needs PlatformIO's espressif32@6\.9\.0 .* cannot be downloaded"):
        deploy(DeployRequest(board="esp-eye", output=tmp_path / "build"))
    assert not (tmp_path / "build").exists()


def test_board_is_flashed_and_measured(desk: Desk, fake_board: FakeBoard, tmp_path: Path) -> None:
    model = _model(tmp_path)
    result = _deploy(tmp_path, model)
    assert (result.source, result.device) == ("hardware", "Espressif ESP-EYE")
    assert result.latency.basis == "measured on the board" and result.latency.instructions is None
    assert (result.bit_exact.checked, result.bit_exact.matching) == (4, 4)
    project = result.artefacts["project"]
    assert desk.calls == [
        f"run -d {project} -e esp-eye -j 2",
        f"run -d {project} -e esp-eye -j 2 -t upload --upload-port {fake_board.port}",
    ]
    assert [stage["name"] for stage in result.stages][-3:] == ["build", "flash", "measure"]
    # A second deployment flashes and measures again, though nothing has changed.
    again = _deploy(tmp_path, model)
    assert {stage["name"]: stage["reused"] for stage in again.stages} == {
        "compile": True, "build": True, "flash": False, "measure": False,
    }  # fmt: skip
    # What is on the board can be measured alone, and another model is noticed.
    alone = _deploy(tmp_path, model, flash=False)
    assert alone.source == "hardware" and "flash" not in [stage["name"] for stage in alone.stages]
    with pytest.raises(FoldtinyError, match=r"runs another model \(\w+, expected \w+\); flash it again with"):
        _deploy(tmp_path, _model(tmp_path, 1), flash=False)
    # The simulated result is kept apart.
    simulated = _deploy(tmp_path, model, port="sim")
    assert simulated.source == "simulated" and not simulated.stages[-1]["reused"]


def test_failed_upload_is_mended_by_a_second_deployment(desk: Desk, fake_board: FakeBoard, tmp_path: Path) -> None:
    model = _model(tmp_path)
    desk.upload_says("serial.serialutil.SerialException: device disconnected\n*** [upload] Error 1\n")
    with pytest.raises(FoldtinyError, match="vanished while it was flashed"):
        _deploy(tmp_path, model)
    desk.upload_says("done\n")
    assert _deploy(tmp_path, model).source == "hardware"


def test_dead_firmware_after_flashing(
    desk: Desk, fake_board: FakeBoard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The upload works but nothing answers afterwards."""
    from foldtiny.device import measure

    monkeypatch.setitem(measure.measure_port.__kwdefaults__, "timeout_s", 1.0)
    monkeypatch.setattr(FakeBoard, "start", lambda self, elf: None)
    with pytest.raises(FoldtinyError, match=r"did not answer HELLO within 1 s \(\d+ tries, nothing came\); check that"):
        _deploy(tmp_path, _model(tmp_path))


def test_cable_pulled_while_measuring(
    desk: Desk, fake_board: FakeBoard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from foldtiny.device import measure

    monkeypatch.setitem(measure.measure_port.__kwdefaults__, "timeout_s", 1.0)

    class Pull(SilentReporter):
        def progress(self, label: str, fraction: float) -> None:
            if label == "running on esp-eye" and fraction >= 0.5:
                fake_board.halt()

    request = DeployRequest(board="esp-eye", tflite=_model(tmp_path), output=tmp_path / "build", runs=4)
    with pytest.raises(FoldtinyError, match=r"did not answer \w+ within|vanished"):
        deploy(request, Pull())
    assert not list((tmp_path / "build").rglob("result.json"))


def test_twin_on_a_port_is_still_simulated(desk: Desk, tmp_path: Path) -> None:
    model = _model(tmp_path)
    first = _deploy(tmp_path, model, port="sim")
    desk.listed = []
    with simulate.start(boards.get("esp-eye"), Path(first.artefacts["firmware"])) as twin:
        result = _deploy(tmp_path, model, port=twin.port, flash=False)
        with pytest.raises(FoldtinyError, match="is a esp-eye, not a nano33ble"):
            deploy(
                DeployRequest(
                    board="nano33ble", tflite=model, output=tmp_path / "build", port=twin.port, flash=False
                )
            )  # fmt: skip
        assert result.source == "simulated" and result.device == "QEMU xtensa sim lx106"
        assert result.notes[-1] == (
            f"the esp-eye on {twin.port} says that it is a simulated twin: its figures are not a board's"
        )
        assert result.flash_bytes == first.flash_bytes
        measured = json.loads(Path(result.artefacts["measurement"]).read_text())["result"]
        assert measured["source"] == "simulated"
    assert desk.calls == []


def test_socket_to_a_linux_board(desk: Desk, tmp_path: Path) -> None:
    """A jetson-nano behind a socket: the firmware runs under socat's kind of server, here the simulator's."""
    import socket
    import threading

    model = _model(tmp_path)
    request = DeployRequest(board="jetson-nano", tflite=model, output=tmp_path / "build", runs=4, port="sim")
    first = deploy(request)
    assert first is not None
    server = socket.create_server(("127.0.0.1", 0))
    port = f"socket://127.0.0.1:{server.getsockname()[1]}"

    def serve() -> None:
        for _ in range(2):  # asked who it is, then measured
            connection, _ = server.accept()
            with connection:
                command = ["qemu-aarch64", "-cpu", "cortex-a57", first.artefacts["firmware"]]
                subprocess.run(command, stdin=connection, stdout=connection, check=False)

    thread = threading.Thread(target=serve)
    thread.start()
    result = deploy(
        DeployRequest(board="jetson-nano", tflite=model, output=tmp_path / "build", runs=4, port=port, flash=False)
    )
    thread.join()
    server.close()
    assert result is not None
    assert result.source == "simulated"  # no counter here, but the firmware knows that QEMU runs it
    assert result.bit_exact.matching == 4
