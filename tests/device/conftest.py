"""Firmware images of the fake model: the host's own, and one per simulated board built by PlatformIO."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from foldtiny import boards, resources
from foldtiny.boards import Board
from foldtiny.device import build, simulate
from foldtiny.device.build import Firmware
from foldtiny.project import render
from tests.device.hardware import EYE_ID, Desk, FakeBoard, make_desk, usb
from tests.firmware import fake_model


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A machine with no real ports: what is listed and flashed is up to the test."""
    (tmp_path / "desk").mkdir()
    return make_desk(tmp_path / "desk", monkeypatch)


@pytest.fixture
def fake_board(desk: Desk) -> Iterator[FakeBoard]:
    """An ESP-EYE that is connected to it."""
    board = FakeBoard(desk.state)
    desk.listed = [usb(board.port, *EYE_ID, "E1")]
    yield board
    board.close()


@pytest.fixture(scope="session")
def host_board() -> Board:
    """The Jetson Nano with its program run by the host itself: the same protocol, and fast."""
    board = boards.get("jetson-nano")
    twin = board.simulator.model_copy(
        update={"command": ("env", "{elf}"), "packages": {"env": ("coreutils",)}, "title": "the host"}
    )
    return board.model_copy(update={"simulator": twin})


@pytest.fixture(scope="session")
def build_host() -> Callable[[Path, str], Path]:
    """Build the firmware with the fake model for the host, with profiling; the text goes into model_invoke."""

    def make(folder: Path, extra: str) -> Path:
        runtime = resources.root("firmware") / "runtime"
        config = (fake_model.FOLDER / "fw_config.h").read_text().replace("fake-board", "jetson-nano")
        model = (fake_model.FOLDER / "model.c").read_text().replace("int32_t sum = 0;", f"int32_t sum = 0; {extra}")
        (folder / "main.c").write_text('#include "fw_start.h"\nint main(void) { fw_start(); }\n')
        (folder / "fw_config.h").write_text(config)
        (folder / "model.c").write_text("#include <unistd.h>\n" + model)
        sources = [*runtime.glob("*.c"), runtime / "ports" / "port_posix.c", folder / "main.c", folder / "model.c"]
        includes = [f"-I{path}" for path in (folder, runtime, fake_model.FOLDER)]
        command = ["gcc", "-std=gnu11", "-O2", "-DMODEL_PROFILE", *includes, *map(str, sources)]
        elf = folder / "host.elf"
        subprocess.run([*command, str(fake_model.FOLDER / "weights.c"), "-o", str(elf)], check=True)
        return elf

    return make


@pytest.fixture(scope="session")
def host_elf(tmp_path_factory: pytest.TempPathFactory, build_host: Callable[[Path, str], Path]) -> Path:
    """The firmware with the fake model, built for the host."""
    return build_host(tmp_path_factory.mktemp("host"), "")


@pytest.fixture
def host(host_board: Board, host_elf: Path) -> Iterator[simulate.Simulator]:
    """A running host firmware."""
    with simulate.start(host_board, host_elf) as simulator:
        yield simulator


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Firmware]:
    """Build a board's simulated twin through PlatformIO, once per board."""
    folder = tmp_path_factory.mktemp("projects")

    @cache
    def make(name: str) -> Firmware:
        board = boards.get(name)
        project = render(board, fake_model.FakeCompiled(), b"TFL3" * 100, folder / name, title="Fake")
        environment = project.environments["simulated"]
        assert environment is not None
        return build.build(project, environment)

    return make
