"""The labs run from start to finish, their checks refuse an unsolved exercise and accept a solved one."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

COURSE = Path(__file__).resolve().parents[2] / "docs" / "course"
SOLUTIONS = Path(__file__).resolve().parent / "solutions"
LABS = sorted(COURSE.glob("*.ipynb"))


def solutions(lab: str) -> dict[str, str]:
    """Return the code for each exercise of a lab; ``# %% 1.2`` starts the one of exercise 1.2."""
    parts = re.split(r"^# %% (\S+)\n", (SOLUTIONS / f"{lab}.py").read_text("utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_there_are_four_sessions_with_exercises() -> None:
    assert len(LABS) == 4
    for lab in LABS:
        cells = nbformat.read(lab, as_version=4).cells
        told = [cell.metadata.foldtiny for cell in cells if "foldtiny" in cell.metadata]
        exercises = [tag["exercise"] for tag in told if "exercise" in tag]
        assert len(exercises) >= 4
        assert exercises == [tag["check"] for tag in told if "check" in tag] == list(solutions(lab.stem))
        assert not any(cell.get("outputs") for cell in cells), f"{lab.name}: clear the outputs before committing"


@pytest.mark.slow
@pytest.mark.parametrize("lab", LABS, ids=lambda path: path.stem)
def test_lab(
    lab: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, record_property: Callable[[str, object], None]
) -> None:
    # Kernels on one machine talk over sockets that only this user can reach; the warning about them is not the lab's.
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")
    notebook = nbformat.read(lab, as_version=4)
    solved = solutions(lab.stem)
    client = NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    )
    refused = 0
    with client.setup_kernel():
        for index, cell in enumerate(notebook.cells):
            if cell.cell_type != "code":
                continue
            about = cell.metadata.get("foldtiny", {})
            if "check" in about:
                with pytest.raises(CellExecutionError, match="AssertionError"):
                    client.execute_cell(cell, index)
                refused += 1
                _run(client, solved[about["check"]], index)
            client.execute_cell(cell, index)
    record_property("figure", f"{lab.stem}: {refused} checks refused the unsolved exercise and accepted the solution")


def _run(client: NotebookClient, code: str, index: int) -> None:
    client.execute_cell(nbformat.v4.new_code_cell(code), index)
