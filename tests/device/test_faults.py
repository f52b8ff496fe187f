"""Between host and firmware lies a bad line: right answers, or one clear error within its time limit."""

from __future__ import annotations

import contextlib
import os
import random
import re
import threading
import time
import tty
from pathlib import Path
from typing import Any

import pytest

from foldtiny.boards import Board
from foldtiny.device import ports, simulate
from foldtiny.device.link import Device
from foldtiny.errors import LinkError
from tests.device.faults import FaultyPort
from tests.device.hardware import FakeBoard
from tests.firmware import fake_model


@pytest.mark.slow
def test_a_thousand_inferences_with_one_percent_of_bytes_damaged(
    host: simulate.Simulator, record_property: Any
) -> None:
    port = FaultyPort(ports.open_port(host.port), rate=0.01, seed=1)
    with Device(port, "faulty", retry_s=0.004, timeout_s=60) as device:
        for sample in fake_model.samples(1000, seed=2):
            assert device.infer(sample).outputs == fake_model.expected(sample)
        assert device.stack().reserved_bytes == 256 * 1024
    assert port.faults > 10_000
    assert min(port.counts[kind] for kind in ("flipped", "doubled", "inserted", "dropped")) > 2_000
    record_property(
        "figure",
        f"link at 1 % byte faults: 1,000 of 1,000 inferences right, {port.faults:,} faults, {device.retries:,} retries",
    )


def test_delays(host: simulate.Simulator) -> None:
    """Answers that come late, after they were asked for again, are told apart."""
    port = FaultyPort(ports.open_port(host.port), rate=0.002, seed=4, delay_rate=0.2, delay_s=0.02)
    with Device(port, "late", retry_s=0.004, timeout_s=30) as device:
        for sample in fake_model.samples(40, seed=5):
            assert device.infer(sample).outputs == fake_model.expected(sample)
    assert port.counts["delayed"] > 50


def test_board_that_restarts_at_any_moment(host_elf: Path, tmp_path: Path, record_property: Any) -> None:
    board = FakeBoard(tmp_path)
    board.start(host_elf)
    stop = threading.Event()
    restarts = 0

    def restart() -> None:
        nonlocal restarts
        clock = random.Random(6)
        while not stop.wait(0.02 + clock.random() * 0.1):
            board.start(host_elf)
            restarts += 1

    thread = threading.Thread(target=restart)
    thread.start()
    try:
        with Device.open(board.port, retry_s=0.01, timeout_s=30) as device:
            done = 0
            samples = fake_model.samples(50, seed=7)
            while restarts < 40 or done < 50:
                sample = samples[done % 50]
                assert device.infer(sample).outputs == fake_model.expected(sample)
                done += 1
    finally:
        stop.set()
        thread.join()
        board.close()
    record_property(
        "figure", f"board that restarts mid-run: {done:,} of {done:,} inferences right, {restarts} restarts"
    )


@pytest.mark.slow
def test_twenty_percent_is_right_or_one_clear_error_in_time(host: simulate.Simulator, record_property: Any) -> None:
    slowest = 0.0
    for seed in range(6):
        port = FaultyPort(ports.open_port(host.port), rate=0.2, seed=seed)
        start = time.monotonic()
        sample = fake_model.samples(1)[0]
        with (
            pytest.raises(LinkError, match=r"^the board on faulty did not answer \w+ within 1\.5 s \(\d+ tries, "),
            Device(port, "faulty", retry_s=0.02, timeout_s=1.5) as device,
        ):
            device.infer(sample)
        slowest = max(slowest, time.monotonic() - start)
    # Asking who it is takes several requests, each with its own limit; the first of them hardly ever gets through.
    assert slowest < 5
    record_property(
        "figure", f"link at 20 % byte faults: one clear error each time, at most {slowest:.1f} s (limit 1.5)"
    )


# What 115200 baud carry in a minute: a byte takes ten bits.
_MINUTE_BYTES = 60 * 11_520


