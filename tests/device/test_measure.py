"""The twins run the firmware that PlatformIO built, and the figures say what they are."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from foldtiny import boards
from foldtiny.boards import Board
from foldtiny.device import build, simulate
from foldtiny.device import measure as measuring
from foldtiny.device.build import Firmware
from foldtiny.device.measure import measure
from foldtiny.errors import LinkError, MeasureError
from foldtiny.project import render
from tests.firmware import fake_model

INPUTS = fake_model.samples(32)
EXPECTED = [fake_model.expected(sample) for sample in INPUTS]


@pytest.mark.parametrize("name", sorted(boards.load_all()))
def test_twin_is_bit_exact(built: Callable[[str], Firmware], name: str) -> None:
    board = boards.get(name)
    seen: list[float] = []
    result = measure(
        board, built(name), INPUTS, EXPECTED, lambda label, done: seen.append(done), model_hash=fake_model.HASH
    )
    assert (result.checked, result.matching, result.first_mismatch, result.max_difference) == (32, 32, None, 0.0)
    assert (result.source, result.simulator) == ("simulated", board.simulator.title)
    assert result.hello.clock_hz == board.clock_hz
    assert seen[-1] == 1.0 and len(seen) == 32
    assert 100 < result.stack.high_water_bytes < result.stack.reserved_bytes
    latency = result.to_dict()["latency"]
    assert latency["min"] <= latency["median"] <= latency["p95"] and latency["runs"] == 32
    if result.latency.unit == "instructions":
        # Two loops over 300 values, 5 to 40 instructions a round.
        assert 3_000 < latency["instructions"] < 24_000
        assert latency["ms"] == pytest.approx(latency["instructions"] / board.clock_hz * 1e3)
    else:
        assert latency["instructions"] is None


def test_soft_float_on_the_xtensa_twin(tmp_path: Path) -> None:
    """The twin without floating point gives IEEE 754's results to the bit; expf to two units in the last place."""
    folder = fake_model.FOLDER.parent / "fake_float"
    compiled = replace(
        fake_model.FakeCompiled(), files={name: (folder / name).read_text() for name in ("model.h", "model.c")}
    )
    board = boards.get("esp-eye")
    project = render(board, compiled, b"TFL3", tmp_path / "p", title="Floats")
    firmware = build.build(project, "esp-eye-sim")
    rng = np.random.default_rng(0)
    a = rng.normal(0, 20, (4, 64)).astype(np.float32)
    b = (rng.normal(0, 1, (4, 64)) * 10.0 ** rng.integers(-6, 6, (4, 64))).astype(np.float32)
    result = measure(board, firmware, [[x, y] for x, y in zip(a, b, strict=True)], [[b"\0" * 1792]] * 4)
    found = np.stack([np.frombuffer(sample[0], np.float32).reshape(7, 64) for sample in result.outputs], axis=1)
    exact = np.stack([a + b, a - b, a * b, a / b, np.maximum(a, b)])
    assert np.array_equal(found[:5].view(np.uint32), exact.view(np.uint32))
    assert np.array_equal(found[6], np.trunc(b) + np.float32(0))
    np.testing.assert_allclose(found[5], np.exp(a.astype(np.float64)), rtol=2.5e-7)


def test_instruction_counts_repeat(built: Callable[[str], Firmware]) -> None:
    runs = [measure(boards.get("nano33ble"), built("nano33ble"), INPUTS[:2], EXPECTED[:2]) for _ in range(2)]
    assert abs(runs[0].latency.median - runs[1].latency.median) <= 40  # one tick of the 25 MHz timer


def test_wrong_byte_is_found_and_named(host_board: Board, host_elf: Path) -> None:
    wrong = [list(sample) for sample in EXPECTED[:3]]
    data = bytearray(wrong[1][0])
    data[7] = (data[7] + 1) % 256
    wrong[1][0] = bytes(data)
    result = measure(host_board, host_elf, INPUTS[:3], wrong)
    assert (result.checked, result.matching) == (3, 2)
    mismatch = result.first_mismatch
    assert mismatch is not None and (mismatch.sample, mismatch.output, mismatch.index) == (1, 0, 7)
    assert result.max_difference in (1.0, 255.0)
    assert result.to_dict()["first_mismatch"]["index"] == 7


