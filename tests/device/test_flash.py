"""Flashing with a fake PlatformIO: the command line, the board that comes back elsewhere, and every way to fail."""

from __future__ import annotations

import re
import threading
import time
from pathlib import Path

import pytest

from foldtiny import boards
from foldtiny.device import discover, flash, run_platformio, upstream
from foldtiny.device.discover import Connected
from foldtiny.errors import BuildError, FoldtinyError
from foldtiny.project import Project, render
from tests.device.hardware import Desk, usb
from tests.firmware import fake_model

NANO_ID, NANO_BOOT, EYE_ID = (0x2341, 0x805A), (0x2341, 0x005A), (0x10C4, 0xEA60)
IDS = {"nano33ble": NANO_ID, "esp-eye": EYE_ID, "nucleo-l4r5zi": (0x0483, 0x374B)}


def _project(folder: Path, name: str) -> Project:
    return render(boards.get(name), fake_model.FakeCompiled(), b"TFL3", folder / "project", title="Fake")


def _plug(desk: Desk, name: str, *ids: int, serial: str | None = "A1") -> Connected:
    path = desk.state / name
    path.write_text("")
    desk.listed = [usb(str(path), *ids, serial)]
    return discover.ports()[0]


def test_command_line_and_progress(desk: Desk, tmp_path: Path) -> None:
    port = _plug(desk, "ttyUSB0", *EYE_ID)
    desk.upload_says(
        "Writing at 0x00010000... (7 %)\nWriting at 0x00010000... (100 %)\nHard resetting via RTS pin...\n"
    )
    seen: list[tuple[str, float]] = []
    project = _project(tmp_path, "esp-eye")
    after = flash.flash(project, "esp-eye", port, progress=lambda label, done: seen.append((label, done)))
    assert after == port
    assert desk.calls == [
        f"run -d {project.directory} -e esp-eye -j 2 -t upload --upload-port {port.port}",
    ]
    assert seen == [(f"flashing {port.port}", 0.07), (f"flashing {port.port}", 1.0)]


