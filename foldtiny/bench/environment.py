"""What a measurement was made with: versions, compiler and flags, board, machine."""

from __future__ import annotations

import configparser
import importlib.metadata
import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from foldtiny import __version__, boards
from foldtiny.bench.cell import Cell
from foldtiny.device.target import Target
from foldtiny.device.versions import program_version
from foldtiny.errors import FoldtinyError
from foldtiny.result import DeployResult

_PACKAGES = (
    "torch", "tensorflow", "ai-edge-litert", "tflite-micro", "numpy", "scikit-learn", "platformio", "scons", "pyserial",
)  # fmt: skip


def describe(cell: Cell, target: Target | None, result: DeployResult | None = None) -> dict[str, Any]:
    """Return what a cell ran with, as plain JSON values.

    Parameters
    ----------
    cell : Cell
    target : Target or None
        Where it ran; None where that could not be found out.
    result : DeployResult, optional
        Names the project and the firmware that were built; a failed cell has none.
    """
    about: dict[str, Any] = {
        "foldtiny": __version__,
        "python": platform.python_version(),
        "packages": packages(),
        "host": host(),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    try:
        board = boards.get(cell.board)
    except FoldtinyError:
        return about
    real = result is not None and result.source == "hardware"
    simulator = board.simulator
    about["board"] = {
        "name": board.name,
        "core": board.core,
        "clock_hz": board.clock_hz,
        "device": result.device if result else None,
        **_port(cell, target, result),
    }
    if not real:
        about["simulator"] = {"title": simulator.title, "version": program_version(simulator.command[0])}
    if real and board.hardware is not None:
        about["platform"] = board.hardware.platform
    if not real or board.hardware is None:
        about["compiler"] = {"program": simulator.compiler, "version": program_version(simulator.compiler)}
    if result is not None:
        environment = board.hardware.environment if real and board.hardware else simulator.environment
        about["flags"] = flags(Path(result.artefacts["project"]), environment)
    return about


@cache
def packages() -> dict[str, str | None]:
    """Return the versions of the packages that figures depend on, without importing them; None where one is missing."""

    def version(name: str) -> str | None:
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            return None

    return {name: version(name) for name in _PACKAGES}


@cache
def host() -> dict[str, Any]:
    """Return what is known of this machine."""
    return {
        "name": platform.node(),
        "system": platform.platform(),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
    }


def git(folder: Path) -> dict[str, Any] | None:
    """Return the commit of the project that a folder belongs to, and whether files differ from it; None outside git."""

    def ask(*arguments: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=20, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    commit = ask("rev-parse", "HEAD")
    if not commit:
        return None
    changed = ask("status", "--porcelain", "--untracked-files=no")
    return {"commit": commit, "modified": bool(changed)}


def flags(project: Path, environment: str) -> str | None:
    """Return the compiler flags of a project's environment, the simulated board's own included."""
    config = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        config.read(project / "platformio.ini", encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError):
        return None
    section = f"env:{environment}"
    if section not in config:
        return None
    common = config.get("env", "build_flags", fallback="")
    own = config.get(section, "build_flags", fallback="${env.build_flags}")
    words = own.replace("${env.build_flags}", common).split()
    board = next(iter(project.glob(f"**/boards/{config.get(section, 'board', fallback='')}.json")), None)
    machine: list[str] = []
    if board is not None:
        machine = json.loads(board.read_text("utf-8")).get("build", {}).get("machine_flags", [])
    return " ".join([*machine, *words])


def _port(cell: Cell, target: Target | None, result: DeployResult | None) -> dict[str, str | None]:
    """Return the port and the serial number; a board with USB of its own may have moved when it was flashed."""
    connected = target.connected if target else None
    found = {
        "port": target.port if target else None,
        "serial": (connected.serial if connected else None) or cell.serial,
    }
    if result is not None and found["port"]:
        try:
            flashed = json.loads((Path(result.artefacts["project"]).parent / "flash.json").read_text("utf-8"))["result"]
            found |= {key: flashed.get(key) or found[key] for key in ("port", "serial")}
        except (OSError, ValueError, KeyError, AttributeError):
            pass  # nothing was flashed
    return found


def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
