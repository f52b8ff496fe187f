"""foldtiny's own PlatformIO core folder: laid once, also by several processes at once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from foldtiny.device import platformio
from foldtiny.errors import BuildError


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FOLDTINY_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_laid_once(cache: Path) -> None:
    core = platformio.ensure_core()
    package = core / "packages" / "tool-scons"
    assert core == cache / "platformio"
    assert json.loads((package / ".piopm").read_text())["version"] == platformio._wanted_version()
    before = package.stat().st_mtime_ns, package.stat().st_ino
    assert platformio.ensure_core() == core
    assert (package.stat().st_mtime_ns, package.stat().st_ino) == before
    assert [path.name for path in core.iterdir()] == ["packages"]


def test_another_version_is_replaced(cache: Path) -> None:
    package = cache / "platformio" / "packages" / "tool-scons"
    package.mkdir(parents=True)
    (package / ".piopm").write_text('{"version": "4.40001.0"}')
    (package / "old").write_text("")
    platformio.ensure_core()
    assert not (package / "old").exists()
    assert (package / "scons.py").is_file()


def test_several_processes_at_once(cache: Path) -> None:
    code = "from foldtiny.device import platformio; print(platformio.ensure_core())"
    running = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert {process.communicate()[0].strip() for process in running} == {str(cache / "platformio")}
    assert all(process.returncode == 0 for process in running)
    assert [path.name for path in (cache / "platformio").iterdir()] == ["packages"]


def test_unwritable_cache_is_explained(cache: Path) -> None:
    cache.mkdir()
    (cache / "platformio").mkdir()
    (cache / "platformio" / "packages").write_text("a file where a folder should be")
    with pytest.raises(Exception, match="cannot create the folder") as caught:
        platformio.ensure_core()
    assert not isinstance(caught.value, OSError)


def test_environment_keeps_off_the_network_and_the_users_folder(cache: Path) -> None:
    variables = platformio.environment(Path("/core"), Path("/platforms"))
    assert variables["PLATFORMIO_CORE_DIR"] == "/core"
    assert variables["PLATFORMIO_PLATFORMS_DIR"] == "/platforms"
    assert variables["PLATFORMIO_SETTING_ENABLE_TELEMETRY"] == "No"
    assert variables["PLATFORMIO_DISABLE_UPGRADE_CHECK"] == "true"
    assert "PLATFORMIO_CORE_DIR" not in platformio.environment(None, None)


def test_a_users_folders_are_not_a_projects(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BUILD_DIR", "LIBDEPS_DIR", "WORKSPACE_DIR", "PACKAGES_DIR"):
        monkeypatch.setenv(f"PLATFORMIO_{name}", "/elsewhere")
    left = {name for name, value in platformio.environment(None, None).items() if value == "/elsewhere"}
    assert left == {"PLATFORMIO_PACKAGES_DIR"}  # compilers may lie anywhere


def test_missing_scons_is_explained(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(BuildError) as caught:
        platformio.ensure_core()
    assert str(caught.value) == "SCons is not installed; install it with: pip install scons==4.11.1"