def test_another_board_or_model_on_the_port(host_board: Board, host_elf: Path) -> None:
    other = host_board.model_copy(update={"name": "esp-eye"})
    with pytest.raises(LinkError, match="is a jetson-nano, not a esp-eye"):
        measure(other, host_elf, INPUTS[:1], EXPECTED[:1])
    with pytest.raises(LinkError, match="runs another model"):
        measure(host_board, host_elf, INPUTS[:1], EXPECTED[:1], model_hash="0" * 16)


def test_inputs_and_outputs_must_pair(host_board: Board, host_elf: Path) -> None:
    with pytest.raises(MeasureError, match="2 inputs and 1 expected outputs were given"):
        measure(host_board, host_elf, INPUTS[:2], EXPECTED[:1])


def test_simulator_that_dies_early(host_board: Board, tmp_path: Path) -> None:
    program = tmp_path / "dies"
    program.write_text("#!/bin/sh\necho first >&2; echo 'cannot go on' >&2; exit 3\n")
    program.chmod(0o755)
    with pytest.raises(MeasureError) as caught:
        measure(host_board, program, INPUTS[:1], EXPECTED[:1], timeout_s=2)
    assert caught.value.message == ("the simulator of jetson-nano (the host) ended early with status 3: cannot go on")


def test_simulator_that_dies_later(host_board: Board, tmp_path: Path) -> None:
    program = tmp_path / "dies"
    program.write_text("#!/bin/sh\nsleep 0.5; echo 'out of luck' >&2; exit 4\n")
    program.chmod(0o755)
    with pytest.raises(MeasureError, match="ended early with status 4: out of luck"):
        measure(host_board, program, INPUTS[:1], EXPECTED[:1], timeout_s=1)


def test_missing_simulator_names_the_package(
    built: Callable[[str], Firmware], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    firmware = built("nano33ble")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MeasureError) as caught:
        simulate.start(boards.get("nano33ble"), firmware)
    assert str(caught.value) == (
        "qemu-system-arm, which simulates nano33ble, is not installed; install it with: apt-get install qemu-system-arm"
    )


def test_missing_firmware(tmp_path: Path) -> None:
    with pytest.raises(MeasureError, match="there is no firmware at"):
        simulate.start(boards.get("nano33ble"), tmp_path / "none.elf")


@pytest.mark.parametrize(
    ("name", "crash", "text"),
    [
        ("nano33ble", "*(volatile int *)0x90000000 = 1;", "status 1: the firmware crashed (Cortex-M fault)"),
        ("esp-eye", '__asm volatile("ill");', "status 1: it said nothing"),
    ],
)
def test_crash_on_the_board_is_reported(tmp_path: Path, name: str, crash: str, text: str) -> None:
    """A firmware that faults in the model ends the twin, and the host says so instead of waiting."""
    fake = fake_model.FakeCompiled()
    model = fake.files["model.c"].replace("int32_t sum = 0;", f"int32_t sum = 0; {crash}")
    project = render(
        boards.get(name), replace(fake, files={**fake.files, "model.c": model}), b"TFL3", tmp_path / "p", title=""
    )
    firmware = build.build(project, f"{name}-sim")
    with pytest.raises(MeasureError, match=re.escape(text)):
        measure(boards.get(name), firmware, INPUTS[:1], EXPECTED[:1], timeout_s=2, run_timeout_s=2)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False


def test_simulator_is_gone_after_the_block(built: Callable[[str], Firmware]) -> None:
    with simulate.start(boards.get("esp-eye"), built("esp-eye")) as simulator:
        assert _alive(simulator.pid)
    assert not _alive(simulator.pid)
    simulator.stop()


def test_killed_parent_leaves_no_simulator(built: Callable[[str], Firmware]) -> None:
    code = (
        "import sys, time; from pathlib import Path\n"
        "from foldtiny import boards; from foldtiny.device import simulate\n"
        "s = simulate.start(boards.get('nano33ble'), Path(sys.argv[1])); print(s.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code, str(built("nano33ble").elf)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert _alive(pid)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 5
    while _alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _alive(pid)


def test_percentiles() -> None:
    hello = type("Hello", (), {"tick_kind": "cycles", "clock_hz": 1_000_000})
    latency = measuring._latency(hello, list(range(100, 0, -1)))  # type: ignore[arg-type]
    assert (latency.minimum, latency.median, latency.p95) == (1, 50, 95)
    assert latency.ms_median == 0.05