def test_one_of_several_st_links_is_chosen_by_its_serial_number(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from platformio.project.config import ProjectConfig

    _plug(desk, "ttyACM1", *IDS["nucleo-l4r5zi"], serial="0666FF")
    chosen = _plug(desk, "ttyACM0", *IDS["nucleo-l4r5zi"], serial="0670FF")
    project = _project(tmp_path, "nucleo-l4r5zi")
    flash.flash(project, "nucleo-l4r5zi", chosen)
    flags = (desk.state / "upload_flags").read_text()
    # What PlatformIO makes of the variable: two arguments, which it puts in front of OpenOCD's others.
    monkeypatch.setenv("PLATFORMIO_UPLOAD_FLAGS", flags)
    config = ProjectConfig(str(project.directory / "platformio.ini"))
    assert config.get("env:nucleo-l4r5zi", "upload_flags") == ["-c", "adapter serial 0670FF"]


@pytest.mark.parametrize(("name", "serial"), [("esp-eye", "A1"), ("nucleo-l4r5zi", None), ("nucleo-l4r5zi", '"; x')])
def test_uploaders_that_go_by_port_and_boards_without_a_serial_number(
    desk: Desk, tmp_path: Path, name: str, serial: str | None
) -> None:
    port = _plug(desk, "ttyACM0", *IDS[name], serial=serial)
    flash.flash(_project(tmp_path, name), name, port)
    assert (desk.state / "upload_flags").read_text() == ""


@pytest.mark.parametrize("serial", ["A1", None], ids=["serial number", "no serial number"])
def test_board_comes_back_under_another_name(desk: Desk, tmp_path: Path, serial: str | None) -> None:
    """The Nano drops into its bootloader (another port), then starts the sketch (a third port)."""
    port = _plug(desk, "ttyACM0", *NANO_ID, serial=serial)
    stranger = usb("/dev/ttyACM7", *NANO_ID, "OTHER")
    back = desk.state / "ttyACM2"
    desk.listed.append(stranger)

    def move() -> None:
        desk.listed = [stranger, usb("/dev/ttyACM1", *NANO_BOOT, "boot")]
        time.sleep(0.5)
        desk.listed = [stranger, usb(str(back), *NANO_ID, serial)]
        time.sleep(0.5)
        back.write_text("")  # udev is done with it only now

    thread = threading.Timer(0.1, move)
    thread.start()
    desk.upload_says("sleep 0.3\n")
    after = flash.flash(_project(tmp_path, "nano33ble"), "nano33ble", port)
    thread.join()
    assert after.port == str(back)
    assert back.exists()


def test_board_that_comes_back_without_permission(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flash, "_RETURN_LIMIT_S", 0.5)
    port = _plug(desk, "ttyACM0", *NANO_ID)
    thread = threading.Timer(0.1, lambda: setattr(desk, "listed", [usb("/dev/ttyACM9", *NANO_ID)]))
    thread.start()
    desk.upload_says("sleep 0.4\n")
    with pytest.raises(FoldtinyError, match="there is no port /dev/ttyACM9"):
        flash.flash(_project(tmp_path, "nano33ble"), "nano33ble", port)


@pytest.mark.parametrize(
    ("now", "state"), [([], "did not come back"), ([usb("/dev/ttyACM1", *NANO_BOOT)], "stayed in its bootloader")]
)
def test_board_that_does_not_come_back(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, now: list[object], state: str
) -> None:
    monkeypatch.setattr(flash, "_RETURN_LIMIT_S", 0.5)
    port = _plug(desk, "ttyACM0", *NANO_ID)
    thread = threading.Timer(0.05, lambda: setattr(desk, "listed", now))
    thread.start()
    desk.upload_says("sleep 0.3\n")
    with pytest.raises(FoldtinyError) as caught:
        flash.flash(_project(tmp_path, "nano33ble"), "nano33ble", port)
    assert str(caught.value) == (
        f"the nano33ble that was on {port.port} was flashed but {state} within 0.5 s; "
        "press its reset button once and repeat the command with --no-flash"
    )


# What the tools print, from their sources: esptool 4.5 (loader.py, cmds.py), bossac, pyserial, PlatformIO 6.
FAILURES = {
    "no bootloader (esptool)": (
        "esp-eye",
        "A fatal error occurred: Failed to connect to ESP32: No serial data received.",
        "the esp-eye on PORT does not answer the uploader; hold the BOOT button, press RST once, release BOOT, "
        "then repeat the command",
    ),
    "no bootloader (touch)": (
        "nano33ble",
        "Error: Couldn't find a board on the selected port. Check that you have the correct port selected.",
        "the nano33ble on PORT does not answer the uploader; press the reset button twice quickly, so that the orange "
        "LED pulses, then repeat the command",
    ),
    "no bootloader (bossac)": ("nano33ble", "No device found on ttyACM0\nError 1", "does not answer the uploader"),
    "no probe (openocd)": ("nucleo-l4r5zi", "Error: open failed\n*** [upload] Error 1", "does not answer the uploader"),
    "another chip": (
        "esp-eye",
        "A fatal error occurred: This chip is ESP32-S3 not ESP32. Wrong --chip argument?",
        "the board on PORT has an ESP32-S3; a esp-eye has an ESP32; choose another --port or --board",
    ),
    "permission": (
        "esp-eye",
        "A fatal error occurred: Could not open PORT, [Errno 13] could not open port PORT: [Errno 13] Permission "
        "denied: 'PORT'",
        "no permission to open the port PORT; run `foldtiny doctor --fix-permissions`, or join the group",
    ),
    "busy": (
        "esp-eye",
        "A fatal error occurred: Could not open PORT, the port is busy or doesn't exist.\n"
        "([Errno 16] could not open port PORT: [Errno 16] Device or resource busy: 'PORT')",
        "another program holds the port PORT; close it and repeat the command",
    ),
    "cable pulled": (
        "esp-eye",
        "Writing at 0x00020000... (12 %)\nserial.serialutil.SerialException: device reports readiness to read but "
        "returned no data (device disconnected or multiple access on port?)\n*** [upload] Error 1",
        "the esp-eye on PORT vanished while it was flashed; plug it in again and repeat the command: a half-written "
        "board can always be flashed again",
    ),
    "too large": (
        "esp-eye",
        "Error: The program size (5000000 bytes) is greater than maximum allowed (4128768 bytes)",
        "the firmware needs 5,000,000 B of flash; esp-eye has 4,128,768 B; raise --sparsity",
    ),
    "no download": (
        "nano33ble",
        "Tool Manager: Installing platformio/tool-bossac-nordicnrf52 @ ~1.10901.0\nHTTPClientError: ",
        "building for a real nano33ble needs PlatformIO's nordicnrf52@10.6.0 (compiler and Arduino core), which is "
        "not installed and cannot be downloaded; connect to the internet for the first build, or use --port sim",
    ),
    "something else": (
        "esp-eye",
        "A fatal error occurred: MD5 of file does not match data in flash!\n*** [upload] Error 2",
        "the upload to PORT failed: A fatal error occurred: MD5 of file does not match data in flash!; the whole log",
    ),
}


@pytest.mark.parametrize("name", FAILURES)
def test_failed_upload_is_one_sentence(desk: Desk, tmp_path: Path, name: str) -> None:
    board, said, text = FAILURES[name]
    port = _plug(desk, "tty", *IDS[board])
    desk.upload_says(said.replace("PORT", port.port))
    with pytest.raises(FoldtinyError) as caught:
        flash.flash(_project(tmp_path, board), board, port)
    assert text in str(caught.value).replace(port.port, "PORT")
    # The next try is not spoilt by the failed one.
    desk.upload_says("done\n")
    assert flash.flash(_project(tmp_path, board), board, port) == port


def test_uploader_that_hangs(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flash, "SILENCE_LIMIT_S", 2.0)
    port = _plug(desk, "tty", *EYE_ID)
    desk.upload_says("Connecting....\nsleep 60\n")
    start = time.monotonic()
    with pytest.raises(FoldtinyError, match=r"said nothing for 2 s and was ended; press the reset button and repeat"):
        flash.flash(_project(tmp_path, "esp-eye"), "esp-eye", port)
    assert time.monotonic() - start < 15


def test_board_unplugged_before_the_upload(desk: Desk, tmp_path: Path) -> None:
    gone = Connected(str(tmp_path / "gone"), EYE_ID, "A1")
    with pytest.raises(FoldtinyError, match="there is no port"):
        flash.flash(_project(tmp_path, "esp-eye"), "esp-eye", gone)
    assert desk.calls == []


def test_build_without_internet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from foldtiny.device import build

    monkeypatch.setenv("PLATFORMIO_CORE_DIR", str(tmp_path / "core"))
    monkeypatch.setattr(upstream, "reachable", lambda: False)
    with pytest.raises(BuildError, match=r"PlatformIO's espressif32@6\.9\.0 .* cannot be downloaded; connect to the"):
        build.build(_project(tmp_path, "esp-eye"), "esp-eye")
    platform = tmp_path / "core" / "platforms" / "espressif32@6.9.0"
    platform.mkdir(parents=True)
    (platform / "platform.json").write_text('{"name": "espressif32", "version": "6.9.0"}')
    assert upstream.is_installed(boards.get("esp-eye"))
    assert not upstream.is_installed(boards.get("nano33ble"))


def test_reachable_gives_up_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no route")

    monkeypatch.setattr("urllib.request.getproxies", dict)
    monkeypatch.setattr("socket.create_connection", refuse)
    assert not upstream.reachable()
    monkeypatch.setattr("urllib.request.getproxies", lambda: {"https": "proxy:3128"})
    assert upstream.reachable()


def test_output_without_a_line_end_is_kept(desk: Desk, tmp_path: Path) -> None:
    lines: list[str] = []
    desk.upload_says("50 %\r100 %\n")
    project = _project(tmp_path, "esp-eye")
    log = tmp_path / "log"
    assert run_platformio.run(project, "esp-eye", log, "-t", "upload", simulated=False, on_line=lines.append) == 0
    assert [line for line in lines if "%" in line] == ["50 %\n", "100 %\n"]
    assert re.search(r"Compiling everything\n(.*\n)*100 %\n", log.read_text())
