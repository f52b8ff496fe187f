"""The doctor: one line each, with the command that mends it."""

from __future__ import annotations

import json
import os
import subprocess
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from foldtiny import boards
from foldtiny.cli import app
from foldtiny.device import doctor, permissions, platformio, upstream
from foldtiny.device.doctor import Check
from foldtiny.errors import BuildError, FoldtinyError
from tests.device.hardware import usb

NANO = boards.get("nano33ble")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A machine where all is well: every program there, nothing connected, rules written."""
    tools = tmp_path / "bin"
    tools.mkdir()
    programs = {program for board in boards.load_all().values() for program in board.simulator.packages}
    for program in (*programs, "gcc"):
        (tools / program).write_text(f"#!/bin/sh\necho {program} 12.2.0\n")
        (tools / program).chmod(0o755)
    doctor.program_version.cache_clear()
    monkeypatch.setenv("PATH", str(tools))
    monkeypatch.setattr("serial.tools.list_ports.comports", list)
    monkeypatch.setattr(upstream, "reachable", lambda: True)
    monkeypatch.setattr(platformio, "ensure_core", lambda: tmp_path / "core")
    monkeypatch.setenv("FOLDTINY_CACHE", str(tmp_path))
    monkeypatch.setattr(permissions, "RULES_FILE", tmp_path / "60-foldtiny.rules")
    (tmp_path / "60-foldtiny.rules").write_text(permissions.udev_rules())
    monkeypatch.setattr("shutil.disk_usage", lambda path: namedtuple("Usage", "free")(50 << 30))
    monkeypatch.setattr("importlib.metadata.version", lambda name: "1.0")
    yield tools
    doctor.program_version.cache_clear()


def _line(name: str) -> Check:
    return next(check for check in doctor.examine() if check.name == name)


def test_all_well(machine: Path) -> None:
    checks = doctor.examine()
    assert [check for check in checks if check.status != "ok"] == []
    assert len(checks) > 15
    assert all(check.mend == "" for check in checks)
    done = CliRunner().invoke(app, ["doctor"])
    assert done.exit_code == 0 and "all ok" in done.stdout


def test_cxx_matters_only_to_those_who_ask(machine: Path) -> None:
    assert not [check for check in doctor.examine() if "++" in check.name]
    # A compiler that has its library, and one that prints the bare name back.
    (machine / "aarch64-linux-gnu-g++").write_text("#!/bin/sh\necho /usr/lib/libstdc++.a\n")
    (machine / "arm-none-eabi-g++").write_text("#!/bin/sh\necho libstdc++.a\n")
    for name in ("aarch64-linux-gnu-g++", "arm-none-eabi-g++"):
        (machine / name).chmod(0o755)
    found = {check.name: check for check in doctor.examine(runtime="tflm") if "C++" in check.name or "++" in check.name}
    assert found["aarch64-linux-gnu-g++"].status == "ok"
    assert found["arm-none-eabi-g++"] == Check(
        "arm-none-eabi-g++",
        "fail",
        "the C++ library of arm-none-eabi-g++ is not installed; --runtime tflm needs it",
        "apt-get install gcc-arm-none-eabi libstdc++-arm-none-eabi-newlib",
    )
    assert found["esp-eye C++"].status == "warn"
    done = CliRunner().invoke(app, ["doctor", "--runtime", "tflm", "--board", "jetson-nano"])
    assert done.exit_code == 0 and "aarch64-linux-gnu-g++" in done.stdout
    assert CliRunner().invoke(app, ["doctor", "--runtime", "tfml"]).exit_code != 0


def test_missing_compiler(machine: Path) -> None:
    (machine / "arm-none-eabi-gcc").unlink()
    check = _line("arm-none-eabi-gcc")
    assert check.status == "fail" and "nano33ble" in check.found
    assert check.mend == "apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi"
    done = CliRunner().invoke(app, ["doctor", "--json"])
    assert done.exit_code == 1
    assert {"name": check.name, "status": "fail", "found": check.found, "mend": check.mend} in json.loads(done.stdout)
    # It does not matter to somebody with another board.
    assert CliRunner().invoke(app, ["doctor", "--board", "esp-eye"]).exit_code == 0
    text = CliRunner().invoke(app, ["doctor"]).stdout
    assert "✗ fail arm-none-eabi-gcc" in text and "→ apt-get install gcc-arm-none-eabi" in text


def test_missing_host_compiler_and_package(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (machine / "gcc").unlink()
    assert _line("C compiler") == Check("C compiler", "fail", "none for this machine", "apt-get install gcc libc6-dev")

    def version(name: str) -> str:
        raise doctor.importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.version", version)
    assert _line("tflite-micro") == Check("tflite-micro", "fail", "not installed", "pip install tflite-micro")


def test_broken_platformio(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Path:
        raise BuildError("SCons is not installed", "install it with: pip install scons==4.11.1")

    monkeypatch.setattr(platformio, "ensure_core", broken)
    check = _line("PlatformIO's SCons")
    assert (check.status, check.mend) == ("fail", "install it with: pip install scons==4.11.1")


def test_hardware_platform_offline(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream, "reachable", lambda: False)
    check = _line("nano33ble hardware")
    assert check.status == "warn"  # the twin still works
    assert check.mend == f"with internet: pio pkg install --global --platform {NANO.hardware.platform}"  # type: ignore[union-attr]


def test_connected_boards(machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ttyACM0").write_text("")
    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: [usb(str(tmp_path / "ttyACM0"), 0x2341, 0x005A)])
    check = _line(str(tmp_path / "ttyACM0"))
    assert (check.status, check.found) == (
        "ok", "nano33ble (2341:005a, serial number A1), waiting in its bootloader",
    )  # fmt: skip
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    check = _line(str(tmp_path / "ttyACM0"))
    assert check.status == "fail" and "no permission to open the port" in check.found
    assert "doctor --fix-permissions" in check.mend


def test_little_disk(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for free, status in ((1 << 30, "warn"), (100 << 20, "fail")):
        monkeypatch.setattr("shutil.disk_usage", lambda path, free=free: namedtuple("Usage", "free")(free))
        assert _line("disk (here)").status == status


def test_permissions_without_rules(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    permissions.RULES_FILE.write_text("old")
    assert _line("serial permissions").mend == "foldtiny doctor --fix-permissions"
    permissions.RULES_FILE.unlink()
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(doctor, "_groups", lambda: {"users"})
    assert _line("serial permissions") == Check(
        "serial permissions", "warn", "not in the group dialout, and no udev rule", "foldtiny doctor --fix-permissions"
    )
    monkeypatch.setattr(doctor, "_groups", lambda: {"dialout"})
    assert _line("serial permissions").status == "ok"


def test_rules_name_every_board() -> None:
    rules = permissions.udev_rules()
    for board in boards.load_all().values():
        for number in board.usb:
            assert f'ATTRS{{idVendor}}=="{number.vendor:04x}", ATTRS{{idProduct}}=="{number.product:04x}"' in rules
    assert len(rules.splitlines()) == len(set(rules.splitlines()))


def test_fix_permissions_asks_first(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    permissions.RULES_FILE.unlink()
    ran: list[list[str]] = []

    def run(command: list[str], sent: bytes) -> int:
        ran.append(command)
        if command[-2] == "tee":
            return subprocess.run(["/usr/bin/tee", command[-1]], input=sent, stdout=subprocess.DEVNULL).returncode
        return 0

    asked: list[str] = []

    def answer(yes: bool) -> bool:
        return permissions.fix_permissions(lambda text: asked.append(text) or yes, run) != "nothing was changed"  # type: ignore[func-returns-value]

    assert not answer(False)
    assert ran == [] and not permissions.RULES_FILE.exists()
    assert asked[0].endswith(f"Write these rules to {permissions.RULES_FILE}?")
    (machine / "udevadm").write_text("#!/bin/sh\n")
    (machine / "udevadm").chmod(0o755)
    (machine / "sudo").write_text("#!/bin/sh\n")
    (machine / "sudo").chmod(0o755)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert answer(True)
    assert permissions.RULES_FILE.read_text() == permissions.udev_rules()
    assert ran == [
        ["sudo", "tee", str(permissions.RULES_FILE)],
        ["sudo", "udevadm", "control", "--reload-rules"],
        ["sudo", "udevadm", "trigger", "--subsystem-match=tty"],
    ]
    permissions.RULES_FILE.unlink()
    refused = permissions.fix_permissions(
        lambda text: True, lambda command, sent: 1 if "udevadm" in command else run(command, sent)
    )
    assert refused == f"wrote {permissions.RULES_FILE}, which udev did not take up now; restart the machine"
    # A second time there is nothing to do, and nothing is asked.
    assert permissions.fix_permissions(lambda text: False, run).endswith("is already there; plug the board in again")
    permissions.RULES_FILE.unlink()
    with pytest.raises(FoldtinyError, match="could not be written; run the command as root"):
        permissions.fix_permissions(lambda text: True, lambda command, sent: 1)


def test_no_terminal_is_a_no(machine: Path) -> None:
    permissions.RULES_FILE.unlink()
    done = CliRunner().invoke(app, ["doctor", "--fix-permissions"], input="")
    assert done.exit_code == 0 and done.stdout.strip().endswith("nothing was changed")
    assert not permissions.RULES_FILE.exists()


def test_modem_manager_is_named(machine: Path, tmp_path: Path) -> None:
    """A process of that name, without the rules that keep it off the boards."""
    import shutil
    import sys

    permissions.RULES_FILE.unlink()
    program = tmp_path / "ModemManager"
    shutil.copy(Path("/bin/sleep"), program)
    assert sys.platform.startswith("linux")
    with subprocess.Popen([str(program), "20"]) as process:
        check = _line("ModemManager")
        process.kill()
    assert check.status == "warn" and check.mend == "foldtiny doctor --fix-permissions"
