"""A Linux board over its serial console: a real shell takes the program, runs it, and gets the console back."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import stat
import subprocess
import termios
import threading
import time
import tty
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from foldtiny.device import console
from foldtiny.device.link import Device
from foldtiny.errors import FlashError, LinkError
from tests.firmware import fake_model


@dataclass
class Board:
    """A console: ``port`` is this machine's end of the cable, ``home`` the home folder over there."""

    port: str
    home: Path


@pytest.fixture(params=["bash", "sh"])
def board(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Board]:
    """A login shell on a serial line: two ptys, and a cable between them."""
    (tmp_path / "bin").mkdir()
    uname = tmp_path / "bin" / "uname"
    uname.write_text("#!/bin/sh\necho aarch64\n")
    uname.chmod(uname.stat().st_mode | stat.S_IXUSR)
    shell, theirs = pty.openpty()
    here, ours = pty.openpty()
    # At the near end is a serial adapter: it echoes nothing and changes nothing.
    tty.setraw(ours)
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    process = subprocess.Popen(
        [request.param, "-i"],
        stdin=theirs, stdout=theirs, stderr=theirs, cwd=tmp_path, start_new_session=True,
        env={"PATH": path, "HOME": str(tmp_path), "PS1": "board$ ", "TERM": "vt100"},
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )  # fmt: skip
    stop = threading.Event()
    threads = [threading.Thread(target=_carry, args=(*pair, stop)) for pair in ((shell, here), (here, shell))]
    for thread in threads:
        thread.start()
    yield Board(os.ttyname(ours), tmp_path)
    stop.set()
    process.kill()
    process.wait()
    for thread in threads:
        thread.join()
    for end in (shell, theirs, here, ours):
        os.close(end)


def _carry(source: int, target: int, stop: threading.Event) -> None:
    while not stop.is_set():
        if select.select([source], [], [], 0.02)[0]:
            try:
                os.write(target, os.read(source, 4096))
            except OSError:
                return


def _program(folder: Path, elf: Path) -> Path:
    """Return the host's firmware under another path, so that nothing but the console brings it over."""
    path = folder / "program"
    path.write_bytes(elf.read_bytes())
    return path


def test_program_is_sent_run_and_replaced(board: Board, host_elf: Path, tmp_path: Path) -> None:
    program = _program(tmp_path, host_elf)
    seen: list[float] = []
    for _ in range(2):  # the second time, the program of the first has the console
        machine = console.start(board.port, program, progress=lambda label, done: seen.append(done))
        assert machine.architecture == "aarch64"
        copied = board.home / ".foldtiny" / "firmware"
        assert copied.read_bytes() == program.read_bytes() and copied.stat().st_mode & stat.S_IXUSR
        assert [path.name for path in copied.parent.iterdir()] == ["firmware"]
        with Device.open(board.port, timeout_s=5) as device:
            sample = fake_model.samples(1)[0]
            assert device.infer(sample).outputs == fake_model.expected(sample)
    assert seen == sorted(seen[: len(seen) // 2]) * 2


def test_another_processor(board: Board, tmp_path: Path) -> None:
    (tmp_path / "program").write_bytes(b"x")
    with pytest.raises(FlashError) as caught:
        console.start(board.port, tmp_path / "program", architecture="riscv64")
    assert str(caught.value) == (
        f"the machine at {board.port} is aarch64, the program is for riscv64; choose another --port or --board"
    )
    assert not (board.home / ".foldtiny").exists()


@pytest.mark.parametrize(
    ("says", "sentence"),
    [
        (b"Ubuntu 18.04 jetson ttyS0\r\n\r\njetson login: ", "the console on {port} asks for a login; log in with a "
         "terminal program (picocom -b 115200 {port}), close it, and repeat the command"),
        (b"Password: ", "the console on {port} asks for a login; log in"),
        (b"", "there is no shell on the console {port}; look at it with a terminal program"),
    ],
)  # fmt: skip
def test_a_console_without_a_shell(says: bytes, sentence: str, tmp_path: Path) -> None:
    master, slave = pty.openpty()
    tty.setraw(slave)
    typed: list[bytes] = []
    stop = threading.Event()

    def answer() -> None:
        while not stop.is_set():
            if select.select([master], [], [], 0.02)[0]:
                typed.append(os.read(master, 4096))
                os.write(master, says)

    thread = threading.Thread(target=answer)
    thread.start()
    (tmp_path / "program").write_bytes(b"x")
    began = time.monotonic()
    try:
        with pytest.raises(LinkError) as caught:
            console.start(os.ttyname(slave), tmp_path / "program")
    finally:
        stop.set()
        thread.join()
    assert str(caught.value).startswith(sentence.format(port=os.ttyname(slave)))
    assert time.monotonic() - began < 10
    # Nothing but a return key for who can read: a frame's bytes would log a user out, or be a password.
    assert says == b"" or b"".join(typed) == b"\r"
    os.close(master)
    os.close(slave)
