"""The package as a whole: light to start, and honest about what it depends on."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions, version
from pathlib import Path

import pytest

import foldtiny

REPOSITORY = Path(__file__).resolve().parent.parent
HEAVY = ("torch", "tensorflow", "keras", "sklearn", "numpy", "ai_edge_litert")


@pytest.mark.parametrize("module", ["foldtiny", "foldtiny.cli", "foldtiny.boards"])
def test_starting_up_imports_nothing_heavy(module: str) -> None:
    script = f"import sys, {module}; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_import_is_a_declared_dependency() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    extras = [text for extra, texts in project["optional-dependencies"].items() if extra != "dev" for text in texts]
    declared = {_normal(re.split(r"[<>=!~ \[]", text)[0]) for text in (*project["dependencies"], *extras)}
    owners = packages_distributions()
    undeclared = {}
    for path in (REPOSITORY / "foldtiny").rglob("*.py"):
        for name in _imports(path) - set(sys.stdlib_module_names) - {"foldtiny"}:
            distributions = {_normal(owner) for owner in owners.get(name, [name])}
            if not distributions & declared:
                undeclared[name] = str(path.relative_to(REPOSITORY))
    assert not undeclared


def _imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.partition(".")[0])
    return names


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_version_tells_what_a_bug_report_needs() -> None:
    done = subprocess.run([sys.executable, "-m", "foldtiny", "--version"], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert lines[0] == f"foldtiny {foldtiny.__version__}"
    assert lines[1].startswith(f"Python {sys.version.split()[0]} on ")
    for name in ("torch", "tensorflow", "tflite-micro", "platformio"):
        assert f"{name} {version(name)}" in lines
    assert any(line.startswith("arm-none-eabi-gcc: ") for line in lines)
