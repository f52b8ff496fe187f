"""What is missing or wrong on this machine, each with the command that mends it."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from foldtiny import _host_compiler, boards, resources
from foldtiny.boards import Board
from foldtiny.device import cxx, discover, permissions, platformio, ports, upstream
from foldtiny.device.versions import program_version
from foldtiny.errors import FoldtinyError

Status = Literal["ok", "warn", "fail"]

_PACKAGES = ("torch", "tensorflow", "ai-edge-litert", "tflite-micro", "platformio", "scons", "pyserial")
_PYTHON = ((3, 11), (3, 13))
_WARN_FREE_BYTES = 3 << 30
_FAIL_FREE_BYTES = 300 << 20


@dataclass(frozen=True, slots=True)
class Check:
    """One line: what was looked at, how it is, what was found, and the command or step that mends it."""

    name: str
    status: Status
    found: str
    mend: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


def examine(only: Sequence[Board] | None = None, *, runtime: str = "aot") -> list[Check]:
    """Look at this machine; nothing is changed, no port is opened.

    Parameters
    ----------
    only : sequence of Board, optional
        The boards to look for tools for; all of them if not given.
    runtime : str
        ``tflm`` looks for C++ compilers too.
    """
    wanted = list(only) if only is not None else list(boards.load_all().values())
    return [
        _python(),
        *_packages(),
        _scons(),
        *_twins(wanted),
        *(_cxx(wanted) if runtime == "tflm" else ()),
        _c_compiler(),
        *_real_boards(wanted),
        *_ports(),
        *_permissions(),
        *_modem_manager(),
        *_disk(),
    ]


def _python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    if _PYTHON[0] <= sys.version_info[:2] <= _PYTHON[1]:
        return Check("Python", "ok", version)
    return Check("Python", "fail", f"{version} (3.11 to 3.13 are supported)", "apt-get install python3.11")


def _packages() -> Iterator[Check]:
    for name in _PACKAGES:
        try:
            yield Check(name, "ok", importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            yield Check(name, "fail", "not installed", f"pip install {name}")


def _scons() -> Check:
    """SCons in foldtiny's PlatformIO folder, which the twins' builds use."""
    name = "PlatformIO's SCons"
    try:
        return Check(name, "ok", f"in {platformio.ensure_core()}")
    except FoldtinyError as error:
        return Check(name, "fail", error.message, error.hint)


def _twins(wanted: Sequence[Board]) -> Iterator[Check]:
    users: dict[str, list[str]] = {}
    packages: dict[str, tuple[str, ...]] = {}
    for board in wanted:
        for program, needed in board.simulator.packages.items():
            users.setdefault(program, []).append(board.name)
            packages[program] = needed
    for program, names in users.items():
        if shutil.which(program):
            yield Check(program, "ok", program_version(program))
        else:
            who = ", ".join(names)
            yield Check(
                program, "fail", f"not installed; {who} needs it", f"apt-get install {' '.join(packages[program])}"
            )


def _cxx(wanted: Sequence[Board]) -> Iterator[Check]:
    """What the runtime tflm needs beside a tree of TFLite Micro."""
    done: set[str] = set()
    for board in wanted:
        spec = board.simulator.cxx
        if spec is None:
            found = "its twin has no C++ library: --runtime tflm is for the real board"
            yield Check(f"{board.name} C++", "warn", found, "use --runtime aot, or the twin of another board")
        elif spec.compiler not in done:
            done.add(spec.compiler)
            missing = cxx.lacking(board)
            mend = f"apt-get install {' '.join(spec.packages)}"
            if missing is None:
                yield Check(spec.compiler, "ok", program_version(spec.compiler))
            else:
                yield Check(spec.compiler, "fail", f"{missing} is not installed; --runtime tflm needs it", mend)


def _c_compiler() -> Check:
    name = "C compiler"
    program = _host_compiler.find()
    if program is None:
        return Check(name, "fail", "none for this machine", _host_compiler.INSTALL)
    return Check(name, "ok", program_version(program))


def _real_boards(wanted: Sequence[Board]) -> Iterator[Check]:
    """Platforms for real boards; their absence matters only to those who have the board."""
    online: bool | None = None
    for board in wanted:
        if board.hardware is None:
            continue
        name, platform = f"{board.name} hardware", board.hardware.platform
        if upstream.is_installed(board):
            yield Check(name, "ok", f"PlatformIO's {platform}")
            continue
        online = upstream.reachable() if online is None else online
        if online:
            yield Check(name, "ok", f"PlatformIO's {platform} will be downloaded by the first build")
        else:
            found = f"PlatformIO's {platform} is not installed and its server cannot be reached"
            yield Check(name, "warn", found, f"with internet: pio pkg install --global --platform {platform}")


def _ports() -> Iterator[Check]:
    known = list(boards.load_all().values())
    seen = discover.ports()
    found = False
    for connected in seen:
        names = [board.name for board in known if discover.could_be(connected, board)]
        if not names:
            continue
        found = True
        state = f"{' or '.join(names)} ({connected.usb_text}, serial number {connected.serial or 'none'})"
        waiting = any(discover.in_bootloader(connected, board) for board in known)
        state += ", waiting in its bootloader" if waiting else ""
        try:
            ports.check_usable(connected.port)
        except FoldtinyError as error:
            yield Check(connected.port, "fail", f"{state}: {error.message}", error.hint)
        else:
            yield Check(connected.port, "ok", state)
    if not found:
        others = f"; other ports: {', '.join(one.port for one in seen)}" if seen else ""
        yield Check("boards", "ok", f"none connected, simulated twins will be used{others}")


def _permissions() -> Iterator[Check]:
    """Whether a board that will be plugged in can be opened."""
    if not sys.platform.startswith("linux"):
        return
    name = "serial permissions"
    if permissions.RULES_FILE.is_file():
        fresh = permissions.RULES_FILE.read_text(encoding="utf-8", errors="replace") == permissions.udev_rules()
        if fresh:
            yield Check(name, "ok", str(permissions.RULES_FILE))
        else:
            yield Check(
                name, "warn", f"{permissions.RULES_FILE} is of another foldtiny", "foldtiny doctor --fix-permissions"
            )
    elif os.geteuid() == 0:
        yield Check(name, "ok", "root may open every port")
    elif "dialout" in _groups():
        yield Check(name, "ok", "member of the group dialout")
    else:
        yield Check(name, "warn", "not in the group dialout, and no udev rule", "foldtiny doctor --fix-permissions")


def _groups() -> set[str]:
    import grp

    names = set()
    for number in os.getgroups():
        try:
            names.add(grp.getgrgid(number).gr_name)
        except KeyError:
            continue
    return names


def _modem_manager() -> Iterator[Check]:
    """ModemManager opens every new USB port for seconds to see whether it is a modem."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            running = (process / "comm").read_text().strip() == "ModemManager"
        except OSError:
            continue
        if running and not permissions.RULES_FILE.is_file():
            found = "runs, and holds a board's port for seconds after it is plugged in"
            yield Check("ModemManager", "warn", found, "foldtiny doctor --fix-permissions")
            return


def _disk() -> Iterator[Check]:
    for name, folder in (("disk (cache)", resources.cache_dir()), ("disk (here)", Path.cwd())):
        free = shutil.disk_usage(folder).free
        status: Status = "fail" if free < _FAIL_FREE_BYTES else "warn" if free < _WARN_FREE_BYTES else "ok"
        found = f"{free / (1 << 30):.1f} GB free at {folder}"
        yield Check(name, status, found, "" if status == "ok" else "free some space (a build needs about 0.1 GB)")
