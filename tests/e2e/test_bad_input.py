"""Whatever the user gets wrong ends in one sentence, a non-zero exit code, and nothing half-written."""

from __future__ import annotations

import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from .conftest import Run, simulators


@pytest.mark.parametrize(
    ("arguments", "code", "parts"),
    [
        (["--board", "nano33"], 2, ["there is no board 'nano33'", "did you mean 'nano33ble'?"]),
        (["--board", "esp-eye", "--sparsity", "1"], 2, ["--sparsity is 1 (allowed: from 0 up to"]),
        (["--board", "esp-eye", "--sparsity", "-0.1"], 2, ["--sparsity is -0.1"]),
        (["--board", "esp-eye", "--sparsity", "nan"], 2, ["--sparsity is nan"]),
        (["--board", "esp-eye", "--precision", "int4"], 2, ["--precision is 'int4' (allowed: int8, float32)"]),
        (["--board", "esp-eye", "--runs", "0"], 2, ["--runs is 0"]),
        (["--board", "esp-eye", "--model", "lenet6"], 2, ["lenet6", "did you mean lenet5?"]),
        (["--board", "esp-eye", "--model", "gone.pt"], 1, ["gone.pt"]),
        (["--board", "esp-eye", "--input-shape", "3xQ"], 2, ["--input-shape is '3xQ'"]),
        (["--board", "esp-eye", "--tflite", "gone.tflite"], 1, ["cannot read gone.tflite: no such file or directory"]),
    ],
)
def test_wrong_options(run: Run, tmp_path: Path, arguments: list[str], code: int, parts: list[str]) -> None:
    done = run("deploy", *arguments, cwd=tmp_path)
    assert done.code == code, done.err
    for part in parts:
        assert part in done.err
    assert len([line for line in done.err.splitlines() if line.startswith("error:")]) == 1
    assert not any(path.is_file() for path in tmp_path.rglob("*") if path.name != ".lock")


def test_a_pickle_is_never_run(run: Run, tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, (f"touch {tmp_path / 'pwned'}",)

    (tmp_path / "evil.pt").write_bytes(pickle.dumps(Evil()))
    done = run("deploy", "--board", "esp-eye", "--model", "evil.pt", cwd=tmp_path)
    assert done.code == 1
    assert "evil.pt" in done.err
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("content", [b"", b"\x1c\x00\x00\x00TFL3", np.random.default_rng(0).bytes(4096), b"x" * 100])
def test_a_broken_tflite(run: Run, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "broken.tflite").write_bytes(content)
    done = run("deploy", "--board", "nano33ble", "--tflite", "broken.tflite", cwd=tmp_path)
    assert done.code == 1
    assert "error:" in done.err and "broken" in done.err


def test_an_output_folder_that_cannot_be_written(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    done = run("deploy", "--board", "nano33ble", "-o", tmp_path / "file")
    assert done.code == 1
    assert f"cannot create the folder {tmp_path / 'file'}" in done.err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("board", "program", "package"),
    [
        ("nano33ble", "arm-none-eabi-gcc", "gcc-arm-none-eabi"),
        ("nano33ble", "qemu-system-arm", "qemu-system-arm"),
        ("esp-eye", "xtensa-lx106-elf-gcc", "gcc-xtensa-lx106"),
        ("jetson-nano", "qemu-aarch64", "qemu-user"),
    ],
)
def test_a_missing_tool_names_its_package(
    run: Run, built: Path, tmp_path: Path, board: str, program: str, package: str
) -> None:
    # The fold and the conversion are kept from an earlier run; the build is not, unless it is the simulator that lacks.
    shutil.copytree(built, tmp_path / "out")
    if program.endswith("gcc"):
        for record in (tmp_path / "out").rglob("build.json"):
            record.unlink()
    path = _path_without(program, tmp_path)
    done = run(
        "deploy", "--board", board, "-o", tmp_path / "out", "--port", "sim", "--data", "subset", env={"PATH": path}
    )
    assert done.code == 1
    assert program in done.err and package in done.err


def _path_without(program: str, folder: Path) -> str:
    """Return a PATH with every program of the present one but the given one."""
    tools = folder / "bin"
    tools.mkdir()
    for directory in os.environ["PATH"].split(os.pathsep):
        if not Path(directory).is_dir():
            continue
        for tool in Path(directory).iterdir():
            link = tools / tool.name
            if tool.name != program and not link.exists() and not link.is_symlink():
                link.symlink_to(tool)
    return str(tools)


_OWN_FILES = {".lock", ".foldtiny.json", ".gitignore"}


def _listen_to_ctrl_c() -> None:
    """Undo what a shell does to its background jobs, among which these tests may be."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stage", "sign"),
    [
        ("fold", signal.SIGINT),
        ("convert", signal.SIGINT),
        ("accuracy", signal.SIGINT),
        ("build", signal.SIGINT),
        ("measure", signal.SIGINT),
        ("measure", signal.SIGTERM),
    ],
)
def test_ctrl_c_in_any_stage(built: Path, tmp_path: Path, stage: str, sign: signal.Signals) -> None:
    # Everything before the stage is kept from an earlier run, so the stage is reached in seconds.
    shutil.copytree(built, tmp_path / "out")
    for record in (tmp_path / "out").rglob(f"{stage}.json"):
        record.unlink()
    command = [sys.executable, "-m", "foldtiny", "deploy", "--board", "nano33ble", "-o", str(tmp_path / "out")]
    process = subprocess.Popen(
        [*command, "--port", "sim", "--data", "subset", "--runs", "400"],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=_listen_to_ctrl_c,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.split()[1:] == [stage, "started"]:
            break
    time.sleep(0.3)
    os.killpg(process.pid, sign)
    rest = process.stderr.read()
    assert process.wait(timeout=60) == 130, rest
    assert "stopped; finished stages are kept" in rest
    assert "Traceback" not in rest
    files = [path for path in (tmp_path / "out").rglob("*") if ".pio" not in path.parts]
    assert f"{stage}.json" not in {path.name for path in files}
    # Temporary files carry the name of the file that they become, between dots.
    assert [path for path in files if path.name.startswith(".") and path.name not in _OWN_FILES] == []
    time.sleep(0.5)
    assert not simulators(tmp_path)


@pytest.mark.slow
def test_a_killed_deploy_leaves_no_simulator(built: Path, tmp_path: Path) -> None:
    shutil.copytree(built, tmp_path / "out")
    process = subprocess.Popen(
        [
            sys.executable, "-m", "foldtiny", "deploy", "--board", "nano33ble", "-o", str(tmp_path / "out"),
            "--port", "sim", "--data", "subset", "--runs", "100000",
        ],
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    deadline = time.monotonic() + 300
    while not simulators(tmp_path) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.2)
    assert simulators(tmp_path), "nothing was ever started"
    process.send_signal(signal.SIGKILL)
    process.wait()
    time.sleep(1)
    assert not simulators(tmp_path)


@pytest.mark.slow
def test_a_full_disk(run: Run, tmp_path: Path) -> None:
    mount = tmp_path / "small"
    mount.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(mount)], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip("mounting needs root")
    try:
        done = run("deploy", "--board", "nano33ble", "-o", mount, "--port", "sim", "--data", "subset")
        assert done.code == 1
        assert "no space left on device" in done.err.lower()
    finally:
        subprocess.run(["umount", str(mount)], check=True)


def test_inputs_of_the_wrong_shape(run: Run, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((4, 7, 7), np.float32))
    done = run("deploy", "--board", "nano33ble", "--inputs", "x.npy", cwd=tmp_path)
    assert done.code == 2
    assert "--inputs goes with --tflite" in done.err