def test_a_minute_of_random_bytes_for_the_firmware(host: simulate.Simulator, record_property: Any) -> None:
    """Noise, then a request: the firmware finds its feet."""
    port = ports.open_port(host.port)
    noise = random.Random(8)
    drained = 0
    for _ in range(_MINUTE_BYTES // 2048 + 1):
        port.write(noise.randbytes(2048))
        drained += len(port.read(max(1, port.in_waiting)))
    assert drained > 10_000  # it complains about every piece between zero bytes
    with Device(port, "noisy", retry_s=0.05, timeout_s=10) as device:
        sample = fake_model.samples(1)[0]
        assert device.infer(sample).outputs == fake_model.expected(sample)
    record_property("figure", f"a minute of random bytes at 115200 baud ({_MINUTE_BYTES:,}): the firmware answers")


class _Babble:
    """A port on which nothing but noise comes for the ``left`` bytes, before the board is heard."""

    def __init__(self, inner: ports.Port) -> None:
        self._inner = inner
        self._noise = random.Random(9)
        self.left = 0

    @property
    def in_waiting(self) -> int:
        return min(self.left, 512) or self._inner.in_waiting

    def read(self, size: int = 1) -> bytes:
        if not self.left:
            return self._inner.read(size)
        size = min(size, self.left)
        self.left -= size
        return self._noise.randbytes(size)

    def write(self, data: bytes) -> int | None:
        return self._inner.write(data)

    def close(self) -> None:
        self._inner.close()


def test_a_minute_of_random_bytes_for_the_host(host: simulate.Simulator, record_property: Any) -> None:
    port = _Babble(ports.open_port(host.port))
    with Device(port, "babbling", retry_s=0.05, timeout_s=20) as device:
        sample = fake_model.samples(1)[0]
        port.left = _MINUTE_BYTES
        assert device.infer(sample).outputs == fake_model.expected(sample)
        assert port.left == 0
    record_property("figure", f"a minute of random bytes at 115200 baud ({_MINUTE_BYTES:,}): the host reads on")


def test_random_bytes_without_end_for_the_host() -> None:
    master, slave = os.openpty()
    tty.setraw(slave)
    stop = threading.Event()

    def babble() -> None:
        while not stop.wait(0.001):
            with contextlib.suppress(BlockingIOError):
                os.write(master, os.urandom(64))
                os.read(master, 4096)

    os.set_blocking(master, False)
    thread = threading.Thread(target=babble)
    thread.start()
    start = time.monotonic()
    try:
        with (
            Device.open(os.ttyname(slave), timeout_s=2.0, retry_s=0.05) as device,
            pytest.raises(LinkError) as caught,
        ):
            device.hello()
    finally:
        stop.set()
        thread.join()
        os.close(master)
        os.close(slave)
    assert time.monotonic() - start < 5
    assert re.search(r"did not answer HELLO within 2 s \(\d+ tries, only unreadable bytes came\)", str(caught.value))


def test_line_through_a_socket(host_board: Board, host_elf: Path) -> None:
    """The same over socket://, as for a board on another host."""
    import socket
    import subprocess

    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = server.accept()
        with connection:
            subprocess.run([str(host_elf)], stdin=connection, stdout=connection, check=False)

    thread = threading.Thread(target=serve)
    thread.start()
    with Device.open(f"socket://127.0.0.1:{server.getsockname()[1]}") as device:
        for sample in fake_model.samples(5):
            assert device.infer(sample).outputs == fake_model.expected(sample)
    thread.join()
    server.close()
    with pytest.raises(
        LinkError, match=r"^nothing answers at socket://127\.0\.0\.1:1: connection refused; check the address"
    ):
        Device.open("socket://127.0.0.1:1")


def test_line_through_rfc2217(host: simulate.Simulator) -> None:
    """A serial server on another host, as pyserial's own example implements it, with the firmware on its port."""
    import socket

    import serial
    import serial.rfc2217

    class Pty(serial.Serial):  # type: ignore[misc]
        """A pty has no modem lines."""

        cts = dsr = ri = cd = dtr = rts = False

    class Writer:
        def __init__(self, connection: socket.socket) -> None:
            self._connection = connection

        def write(self, data: bytes) -> None:
            self._connection.sendall(data)

    def to_board(connection: socket.socket, manager: serial.rfc2217.PortManager, port: serial.Serial) -> None:
        while received := connection.recv(1024):
            port.write(b"".join(manager.filter(received)))

    def serve() -> None:
        connection, _ = server.accept()
        with connection, Pty(host.port, timeout=0.01) as port:
            manager = serial.rfc2217.PortManager(port, Writer(connection))
            reader = threading.Thread(target=to_board, args=(connection, manager, port))
            reader.start()
            while reader.is_alive():
                data = port.read(max(1, port.in_waiting))
                if data:
                    with contextlib.suppress(OSError):
                        connection.sendall(b"".join(manager.escape(data)))
            reader.join()

    server = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=serve)
    thread.start()
    with Device.open(f"rfc2217://127.0.0.1:{server.getsockname()[1]}") as device:
        for sample in fake_model.samples(5):
            assert device.infer(sample).outputs == fake_model.expected(sample)
        assert device.retries < 5
    thread.join()
    server.close()


class UnpluggedPort:
    """A port that is pulled out at the n-th use, as pyserial reports it."""

    def __init__(self, inner: ports.Port, uses: int) -> None:
        self._inner = inner
        self._left = uses

    def _use(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise OSError(5, "Input/output error")

    @property
    def in_waiting(self) -> int:
        self._use()
        return self._inner.in_waiting

    def read(self, size: int = 1) -> bytes:
        self._use()
        return self._inner.read(size)

    def write(self, data: bytes) -> int | None:
        self._use()
        return self._inner.write(data)

    def close(self) -> None:
        self._inner.close()
        raise OSError(5, "Input/output error")


def test_unplugged_at_any_moment(host: simulate.Simulator, record_property: Any) -> None:
    sample = fake_model.samples(1)[0]
    moments = 0
    while True:
        try:
            with Device(UnpluggedPort(ports.open_port(host.port), moments), "ttyX", timeout_s=5) as device:
                device.hello()
                assert device.infer(sample).outputs == fake_model.expected(sample)
                device.stack()
        except LinkError as error:
            assert error.message == "the board on ttyX vanished ([Errno 5] Input/output error)"
            assert error.hint == "plug the board in again and repeat the command"
            moments += 1
            continue
        break
    assert moments > 20
    record_property("figure", f"unplugged at each of {moments} moments of an inference: one clear error each time")
