"""A cell's own process, what surrounds it, and how each way to fail is told."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from foldtiny import boards
from foldtiny.bench import Cell, environment, share, upload
from foldtiny.bench.process import LocalRunner
from foldtiny.device.target import Target
from foldtiny.errors import FlashError, UsageError

BUG = "this is a bug: please report it"


def _program(folder: Path, text: str) -> str:
    path = folder / "python"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def _error(folder: Path, **cell: str) -> dict[str, str]:
    outcome = LocalRunner(folder / "out")(Cell(**{"model": "m.tflite", "board": "nano33ble", **cell}), lambda _: None)
    assert outcome.status == "failed" and outcome.error is not None
    return outcome.error


def test_an_error_comes_back_with_its_hint(tmp_path: Path) -> None:
    error = _error(tmp_path, model=str(tmp_path / "none.tflite"), port="sim")
    assert error["type"] == "DataError"
    assert error["message"] == f"cannot read {tmp_path / 'none.tflite'}: no such file or directory"
    assert error["hint"]


@pytest.mark.parametrize(
    ("program", "message", "hint"),
    [
        ("kill -9 $$", "was ended by SIGKILL", "perhaps for lack of memory: try --jobs 1"),
        ("kill -SEGV $$", "was ended by SIGSEGV", "repeat it with --resume"),
        ("cat >/dev/null; echo one >&2; echo boom >&2; exit 3", "ended with status 3: boom", BUG),
        ("cat >/dev/null; echo '{\"stage\": \"fo'", "ended with status 0: it said nothing", BUG),
    ],
)  # fmt: skip
def test_a_process_that_dies_is_a_failed_cell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, message: str, hint: str
) -> None:
    monkeypatch.setattr(sys, "executable", _program(tmp_path, program))
    error = _error(tmp_path)
    assert error == {"type": "MeasureError", "message": f"the process of nano33ble m aot {message}", "hint": hint}


def test_files_are_shared_once_and_never_half(tmp_path: Path) -> None:
    first, second, store = tmp_path / "first", tmp_path / "second", tmp_path / "store"
    (first / "board").mkdir(parents=True)
    for name in ("fold.json", "folded.pt", ".lock", "board/result.json"):
        (first / name).write_text(name)
    share.give(first, store)
    assert {path.name for path in store.iterdir()} == {"fold.json", "folded.pt"}
    second.mkdir()
    (second / "fold.json").write_text("its own")
    share.take(store, second)
    assert (second / "fold.json").read_text() == "its own"
    assert (second / "folded.pt").samefile(first / "folded.pt")
    # A stage that runs again replaces its file and leaves the others' alone.
    share.give(second, store)
    assert (store / "fold.json").read_text() == "its own"
    assert (first / "fold.json").read_text() == "fold.json"
    share.take(tmp_path / "nowhere", second)


def test_the_commit_of_the_project_is_noted(tmp_path: Path) -> None:
    assert environment.git(tmp_path) is None
    who = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    (tmp_path / "file").write_text("1")
    for command in (["init", "-q"], ["add", "file"], [*who, "commit", "-qm", "x"]):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    found = environment.git(tmp_path)
    assert found is not None and len(found["commit"]) == 40 and found["modified"] is False
    (tmp_path / "file").write_text("2")
    assert environment.git(tmp_path) == {**found, "modified": True}


def test_a_failed_cell_has_an_environment_too() -> None:
    about = environment.describe(Cell("m.tflite", "esp-eye", serial="A1"), Target())
    assert about["board"]["serial"] == "A1" and about["board"]["clock_hz"] == 240_000_000
    assert "flags" not in about and about["foldtiny"]
    assert "board" not in environment.describe(Cell("m.tflite", "nonsense"), None)


@pytest.mark.parametrize("template", ["flash {image}", "flash {}", "flash '{port}", "flash {port"])
def test_an_upload_with_an_unknown_place_is_refused(template: str) -> None:
    request = Cell("m.tflite", "esp-eye", "socket://x:1").request(Path("out"))
    with pytest.raises(UsageError) as caught:
        upload.build_and_upload(template, boards.get("esp-eye"), request, None)  # type: ignore[arg-type]
    assert caught.value.message == (
        f"upload is '{template}', which cannot be filled in "
        "(places: {firmware}, {elf}, {project}, {environment}, {port})"
    )


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("no-such-program {port}", "the upload command of esp-eye cannot run: no such file or directory"),
        ("sh -c 'echo connecting; echo no board >&2; exit 7'",
         "the upload command of esp-eye ended with status 7: no board"),
        ("sleep 20", "the upload command of esp-eye took more than 0.2 s"),
    ],
)  # fmt: skip
def test_an_upload_that_fails_is_told(monkeypatch: pytest.MonkeyPatch, command: str, message: str) -> None:
    monkeypatch.setattr(upload, "TIME_LIMIT_S", 0.2 if "sleep" in command else 20.0)
    with pytest.raises(FlashError) as caught:
        upload._run(upload._fill(command, {"port": "socket://x:1"}), "esp-eye")
    assert caught.value.message == message
