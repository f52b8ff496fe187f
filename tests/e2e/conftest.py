"""The real command line in subprocesses, as a user runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    code: int
    out: str
    err: str

    def json(self) -> dict[str, Any]:
        """Return stdout, which must be one JSON object and nothing else."""
        value: dict[str, Any] = json.loads(self.out)
        return value


Run = Callable[..., Outcome]


@pytest.fixture(scope="session")
def run() -> Run:
    """Return a function that runs ``foldtiny`` with the given arguments."""

    def run_foldtiny(*arguments: object, cwd: Path | None = None, env: dict[str, str] | None = None) -> Outcome:
        done = subprocess.run(
            [sys.executable, "-m", "foldtiny", *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=cwd,
            env={**os.environ, "COLUMNS": "200", **(env or {})},
            timeout=600,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Outcome(done.returncode, done.stdout, done.stderr)

    return run_foldtiny


@pytest.fixture(scope="session")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One output folder for a whole worker, so that later tests reuse the fold and the conversion."""
    return tmp_path_factory.mktemp("build")


@pytest.fixture(scope="session")
def built(run: Run, output: Path) -> Path:
    """An output folder in which everything for the simulated Nano is built, but not run."""
    done = run("deploy", "--board", "nano33ble", "-o", output, "--port", "sim", "--data", "subset", "--dry-run")
    assert done.code == 0, done.err
    return output


def simulators(folder: Path) -> set[int]:
    """Return the process ids of the simulators, compilers and other programs at work on files in a folder."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if str(folder).encode() in command and b"foldtiny\0deploy" not in command:
                found.add(int(entry.name))
    return found
