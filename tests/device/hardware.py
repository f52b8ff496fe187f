"""Stand-ins for what a desk has: USB ports, PlatformIO with its uploader, and a board that starts what was flashed."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import tty
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from foldtiny import resources
from foldtiny.device import platformio, upstream

# The CP2102 of an ESP-EYE: vendor and product on USB.
EYE_ID = (0x10C4, 0xEA60)

RUNTIME = resources.root("firmware") / "runtime"

# `pio run -d DIR -e ENV …` that compiles the project for this machine, as a board that does not call itself a twin;
# with `-t upload` it does what the files in the folder STATE say.
_FAKE_PIO = """
import os, pathlib, re, subprocess, sys, time
state = pathlib.Path(sys.argv[1]); arguments = sys.argv[2:]
with (state / "calls").open("a") as calls: print(" ".join(arguments), file=calls)
(state / "upload_flags").write_text(os.environ.get("PLATFORMIO_UPLOAD_FLAGS", ""))
project = pathlib.Path(arguments[arguments.index("-d") + 1]); environment = arguments[arguments.index("-e") + 1]
build = project / ".pio" / "build" / environment; build.mkdir(parents=True, exist_ok=True); elf = build / "firmware.elf"
source = project / "src"
port = state / "port_real.c"
text = (source / "runtime" / "ports" / "port_posix.c").read_text()
assert "return true;" in text
port.write_text(text.replace("return true;", "return false;"))
print("Compiling everything", flush=True)
c = [*source.glob("*.c"), *source.glob("model/*.c"), *source.glob("runtime/*.c"), port]
include = [f"-I{source}", f"-I{source}/model", f"-I{source}/runtime", f"-I{source}/runtime/ports"]
if "upload" not in arguments:
    subprocess.run(["gcc", "-std=gnu11", "-O1", *include, *map(str, c), "-lm", "-o", str(elf)], check=True)
if "upload" in arguments:
    said = (state / "upload").read_text()
    for line in said.splitlines():
        if line.startswith("sleep "): time.sleep(float(line[6:]))
        else: print(line, flush=True)
    if "Error" in said or "fatal" in said: sys.exit(1)
    (state / "flashed").write_text(str(elf))
"""


def usb(port: str, vendor: int, product: int, serial: str | None = "A1") -> SimpleNamespace:
    """Return a port as pyserial lists it."""
    return SimpleNamespace(device=port, vid=vendor, pid=product, serial_number=serial, description="board")


@dataclass
class Desk:
    """A desk with a fake PlatformIO; ``listed`` are the ports that pyserial sees."""

    state: Path
    listed: list[Any] = field(default_factory=list)

    def upload_says(self, text: str) -> None:
        """Let the next uploads print this (a line ``sleep S`` waits); they fail if it has ``Error`` or ``fatal``."""
        (self.state / "upload").write_text(text)

    @property
    def calls(self) -> list[str]:
        """The command lines that PlatformIO got."""
        return (self.state / "calls").read_text().splitlines() if (self.state / "calls").exists() else []


class FakeBoard:
    """A board on a pty that starts the firmware once something was flashed; ``port`` is where it is."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.port = os.ttyname(self._slave)
        self._process: subprocess.Popen[bytes] | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def _watch(self) -> None:
        while not self._stop.wait(0.02):
            flashed = self._state / "flashed"
            if flashed.exists():
                elf = flashed.read_text()
                flashed.unlink()
                self.start(Path(elf))

    def start(self, elf: Path) -> None:
        """Run a firmware."""
        self.halt()
        self._process = subprocess.Popen([str(elf)], stdin=self._master, stdout=self._master)

    def halt(self) -> None:
        """Stop the firmware."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def close(self) -> None:
        """Take the board off the desk."""
        self._stop.set()
        self._thread.join()
        self.halt()
        os.close(self._master)
        os.close(self._slave)


def make_desk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Replace PlatformIO's program and the list of ports."""
    desk = Desk(folder)
    script = folder / "fake_pio.py"
    script.write_text(_FAKE_PIO)
    desk.upload_says("Writing at 0x00010000... (100 %)\n")
    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: list(desk.listed))
    original = platformio.command

    def command(*arguments: str) -> list[str]:
        if any(argument.endswith("-sim") for argument in arguments):
            return original(*arguments)
        return [sys.executable, str(script), str(folder), *arguments]

    monkeypatch.setattr(platformio, "command", command)
    monkeypatch.setattr(upstream, "reachable", lambda: True)
    return desk
