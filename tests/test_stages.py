"""Stages are reused only while everything that they depend on is unchanged, and never half-written."""

from __future__ import annotations

import json
import multiprocessing
from pathlib import Path

import pytest

from foldtiny.errors import FoldtinyError
from foldtiny.progress import SilentReporter
from foldtiny.stages import StageOutput, Workspace, exclusive, tree_hash


class Counter:
    def __init__(self, directory: Path) -> None:
        self.runs = 0
        self.file = directory / "out.bin"

    def __call__(self, _progress: object) -> StageOutput:
        self.runs += 1
        self.file.write_bytes(b"result")
        return StageOutput({"value": 7}, "seven", (self.file,))


def test_same_inputs_are_reused(tmp_path: Path) -> None:
    counter, workspace = Counter(tmp_path), Workspace(tmp_path, SilentReporter())
    first = workspace.run("stage", counter, inputs={"a": 1}, code=("errors",))
    second = workspace.run("stage", counter, inputs={"a": 1}, code=("errors",))
    assert counter.runs == 1
    assert (first.reused, second.reused) == (False, True)
    assert second.result == {"value": 7}
    assert second.summary == "seven"


@pytest.mark.parametrize("change", ["inputs", "code", "file edited", "file gone", "record damaged", "no reuse"])
def test_any_change_runs_the_stage_again(tmp_path: Path, change: str) -> None:
    counter, workspace = Counter(tmp_path), Workspace(tmp_path, SilentReporter(), reuse=change != "no reuse")
    workspace.run("stage", counter, inputs={"a": 1}, code=("errors",))
    if change == "file edited":
        counter.file.write_bytes(b"edited")
    elif change == "file gone":
        counter.file.unlink()
    elif change == "record damaged":
        record = tmp_path / "stage.json"
        record.write_text(record.read_text()[:40])
    again = workspace.run(
        "stage",
        counter,
        inputs={"a": 2 if change == "inputs" else 1},
        code=("errors", "result") if change == "code" else ("errors",),
    )
    assert counter.runs == 2
    assert not again.reused


def test_a_failed_stage_leaves_no_record(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path, SilentReporter())
    workspace.run("stage", Counter(tmp_path), inputs={"a": 1})

    def fail(_progress: object) -> StageOutput:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        workspace.run("stage", fail, inputs={"a": 2})
    assert not (tmp_path / "stage.json").exists()


def test_record_says_where_the_result_came_from(tmp_path: Path) -> None:
    Workspace(tmp_path, SilentReporter()).run("stage", Counter(tmp_path), inputs={"a": 1})
    record = json.loads((tmp_path / "stage.json").read_text())
    assert record["inputs"] == {"a": 1}
    assert set(record["files"]) == {"out.bin"}


def test_unknown_source_is_a_programming_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no source named nowhere"):
        Workspace(tmp_path, SilentReporter()).run("stage", Counter(tmp_path), inputs={}, code=("nowhere",))


def test_tree_hash_ignores_build_outputs(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    before = tree_hash(tmp_path)
    (tmp_path / ".pio").mkdir()
    (tmp_path / ".pio" / "x.o").write_text("object")
    assert tree_hash(tmp_path) == before
    (tmp_path / "a").write_text("b")
    assert tree_hash(tmp_path) != before


def _try_to_enter(directory: str, answers: multiprocessing.Queue[str]) -> None:
    try:
        with exclusive(Path(directory)):
            answers.put("entered")
    except FoldtinyError as error:
        answers.put(error.message)


def test_two_processes_do_not_share_a_folder(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    with exclusive(tmp_path):
        other = context.Process(target=_try_to_enter, args=(str(tmp_path), answers))
        other.start()
        assert answers.get(timeout=60) == f"another foldtiny is at work in {tmp_path}"
        other.join()
    other = context.Process(target=_try_to_enter, args=(str(tmp_path), answers))
    other.start()
    assert answers.get(timeout=60) == "entered"
    other.join()
