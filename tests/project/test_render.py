"""The generated project: whole or not at all, never over a user's work, readable."""

from __future__ import annotations

import configparser
import re
from dataclasses import replace
from pathlib import Path

import pytest

from foldtiny import boards
from foldtiny.errors import FoldtinyError, ProjectError
from foldtiny.project import Project, render
from tests.firmware import fake_model

TFLITE = bytes(range(256)) + b"TFL3"


def _render(out: Path, board: str = "nano33ble", **options: object) -> Project:
    return render(boards.get(board), fake_model.FakeCompiled(), TFLITE, out, title="LeNet", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", sorted(boards.load_all()))
def test_project_is_whole(tmp_path: Path, name: str) -> None:
    board = boards.get(name)
    project = _render(tmp_path / "p", name, class_names=["bag", "boot"])
    assert project.environments == {
        "hardware": board.hardware.environment if board.hardware else None,
        "simulated": board.simulator.environment,
    }
    folder = project.directory
    ini = configparser.ConfigParser(interpolation=None)
    ini.read(folder / "platformio.ini")
    environments = {section.removeprefix("env:") for section in ini.sections() if section.startswith("env:")}
    assert environments == {name for name in project.environments.values() if name}
    for environment in environments:
        port = re.search(r"\+<(runtime/ports/[^>]+)>", ini[f"env:{environment}"]["build_src_filter"])
        assert port and (folder / "src" / port[1]).is_file()
    if board.hardware:
        assert ini[f"env:{board.hardware.environment}"]["platform"] == board.hardware.platform
        assert (folder / "src" / "main.cpp").is_file()
        partitions = ini[f"env:{board.hardware.environment}"].get("board_build.partitions")
        assert partitions is None or (folder / partitions).is_file()
    assert (folder / "platform" / "boards" / f"{board.simulator.board}.json").is_file()
    readme = (folder / "README.md").read_text()
    assert f"pio run -e {board.simulator.environment}" in readme and "bag, boot" in readme
    assert "{" not in readme  # of the template, and of the simulator's command line
    assert ("PlatformIO downloads" in readme) == (board.hardware is not None) and "no network" in readme


def test_esp_eye_has_its_own_board_and_one_partition(tmp_path: Path) -> None:
    folder = _render(tmp_path / "p", "esp-eye").directory
    assert (folder / "boards" / "esp-eye.json").is_file()
    # The fake network has 4 bytes of constants: 1 MiB for everything else, up to the next 64 KiB.
    assert re.search(r"^app0, +app, +factory, +0x10000, +0x110000$", (folder / "partitions.csv").read_text(), re.M)


def test_model_data_holds_the_file(tmp_path: Path) -> None:
    text = (_render(tmp_path / "p").directory / "src" / "model_data.c").read_text()
    assert bytes(int(byte, 16) for byte in re.findall(r"\\x([0-9a-f]{2})", text)) == TFLITE
    assert "aligned(16)" in text


def test_nothing_changes_the_second_time(tmp_path: Path) -> None:
    _render(tmp_path / "p")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "p").rglob("*")}
    _render(tmp_path / "p")
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "p").rglob("*")} == before


def test_replaced_with_the_users_additions_kept(tmp_path: Path) -> None:
    folder = _render(tmp_path / "p").directory
    (folder / "notes.txt").write_text("mine")
    (folder / ".pio" / "build").mkdir(parents=True)
    (folder / ".pio" / "build" / "x.o").write_text("object")
    (folder / "src" / "main.c").unlink()
    _render(tmp_path / "p", "esp-eye")
    assert (folder / "notes.txt").read_text() == "mine"
    assert (folder / ".pio" / "build" / "x.o").read_text() == "object"
    assert "esp-eye" in (folder / "src" / "fw_config.h").read_text()
    assert (folder / "src" / "main.c").is_file()
    assert not (folder / "platformio.ini.old").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["p"]


def test_files_of_the_old_project_go(tmp_path: Path) -> None:
    _render(tmp_path / "p", "esp-eye")
    _render(tmp_path / "p", "jetson-nano")
    assert not (tmp_path / "p" / "partitions.csv").exists()
    assert not (tmp_path / "p" / "src" / "main.cpp").exists()


def test_changes_by_hand_are_not_lost(tmp_path: Path) -> None:
    folder = _render(tmp_path / "p").directory
    main = folder / "src" / "main.c"
    main.write_text("int main(void) { return 0; }\n")
    with pytest.raises(ProjectError) as caught:
        _render(tmp_path / "p")
    assert str(caught.value) == (
        f"the project {folder} was changed by hand (src/main.c); choose another output folder, or remove this one"
    )
    assert main.read_text() == "int main(void) { return 0; }\n"


def test_foreign_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "thesis.tex").write_text("years of work")
    with pytest.raises(ProjectError, match="holds files that foldtiny did not write"):
        _render(tmp_path / "p")
    assert [path.name for path in (tmp_path / "p").iterdir()] == ["thesis.tex"]


def test_empty_folder_and_file(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    assert (_render(tmp_path / "p").directory / "platformio.ini").is_file()
    (tmp_path / "f").write_text("")
    with pytest.raises(ProjectError, match="is a file"):
        _render(tmp_path / "f")
    with pytest.raises(FoldtinyError, match="cannot create the folder"):
        _render(tmp_path / "f" / "p")


def test_failed_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = Path.write_bytes

    def full(self: Path, data: bytes) -> int:
        if self.name == "weights.c":
            raise OSError(28, "No space left on device")
        return original(self, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(ProjectError) as caught:
        _render(tmp_path / "p")
    assert str(caught.value) == (
        f"cannot write the project {tmp_path / 'p'}: no space left on device; free some space or choose another folder"
    )
    assert list(tmp_path.iterdir()) == []


def test_title_cannot_break_out_of_a_comment(tmp_path: Path) -> None:
    compiled = replace(fake_model.FakeCompiled())
    project = render(boards.get("nano33ble"), compiled, TFLITE, tmp_path / "p", title='x */ #error "\n\\')
    main = (project.directory / "src" / "main.c").read_text()
    assert main.startswith("/* x * / #error '")
    assert main.index("*/") > main.index("#error")
