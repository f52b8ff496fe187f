"""What is printed and written: every number with its mark, readable at 80 and at 120 characters."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from foldtiny.cli import table2 as command
from foldtiny.table2 import text, write
from tests.table2.conftest import cell, figures, table

MISFIT = "does not fit: 3.4 M > 0.94 M"


def _board(name: str = "nano33ble") -> list[object]:
    return [cell(name, sparsity) for sparsity in (0.1, 0.25, 0.5, 0.7)]


def _texts(cells: list[object]) -> dict[tuple[str, str], tuple[str, ...]]:
    return {(line.group, line.label): line.texts for line in text.lines(cells)}  # type: ignore[arg-type]


def test_every_time_says_its_source() -> None:
    cells = [
        cell("esp-eye", 0.1),
        cell("esp-eye", 0.25, deployed=figures(source="estimated", ms=123.4)),
        cell("esp-eye", 0.5, deployed=figures(source="hardware", ms=9.876)),
        cell("esp-eye", 0.7, deployed=None, errors={"deployed": "x"}),
    ]
    found = _texts(cells)
    assert found["time, ms", "as deployed"] == ("20.0 sim", "123 est", "9.88 hw", "failed")
    assert found["time, ms", "poster"] == ("1000",) * 4
    assert found["time, ms", "than its config."] == ("150x", "-", "-", "-")
    assert found["RAM, K", "its configuration"] == ("40.1 (+0.1)",) * 4
    assert found["flash, M", "its configuration"] == ("1.95 (-0.05)",) * 4
    assert found["accuracy", "as deployed, int8"] == ("92.50%", "92.50%", "92.50%", "failed")
    exact = _texts([cell(poster_config=figures(ram=round(39.98 * 1024), precision="float32"))])
    assert exact["RAM, K", "its configuration"] == ("40.0 (+0.0)",)
    assert text.errors(cells) == ["esp-eye at 70%, deployed: x"]


@pytest.mark.parametrize("columns", [80, 120])
def test_the_terminal_table_is_whole(
    columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    misfit = figures(misfit=MISFIT, fits=False, precision="float32")
    cells = [cell("nano33ble", s, poster_config=misfit) for s in (0.1, 0.25, 0.5, 0.7)]
    command._print(table(*cells), Path("build/table2"))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Arduino Nano 33 BLE Sense")
    grid = lines[: lines.index("")]
    assert all(len(line) <= columns for line in grid)
    assert "…" not in "".join(grid)  # nothing was cut
    assert sum(line.count("3.4 M > 0.94 M") for line in grid) == 4  # and numbers stay in one piece
    assert any(line.split() == ["poster", "1000", "1000", "1000", "1000"] for line in grid)
    assert "Written to build/table2: table2.json, table2.csv, table2.md" in lines[-1]


def test_the_csv_has_three_lines_for_each_cell() -> None:
    rows = list(csv.DictReader(io.StringIO(write.as_csv(table(cell(), cell("nano33ble", deployed=None))))))
    assert [row["configuration"] for row in rows] == ["paper", "poster_config", "deployed"] * 2
    assert (rows[0]["ms"], rows[0]["source"], rows[0]["ms_source"]) == ("1000", "paper", "")
    assert (rows[2]["ram_k"], rows[2]["source"], rows[2]["fits"]) == ("8.0", "simulated", "True")
    assert rows[2]["ms_source"].startswith("4,000,000 instructions on QEMU Test")
    assert rows[5]["ms"] == ""


def test_the_markdown_holds_the_same_lines_and_the_sources() -> None:
    said = write.as_markdown(table(*[cell("esp-eye", s) for s in (0.1, 0.25)]))
    assert "## Espressif ESP-EYE" in said
    assert "| **time, ms** | poster | 1000 | 1000 |" in said
    assert "|  | as deployed | 20.0 sim | 20.0 sim |" in said
    assert "- 25%, as deployed: simulated, 4,000,000 instructions on QEMU Test" in said
    assert "## Failed" not in said and "- poster: Somebody: Something" in said


def test_files_are_written(tmp_path: Path) -> None:
    write.write(table(cell()), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["table2.csv", "table2.json", "table2.md"]


@pytest.mark.parametrize(("given", "fraction"), [("0.25", 0.25), ("25%", 0.25), ("25", 0.25), ("10%", 0.1)])
def test_sparsities_as_people_write_them(given: str, fraction: float) -> None:
    assert command._fraction(given) == fraction
