"""Which board is meant: every way in which the answer is not plain ends in one sentence."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from foldtiny import boards
from foldtiny.device import ports
from foldtiny.device.target import choose
from foldtiny.errors import FoldtinyError
from tests.device.hardware import Desk, make_desk, usb

NANO, EYE, JETSON = (boards.get(name) for name in ("nano33ble", "esp-eye", "jetson-nano"))
NANO_ID, NANO_BOOT, EYE_ID = (0x2341, 0x805A), (0x2341, 0x005A), (0x10C4, 0xEA60)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return make_desk(tmp_path, monkeypatch)


def _file(folder: Path, name: str) -> str:
    (folder / name).write_text("")
    return str(folder / name)


def test_auto_without_a_board_is_the_twin_and_says_so(desk: Desk) -> None:
    target = choose(NANO)
    assert target.port is None
    assert target.note == ("no nano33ble is connected: this runs on its simulated twin (QEMU mps2-an386 Cortex-M4F)")
    assert choose(JETSON).note == (
        "this runs on its simulated twin (QEMU user mode Cortex-A57); "
        "a real jetson-nano is reached with --port ssh://USER@HOST"
    )


def test_sim_never_looks(desk: Desk, tmp_path: Path) -> None:
    desk.listed = [usb(_file(tmp_path, "a"), *NANO_ID)]
    assert choose(NANO, "sim") == choose(NANO, "sim")
    assert choose(NANO, "sim").port is None and choose(NANO, "sim").note is None


def test_auto_finds_the_board_by_its_usb_numbers(desk: Desk, tmp_path: Path) -> None:
    desk.listed = [usb(_file(tmp_path, "eye"), *EYE_ID), usb(_file(tmp_path, "nano"), *NANO_ID)]
    target = choose(NANO)
    assert (target.port, target.flash, target.note) == (str(tmp_path / "nano"), True, None)
    assert choose(EYE).port == str(tmp_path / "eye")
    desk.listed = [usb(_file(tmp_path, "nano"), *NANO_BOOT)]
    assert choose(NANO).port == str(tmp_path / "nano")  # in its bootloader it can be flashed


def test_several_boards(desk: Desk, tmp_path: Path) -> None:
    desk.listed = [usb(_file(tmp_path, name), *NANO_ID, name.upper()) for name in ("a", "b")]
    with pytest.raises(FoldtinyError) as caught:
        choose(NANO)
    assert str(caught.value) == (
        f"2 boards that could be the nano33ble are connected ({tmp_path}/a with serial number A, "
        f"{tmp_path}/b with serial number B); choose one with --serial or --port"
    )
    assert choose(NANO, serial="B").port == str(tmp_path / "b")
    assert choose(NANO, str(tmp_path / "a")).port == str(tmp_path / "a")


@pytest.mark.parametrize(
    ("board", "port", "serial", "flash", "code", "text"),
    [
        ("nano33ble", "auto", "X", True, 1,
         "no nano33ble with serial number X is connected; connected: DIR/nano with serial number A1"),
        ("nano33ble", "DIR/nano", "X", True, 1, "the board on DIR/nano has the serial number A1, not X; "),
        ("esp-eye", "auto", "X", True, 1, "with serial number X is connected; nothing is connected; plug"),
        ("esp-eye", "auto", None, False, 1, "no esp-eye is connected, so there is nothing to measure; plug it in"),
        ("esp-eye", "DIR/nano", None, True, 2,
         "the board on DIR/nano is a nano33ble by its USB numbers (2341:805a), not a esp-eye; "
         "choose another --port, or --board nano33ble"),
        ("esp-eye", "DIR/none", None, True, 1, "there is no port DIR/none; plug the board in, or use --port sim"),
        ("esp-eye", "sim", "X", True, 2, "--serial and --no-flash are for real boards, not for --port sim"),
        ("esp-eye", "sim", None, False, 2, "--serial and --no-flash are for real boards, not for --port sim"),
        ("esp-eye", "http://x", None, False, 2,
         "--port is 'http://x' (allowed: auto, sim, a serial port, socket://host:port, rfc2217://host:port, ssh://host)"),
        ("esp-eye", "socket://x:1", None, True, 2,
         "a board behind socket://x:1 cannot be flashed from here; put the firmware on it there, with "
         "`pio run -e esp-eye -t upload`, and repeat with --no-flash"),
        ("esp-eye", "rfc2217://x:1", "X", False, 2, "--serial chooses among the boards of this machine"),
    ],
)  # fmt: skip
def test_one_sentence(
    desk: Desk, tmp_path: Path, board: str, port: str, serial: str | None, flash: bool, code: int, text: str
) -> None:
    desk.listed = [usb(_file(tmp_path, "nano"), *NANO_ID), usb(_file(tmp_path, "other"), 0x0403, 0x6001)]
    with pytest.raises(FoldtinyError) as caught:
        choose(boards.get(board), port.replace("DIR", str(tmp_path)), serial, flash=flash)
    assert str(caught.value).replace(str(tmp_path), "DIR").find(text) >= 0, str(caught.value)
    assert caught.value.exit_code == code


def test_remote_ports_are_measured_without_flashing(desk: Desk) -> None:
    target = choose(EYE, "socket://10.0.0.1:7777", flash=False)
    assert (target.port, target.connected, target.flash) == ("socket://10.0.0.1:7777", None, False)


def test_a_linux_boards_console(desk: Desk, tmp_path: Path) -> None:
    desk.listed = [usb(_file(tmp_path, "adapter"), 0x0403, 0x6001)]
    target = choose(boards.get("jetson-nano"), str(tmp_path / "adapter"))
    assert target.flash and target.port == str(tmp_path / "adapter") and target.connected is not None


def test_no_flash_and_a_board_in_its_bootloader(desk: Desk, tmp_path: Path) -> None:
    desk.listed = [usb(_file(tmp_path, "n"), *NANO_BOOT)]
    with pytest.raises(FoldtinyError, match=r"waits in its bootloader, where no model runs; press its reset button"):
        choose(NANO, flash=False)


def test_no_permission_names_the_group_and_the_way(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.listed = [usb(_file(tmp_path, "n"), *NANO_ID)]
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # the tests may run as root
    monkeypatch.setattr(Path, "group", lambda self: "uucp")
    with pytest.raises(FoldtinyError) as caught:
        choose(NANO)
    assert str(caught.value) == (
        f"no permission to open the port {tmp_path}/n; run `foldtiny doctor --fix-permissions`, or join the group "
        "uucp (sudo usermod -aG uucp $USER) and log in again"
    )


def test_busy_port_names_the_process(desk: Desk, tmp_path: Path) -> None:
    import subprocess
    import sys

    port = _file(tmp_path, "n")
    desk.listed = [usb(port, *NANO_ID)]
    code = f"f = open({port!r}); print(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(FoldtinyError) as caught:
            choose(NANO)
        found = re.fullmatch(
            rf"python\S* \(process {holder.pid}\) holds the port {re.escape(port)}; close it and repeat the command",
            str(caught.value),
        )
        assert found, str(caught.value)
        holder.kill()
    assert list(ports.holders(port)) == []
    assert choose(NANO).port == port


def test_boards_tells_what_is_connected(desk: Desk, tmp_path: Path) -> None:
    import json

    from typer.testing import CliRunner

    from foldtiny.cli import app

    desk.listed = [usb(_file(tmp_path, "nano"), *NANO_ID), usb(_file(tmp_path, "boot"), *NANO_BOOT)]
    listed = json.loads(CliRunner().invoke(app, ["boards", "--json"]).stdout)
    connected = {board["name"]: board["connected"] for board in listed}
    assert connected["nano33ble"] == [str(tmp_path / "boot"), str(tmp_path / "nano")] and connected["esp-eye"] == []
    assert set(connected) == set(boards.load_all())
    text = CliRunner().invoke(app, ["boards"], env={"COLUMNS": "300"}).stdout
    assert str(tmp_path / "nano") in text
