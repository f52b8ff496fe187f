"""A Linux board builds its program itself where this machine has no compiler for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from foldtiny import boards
from foldtiny.device import build_remote
from foldtiny.errors import BuildError, LinkError
from foldtiny.pipeline import DeployRequest, deploy
from foldtiny.project import Project, render
from tests.device.test_ssh import URL, _model, _script, board
from tests.firmware import fake_model

__all__ = ["board"]
JETSON = boards.get("jetson-nano")


@pytest.fixture
def no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    which = build_remote.shutil.which
    monkeypatch.setattr(
        "foldtiny.device.build_remote.shutil.which", lambda name: None if name.startswith("aarch64") else which(name)
    )


def _project(folder: Path) -> Project:
    return render(JETSON, fake_model.FakeCompiled(), b"TFL3", folder / "project", title="Fake")


def test_only_over_ssh_and_only_without_a_compiler(no_compiler: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert build_remote.wanted(JETSON, URL)
    assert not build_remote.wanted(JETSON, "socket://jetson:7777") and not build_remote.wanted(JETSON, None)
    monkeypatch.setattr("foldtiny.device.build_remote.shutil.which", lambda name: f"/usr/bin/{name}")
    assert not build_remote.wanted(JETSON, URL)


@pytest.mark.slow
def test_built_run_and_measured_over_there(board: Path, tmp_path: Path, no_compiler: None) -> None:
    _script(board / "board" / "gcc", '#!/bin/sh\nexec aarch64-linux-gnu-gcc "$@"\n')
    result = deploy(
        DeployRequest("jetson-nano", tflite=_model(tmp_path), output=tmp_path / "build", runs=4, port=URL, profile=True)
    )
    assert result is not None
    assert (result.bit_exact.checked, result.bit_exact.matching) == (4, 4)
    built = next(stage for stage in result.stages if stage["name"] == "build")
    assert built["summary"].startswith(f"on {URL}, for want of a compiler here: flash ")
    assert 0 < result.flash_bytes.model < result.flash_bytes.total
    assert all("unit" in layer for layer in result.layers)  # the flags went along: layers are timed
    assert [path.name for path in (board / "home" / ".foldtiny").iterdir()] == ["firmware"]


def test_no_compiler_anywhere(board: Path, tmp_path: Path) -> None:
    _script(board / "board" / "gcc", "#!/bin/sh\necho 'sh: 1: gcc: not found' >&2\nexit 127\n")
    with pytest.raises(BuildError) as caught:
        build_remote.compile_there(_project(tmp_path), URL, tmp_path / "elf")
    assert str(caught.value) == (
        f"neither this machine (aarch64-linux-gnu-gcc) nor the board at {URL} (gcc) has a compiler; "
        "install one here with: apt-get install gcc-aarch64-linux-gnu libc6-dev-arm64-cross"
    )
    assert not (tmp_path / "elf").exists()


def test_sources_that_do_not_compile_there(board: Path, tmp_path: Path) -> None:
    _script(board / "board" / "gcc", "#!/bin/sh\necho 'cc1: error: unrecognized option -x' >&2\nexit 1\n")
    with pytest.raises(BuildError) as caught:
        build_remote.compile_there(_project(tmp_path), URL, tmp_path / "elf")
    assert str(caught.value) == (
        f"the program does not build on the board at {URL}: cc1: error: unrecognized option -x; "
        "the sources lie there in .foldtiny/build"
    )


def test_a_board_that_is_not_there(board: Path, tmp_path: Path) -> None:
    (board / "refuse").write_text("ssh: connect to host jetson.local port 2222: Connection refused\n")
    with pytest.raises(LinkError, match="takes no SSH connections"):
        build_remote.compile_there(_project(tmp_path), URL, tmp_path / "elf")
