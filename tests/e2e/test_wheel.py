"""The wheel alone, in a clean virtual environment and an empty folder, does the whole job."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
from importlib.metadata import version
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).resolve().parents[2]


def _run(*command: object, **options: object) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload]
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return str(done.stdout)


def test_wheel_deploys_from_an_empty_folder(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    environment["FOLDTINY_CACHE"] = str(tmp_path / "cache")
    _run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", tmp_path / "dist", REPOSITORY)
    (wheel,) = (tmp_path / "dist").glob("foldtiny-*.whl")
    venv.create(tmp_path / "venv", with_pip=True)
    scripts = tmp_path / "venv" / "bin"
    # torch first and alone, as the Makefile does, so that nothing else picks another build of it.
    _run(scripts / "pip", "install", "-q", f"torch=={version('torch').partition('+')[0]}", env=environment)
    _run(scripts / "pip", "install", "-q", wheel, env=environment)
    empty = tmp_path / "empty"
    empty.mkdir()
    out = _run(
        scripts / "foldtiny", "deploy", "--board", "nano33ble", "--port", "sim", "--data", "subset", "--json",
        cwd=empty, env=environment,
    )  # fmt: skip
    result = json.loads(out)
    assert (result["bit_exact"]["checked"], result["bit_exact"]["matching"]) == (32, 32)
    assert (empty / result["artefacts"]["project"] / "platformio.ini").is_file()
    assert REPOSITORY.name not in Path(result["artefacts"]["project"]).parts
    shutil.rmtree(tmp_path / "venv")
