"""The link against real firmware on the host: right answers over bad lines, one clear error over dead ones."""

from __future__ import annotations

import os
import re
import time
import tty
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from foldtiny.boards import Board
from foldtiny.device import ports, simulate
from foldtiny.device.exchange import Refused
from foldtiny.device.link import Device
from foldtiny.errors import LinkError
from tests.firmware import fake_model


@pytest.fixture
def silent() -> Iterator[tuple[str, int]]:
    """A port on which nobody answers; its name, and the other end."""
    master, slave = os.openpty()
    tty.setraw(slave)
    yield os.ttyname(slave), master
    os.close(master)
    os.close(slave)


def test_hello_and_inference(host: simulate.Simulator) -> None:
    with Device.open(host.port) as device:
        hello = device.hello()
        assert (hello.board, hello.runtime, hello.model_hash) == ("jetson-nano", "aot", fake_model.HASH)
        assert hello.tick_kind == "nanoseconds"
        assert [
            (t.name, t.dtype, t.shape, t.scale, t.zero_point, t.bytes) for t in (*hello.inputs, *hello.outputs)
        ] == [
            (t.name, t.dtype, t.shape, t.scale, t.zero_point, t.bytes)
            for t in (*fake_model.FakeCompiled().inputs, *fake_model.FakeCompiled().outputs)
        ]
        for sample in fake_model.samples(20):
            assert device.infer(sample).outputs == fake_model.expected(sample)
        assert device.retries == 0


def test_run_stack_profile_reset(host: simulate.Simulator) -> None:
    with Device.open(host.port) as device:
        ticks = device.run(19)
        assert len(ticks) == 19 and all(tick > 0 for tick in ticks)
        use = device.stack()
        assert 0 < use.high_water_bytes < use.reserved_bytes
        device.infer(fake_model.samples(1)[0])
        layers = device.profile()
        assert [layer.name for layer in layers] == ["sum", "affine"]
        device.reset()
        assert device.stack().high_water_bytes <= use.high_water_bytes


def test_boot_messages_and_half_frames_before_the_first_answer(host: simulate.Simulator) -> None:
    port = ports.open_port(host.port)
    port.write(b"\x05\x01\x02" + os.urandom(700) + b"AT+BOOT\r\n")
    with Device(port, "noisy", retry_s=0.05) as device:
        sample = fake_model.samples(1)[0]
        assert device.infer(sample).outputs == fake_model.expected(sample)


def test_board_that_restarts_between_load_and_answer(host_board: Board, host_elf: Path) -> None:
    """The board forgets everything after the first RUN; the inference is done again, and right."""
    with simulate.start(host_board, host_elf) as simulator:
        inner = ports.open_port(simulator.port)
        forgetful = Device(inner, "reset")
        sample = fake_model.samples(1)[0]
        forgetful.hello()
        original, resets = forgetful._run, []

        def run(count: int, checksum: int) -> tuple[list[int], int]:
            result = original(count, checksum)
            if not resets:
                resets.append(1)
                forgetful.reset()
            return result

        forgetful._run = run  # type: ignore[method-assign]
        assert forgetful.infer(sample).outputs == fake_model.expected(sample)
        assert resets


@pytest.fixture(scope="session")
def slow_elf(tmp_path_factory: pytest.TempPathFactory, build_host: Callable[[Path, str], Path]) -> Path:
    """The fake model, taking 0.8 s."""
    return build_host(tmp_path_factory.mktemp("slow"), "usleep(800000);")


def test_slow_model_runs_once_though_asked_often(host_board: Board, slow_elf: Path) -> None:
    with simulate.start(host_board, slow_elf) as simulator, Device.open(simulator.port, retry_s=0.02) as device:
        sample = fake_model.samples(1)[0]
        result = device.infer(sample)
        # The model consumes its input, so a second run would have given something else.
        assert result.outputs == fake_model.expected(sample)
        assert 0.8e9 <= result.ticks < 3e9
        assert device.retries > 3
        asked = device.retries
        assert device.infer(sample).outputs == fake_model.expected(sample)
        assert device.retries - asked <= 2  # now it is known how long a run takes


def test_run_has_a_limit(host_board: Board, slow_elf: Path) -> None:
    with (
        simulate.start(host_board, slow_elf) as simulator,
        Device.open(simulator.port, run_timeout_s=0.3, retry_s=0.05) as device,
        pytest.raises(LinkError, match=r"did not answer RUN within 0\.3 s"),
    ):
        device.infer(fake_model.samples(1)[0])


def test_silence_ends_in_time(silent: tuple[str, int]) -> None:
    start = time.monotonic()
    with Device.open(silent[0], timeout_s=0.6, retry_s=0.1) as device, pytest.raises(LinkError) as caught:
        device.hello()
    assert time.monotonic() - start < 3
    assert re.fullmatch(
        rf"the board on {silent[0]} did not answer HELLO within 0.6 s \(\d+ tries, nothing came\); "
        r"check that the firmware is flashed and no other program uses the port",
        str(caught.value),
    )


def test_board_that_vanishes(host: simulate.Simulator) -> None:
    with Device.open(host.port, timeout_s=0.5, retry_s=0.1) as device:
        device.hello()
        host._process.kill()
        with pytest.raises(LinkError, match=r"did not answer LOAD|vanished"):
            device.infer(fake_model.samples(1)[0])


def test_another_model(host: simulate.Simulator) -> None:
    with Device.open(host.port) as device:
        device.check_model(fake_model.HASH)
        with pytest.raises(LinkError) as caught:
            device.check_model("ffffffffffffffff")
    assert str(caught.value) == (
        f"the board on {host.port} runs another model (00112233aabbccdd, expected ffffffffffffffff); "
        "flash it again with `foldtiny deploy`"
    )


def test_wrong_input_size(host: simulate.Simulator) -> None:
    with Device.open(host.port) as device, pytest.raises(LinkError) as caught:
        device.infer([b"123", b"123"])
    assert caught.value.message == "the model takes inputs of [300, 3] bytes, [3, 3] were given"


def test_output_without_input_is_refused(host: simulate.Simulator) -> None:
    with Device.open(host.port) as device:
        device.run(2)
        with pytest.raises(Refused) as caught:
            device._read_output(0, 300)
        assert "load an input first" in str(device._refusal("OUTPUT", caught.value))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("/dev/no-such-port", "there is no port /dev/no-such-port; plug the board in, or use --port sim"),
        ("nonsense://x", "the port nonsense://x cannot be opened"),
    ],
)
def test_port_that_cannot_be_opened(name: str, text: str) -> None:
    with pytest.raises(LinkError, match=re.escape(text)):
        Device.open(name)
