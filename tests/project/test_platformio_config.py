"""Generated projects and board manifests, held against PlatformIO's own readers."""

from __future__ import annotations

import ast
import json
import subprocess
from pathlib import Path

import pytest
from platformio.platform.board import PlatformBoardConfig

from foldtiny import boards, resources
from foldtiny.device import platformio
from foldtiny.project import Project, partitions, render
from tests.firmware import fake_model

MANIFESTS = sorted((resources.root("boards") / "platformio").glob("*.json"))
# What the platforms' build scripts and PlatformIO's own commands read of a board manifest.
_BUILD_KEYS = {"arduino", "core", "extra_flags", "f_cpu", "f_flash", "flash_mode", "mcu", "variant"}


def _project(folder: Path, name: str) -> Project:
    return render(boards.get(name), fake_model.FakeCompiled(), b"TFL3", folder / "p", title="Fake")


def _pio(project: Project, *arguments: str) -> str:
    done = subprocess.run(
        platformio.command(*arguments, "-d", str(project.directory)),
        env=platformio.environment(platformio.ensure_core(), None),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("name", sorted(boards.load_all()))
def test_configuration_has_no_unknown_option(tmp_path: Path, name: str) -> None:
    project = _project(tmp_path, name)
    lint = ast.literal_eval(_pio(project, "project", "config", "--lint", "--json-output"))  # not JSON, in 6.2.0
    assert lint == {"errors": [], "warnings": []}
    config = dict(json.loads(_pio(project, "project", "config", "--json-output")))
    board = boards.get(name)
    twin = dict(config[f"env:{board.simulator.environment}"])
    assert twin["board"] == board.simulator.board and "-O2" in twin["build_flags"]
    if board.hardware:
        real = dict(config[f"env:{board.hardware.environment}"])
        assert real["platform"] == board.hardware.platform
        assert set(board.hardware.build_flags) <= set(" ".join(real["build_flags"]).split())
        assert {"-O2", "-Isrc/model"} <= set(" ".join(real["build_flags"]).split())
        assert real["framework"] == ["arduino"]


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_own_board_manifest_is_one_that_platformio_reads(path: Path) -> None:
    manifest = PlatformBoardConfig(str(path))
    brief = manifest.get_brief_data()
    board = boards.get(path.stem)
    assert (brief["id"], brief["mcu"], brief["fcpu"]) == (path.stem, "ESP32", board.clock_hz)
    assert (brief["rom"], brief["ram"]) == (board.limits.flash_bytes, board.limits.ram_bytes)
    assert "arduino" in brief["frameworks"] and brief["vendor"] and brief["url"]
    assert set(manifest.get("build")) <= _BUILD_KEYS
    assert manifest.get("build.f_cpu") == f"{board.clock_hz}L"
    assert manifest.get("upload.require_upload_port") is True
    assert "-DBOARD_HAS_PSRAM" in manifest.get("build.extra_flags")


def test_partitions_fill_the_flash_without_overlap(tmp_path: Path) -> None:
    """By the rules of ESP-IDF: the table at 0x8000 takes 0x1000, data is aligned to 4 KB, applications to 64 KB."""
    project = _project(tmp_path, "esp-eye")
    text = (project.directory / "partitions.csv").read_text()
    rows = [[cell.strip() for cell in line.split(",")] for line in text.splitlines() if not line.startswith("#")]
    at = 0x9000
    for _, kind, _, offset, size in rows:
        start = int(offset, 16)
        assert start >= at and start % (0x10000 if kind == "app" else 0x1000) == 0
        at = start + int(size, 16)
    assert at == 4 << 20
    applications = [row for row in rows if row[1] == "app"]
    assert [row[2] for row in applications] == ["factory"]  # one image, no room for updates over the air
    assert [row[0] for row in rows] == ["nvs", "app0", "storage"]


@pytest.mark.parametrize(
    ("constants", "size"),
    [
        (0, 1 << 20),
        (64, (1 << 20) + 0x10000),  # never less than asked for
        (800_000, 0x1E0000),  # 1 MiB + 900,000 = 0x1DBBA0, up to the next 64 KiB
        (3_000_000, 4_128_768),  # what there is
    ],
)
def test_application_partition_is_sized_to_the_network(constants: int, size: int) -> None:
    table = partitions.rows(constants, 4_128_768)
    assert table[1] == ("app0", "app", "factory", 0x10000, size)
    assert sum(row[4] for row in table[1:]) == 4_128_768
    assert len(table) == (3 if size < 4_128_768 else 2)
