"""PlatformIO, ready to build simulated boards offline, in a core folder of foldtiny's own."""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import json
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

from foldtiny import resources
from foldtiny.errors import BuildError

_PROJECT_FOLDERS = ("WORKSPACE", "BUILD", "LIBDEPS", "LIB", "INCLUDE", "SRC", "BOARDS", "DATA")
_INSTALL = "install foldtiny again with: pip install --force-reinstall foldtiny"


def command(*arguments: str) -> list[str]:
    """Return the command line of this environment's PlatformIO."""
    return [sys.executable, "-m", "platformio", *arguments]


def environment(core: Path | None, platforms: Path | None) -> dict[str, str]:
    """Return the environment variables for PlatformIO: no telemetry, no look-ups on the network.

    Parameters
    ----------
    core : Path or None
        Core folder; ``None`` leaves the user's own (for real boards, whose toolchains are there).
    platforms : Path or None
        Folder of installed platforms; one per project keeps builds apart that run at the same time.
    """
    variables = dict(os.environ)
    variables |= {
        "PLATFORMIO_SETTING_ENABLE_TELEMETRY": "No",
        "PLATFORMIO_SETTING_CHECK_PRUNE_SYSTEM_THRESHOLD": "0",
        "PLATFORMIO_DISABLE_UPGRADE_CHECK": "true",
        "PLATFORMIO_DISABLE_PROGRESSBAR": "true",
        "PLATFORMIO_NO_ANSI": "true",
        "PYTHONUNBUFFERED": "1",
        "LC_ALL": "C",
    }
    # SCons runs with this interpreter but must not see a caller's module path.
    variables.pop("PYTHONPATH", None)
    # Nor may a project's folders lie elsewhere than its platformio.ini and foldtiny expect them.
    for folder in _PROJECT_FOLDERS:
        variables.pop(f"PLATFORMIO_{folder}_DIR", None)
    if core is not None:
        variables["PLATFORMIO_CORE_DIR"] = str(core)
    if platforms is not None:
        variables["PLATFORMIO_PLATFORMS_DIR"] = str(platforms)
    return variables


def ensure_core() -> Path:
    """Return foldtiny's PlatformIO core folder with the tool-scons package in it.

    PlatformIO takes SCons from its own registry, which is out of reach on many machines; the same SCons is on the
    Python registry and installed with foldtiny, so it is laid into place from there. Safe to call from several
    processes at once; the second call does nothing.

    Raises
    ------
    BuildError
        If PlatformIO or SCons is not installed.
    """
    core = resources.cache_dir() / "platformio"
    target = core / "packages" / "tool-scons"
    version = _wanted_version()
    if _installed_version(target) == version:
        return core
    resources.make_dir(target.parent)
    try:
        staging = Path(tempfile.mkdtemp(prefix=".tool-scons.", dir=core))
        try:
            _lay_out(staging / "new", version)
            if target.exists() and _installed_version(target) != version:
                target.rename(staging / "old")
            with contextlib.suppress(FileExistsError, OSError):
                # Another process may have been faster; what it laid is the same.
                (staging / "new").rename(target)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    except OSError as error:
        raise BuildError(
            f"PlatformIO's core folder {core} cannot be written: {error.strerror or error}",
            "free some space, or set FOLDTINY_CACHE to another folder",
        ) from error
    if _installed_version(target) != version:
        raise BuildError(f"SCons cannot be laid into {target}", "remove that folder and try again")
    return core


def _wanted_version() -> str:
    """Return the tool-scons version that the installed PlatformIO asks for, such as 4.41101.0."""
    try:
        from platformio.dependencies import get_core_dependencies
    except ImportError as error:
        raise BuildError("PlatformIO is not installed", _INSTALL) from error
    requirement = str(get_core_dependencies()["tool-scons"])
    found = re.search(r"\d+\.\d+\.\d+", requirement)
    if found is None:
        raise BuildError(f"PlatformIO asks for tool-scons '{requirement}', which is not a version", _INSTALL)
    return found.group()


def _installed_version(package: Path) -> str | None:
    try:
        metadata = json.loads((package / ".piopm").read_text(encoding="utf-8"))
        return str(metadata["version"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _lay_out(package: Path, version: str) -> None:
    spec = importlib.util.find_spec("SCons")
    if spec is None or not spec.submodule_search_locations:
        raise BuildError("SCons is not installed", "install it with: pip install scons==4.11.1")
    source = Path(next(iter(spec.submodule_search_locations)))
    local = f"scons-local-{importlib.metadata.version('scons')}"
    shutil.copytree(source, package / local / "SCons", ignore=shutil.ignore_patterns("__pycache__"))
    (package / "scons.py").write_text(
        "import pathlib, sys\n"
        f"sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / '{local}'))\n"
        "import SCons.Script; SCons.Script.main()\n",
        encoding="utf-8",
    )
    manifest = {"name": "tool-scons", "version": version, "description": "SCons, from the Python registry"}
    (package / "package.json").write_text(json.dumps(manifest), encoding="utf-8")
    metadata = {
        "type": "tool",
        "name": "tool-scons",
        "version": version,
        "spec": {"owner": "platformio", "id": None, "name": "tool-scons", "requirements": None, "uri": None},
    }
    (package / ".piopm").write_text(json.dumps(metadata), encoding="utf-8")
