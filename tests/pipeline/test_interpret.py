"""The runtime tflm's needs, checked before anything is done: one sentence each, with the way out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from foldtiny import boards
from foldtiny.device import cxx
from foldtiny.device.target import Target
from foldtiny.errors import BuildError, FoldtinyError, MeasureError, UsageError
from foldtiny.pipeline import DeployRequest, interpret
from tests.project import tflm_tree

_HOW = (
    "in a checkout of github.com/tensorflow/tflite-micro run tensorflow/lite/micro/tools/project_generation/"
    "create_tflm_tree.py and give the folder that it writes with --tflm-source"
)
_NANO = DeployRequest("nano33ble", runtime="tflm")
_PORT = Target("/dev/ttyACM0")


def _sources(request: DeployRequest, target: Target = Target()) -> object:  # noqa: B008 (frozen)
    return interpret.sources(request, boards.get(request.board), target)


def _refused(request: DeployRequest, target: Target = Target()) -> str:  # noqa: B008 (frozen)
    with pytest.raises(FoldtinyError) as caught:
        _sources(request, target)
    return str(caught.value)


def test_a_twin_needs_sources() -> None:
    assert _refused(_NANO) == f"--runtime tflm on the simulated nano33ble needs the sources of TFLite Micro; {_HOW}"


def test_a_linux_board_runs_its_twins_program() -> None:
    request = replace(_NANO, board="jetson-nano")
    assert _refused(request, Target("ssh://jetson")) == (
        f"--runtime tflm on a jetson-nano needs the sources of TFLite Micro; {_HOW}"
    )


def test_a_real_board_has_a_library_or_needs_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("nano33ble", "esp-eye", "nucleo-l4r5zi"):
        assert _sources(replace(_NANO, board=name), _PORT) is None
    board = boards.get("nano33ble")
    assert board.hardware is not None
    without = board.model_copy(update={"hardware": board.hardware.model_copy(update={"tflm": None})})
    monkeypatch.setattr(boards, "get", lambda name: without)
    assert _refused(_NANO, _PORT) == (
        f"the file of the board nano33ble names no TFLite Micro (tflm), so --runtime tflm needs its sources; {_HOW}"
    )


def test_a_twin_without_a_cxx_library() -> None:
    assert _refused(replace(_NANO, board="esp-eye")) == (
        "--runtime tflm needs C++, which the simulated esp-eye (QEMU xtensa sim lx106) has no library for; "
        "use --runtime aot, a real board, or the twin of another one"
    )


def test_sources_are_read(tmp_path: Path) -> None:
    tree = interpret.sources(replace(_NANO, tflm_source=tflm_tree.write(tmp_path)), boards.get("nano33ble"), Target())
    assert tree is not None and tree.kernels == "cmsis_nn"


@pytest.mark.parametrize("library", [False, True], ids=["compiler", "library"])
def test_missing_compiler_or_library_names_the_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: bool
) -> None:
    if library:
        # A compiler that does not find the file prints the name that it was asked for.
        stand_in = tmp_path / "arm-none-eabi-g++"
        stand_in.write_text("#!/bin/sh\necho libstdc++.a\n")
        stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    monkeypatch.setattr("shutil.which", lambda name: str(tmp_path / name) if library else None)
    with pytest.raises(BuildError) as caught:
        cxx.require(boards.get("nano33ble"))
    what = "the C++ library of arm-none-eabi-g++" if library else "arm-none-eabi-g++"
    assert str(caught.value) == (
        f"{what}, which --runtime tflm needs for the simulated nano33ble, is not installed; "
        "install it with: apt-get install gcc-arm-none-eabi libstdc++-arm-none-eabi-newlib"
    )


def test_options_go_with_the_runtime() -> None:
    with pytest.raises(UsageError) as caught:
        DeployRequest("nano33ble", tflm_source=Path("x")).check()
    assert str(caught.value) == "--tflm-source goes with --runtime tflm; add it, or leave the option out"
    with pytest.raises(UsageError, match="--tflm-arena goes with --runtime tflm"):
        DeployRequest("nano33ble", tflm_arena=1000).check()
    with pytest.raises(UsageError, match=r"--tflm-arena is 0 \(allowed: 1 to 268435456\)"):
        replace(_NANO, tflm_arena=0).check()
    replace(_NANO, tflm_arena=1000, tflm_source=Path("x")).check()


def test_what_the_firmware_says_of_its_runtime() -> None:
    nano = boards.get("nano33ble")

    def check(wanted: str, runtime: str, arena: int) -> None:
        interpret.check(nano, wanted, SimpleNamespace(runtime=runtime, arena_bytes=arena))  # type: ignore[arg-type]

    check("tflm", "tflm", 1000)
    check("aot", "aot", 0)  # a network without a tensor in RAM is a network
    with pytest.raises(MeasureError) as caught:
        check("tflm", "aot", 1000)
    assert str(caught.value) == (
        "the firmware on the nano33ble runs the network with aot, not with tflm; "
        "give --runtime aot, or leave out --no-flash"
    )
    with pytest.raises(MeasureError) as caught:
        check("tflm", "tflm", 0)
    assert str(caught.value) == (
        "TFLite Micro did not start on the nano33ble: its arena is too small, or its version lacks an operator; "
        "give it more memory than the compile stage said with --tflm-arena"
    )
