"""Linux boards over their serial console: a shell that is already logged in takes the program and runs it.

Nothing but the shell's own tools is needed on the board. The program travels as text, one short line at a time, each of
them acknowledged, because a console has no flow control; a checksum tells whether it arrived whole. While it runs, the
console is its line; the request LEAVE gives the shell back.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from foldtiny.device import ports, ssh
from foldtiny.device.frame import Frame, Request, encode
from foldtiny.errors import FlashError, LinkError

Progress = Callable[[str, float], None]

_ANSWER_LIMIT_S = 5.0
_SETTLE_S = 0.4
#: How long a shell on a busy machine may take to answer at all.
_WAKE_S = 2.0
# Far below the 4,096 bytes that a terminal holds before a line is read.
_LINE = 768
_NEW, _PROGRAM, _TEXT = ".foldtiny/firmware.new", ".foldtiny/firmware", ".foldtiny/firmware.b64"
_ASK = (
    "uname -m; tr -d '\\0' < /proc/device-tree/model 2>/dev/null; echo; "
    "cat /sys/devices/system/cpu/cpu0/cpufreq/scaling_governor 2>/dev/null || echo"
)


def start(port: str, program: Path, *, architecture: str = "aarch64", progress: Progress | None = None) -> ssh.Machine:
    """Put a program on the board behind a console and run it there; the port is free again afterwards.

    Parameters
    ----------
    port : str
        The serial port of this machine at which the board's console is.
    program : Path
    architecture : str
        What the board must be, as ``uname -m`` says it.
    progress : callable, optional
        Called with a label and a fraction from 0 to 1.

    Raises
    ------
    LinkError
        If there is no shell on the port (which may ask for a login), or it stops answering.
    FlashError
        If the board is of another architecture, or the program did not arrive whole.
    """
    with _shell(port) as shell:
        lines = [*shell.run(_ASK).splitlines(), "", "", ""]
        machine = ssh.Machine(lines[0].strip(), lines[1].strip(), lines[2].strip())
        if machine.architecture != architecture:
            shell.type("exit")
            raise FlashError(
                f"the machine at {port} is {machine.architecture or 'of unknown kind'}, "
                f"the program is for {architecture}",
                "choose another --port or --board",
            )
        _send(shell, port, program.read_bytes(), progress)
        # The subshell ends with the program: the login's own shell comes back.
        shell.type(f"stty raw -echo; {_PROGRAM}; stty sane; exit")
        time.sleep(_SETTLE_S)
        shell.drain()
    return machine


def _send(shell: _Shell, port: str, program: bytes, progress: Progress | None) -> None:
    text = base64.b64encode(gzip.compress(program, mtime=0)).decode()
    shell.run(f"mkdir -p .foldtiny; : > {_TEXT}")
    for at in range(0, len(text), _LINE):
        shell.run(f"echo {text[at : at + _LINE]} >> {_TEXT}")
        if progress is not None:
            progress(f"sending to {port}", at / len(text))
    said = shell.run(f"base64 -d {_TEXT} | gunzip > {_NEW} && sha256sum < {_NEW}; rm -f {_TEXT}", limit_s=60.0)
    if hashlib.sha256(program).hexdigest() not in said:
        shell.type("exit")
        raise FlashError(
            f"the program did not arrive whole on the board at {port}: {said.strip().splitlines()[-1:] or 'no answer'}",
            "repeat the command; check the space in the home folder there",
        )
    shell.run(f"chmod 755 {_NEW} && mv -f {_NEW} {_PROGRAM}")


class _Shell:
    """A plain shell at the other end of a port."""

    def __init__(self, name: str, port: ports.Port) -> None:
        self._name = name
        self._port = port
        self._count = 0

    def type(self, line: str) -> None:
        """Send a line."""
        self._port.write(line.encode() + b"\r")

    def drain(self, first_s: float = _SETTLE_S) -> str:
        """Return what comes until nothing has come for a while; the first of it may take ``first_s``."""
        received, deadline = b"", time.monotonic() + first_s
        while time.monotonic() < deadline:
            piece = self._port.read(max(1, self._port.in_waiting))
            if piece:
                received, deadline = received + piece, time.monotonic() + _SETTLE_S
        return received.decode("utf-8", "replace")

    def run(self, command: str, limit_s: float = _ANSWER_LIMIT_S) -> str:
        """Run a command and return its output.

        The marker behind it is computed by the shell, so that an echo of the command is not taken for it.
        """
        self._count += 1
        marker = f"foldtiny.{self._count}.done".encode()
        self.type(f"{command}; echo foldtiny.$(({self._count} + 0)).done")
        received, deadline = b"", time.monotonic() + limit_s
        while marker not in received:
            if time.monotonic() >= deadline:
                raise LinkError(f"the shell on {self._name} did not answer within {limit_s:g} s", "repeat the command")
            received += self._port.read(max(1, self._port.in_waiting))
        return received.partition(marker)[0].decode("utf-8", "replace").replace("\r", "")


@contextmanager
def _shell(name: str) -> Iterator[_Shell]:
    """Open a port and start a shell without prompt, echo and line editing on it."""
    port = ports.open_port(name)
    try:
        shell = _Shell(name, port)
        _check_login(shell, name, _wake(shell, port))
        # Line editing (bash) would repeat what it is sent; a plain shell leaves that to the terminal.
        shell.type("PS1= PS2= sh")
        shell.drain()
        shell.type("stty -echo; PS1=")
        shell.drain()
        try:
            shell.run(":")
        except LinkError:
            raise _no_shell(name) from None
        yield shell
    finally:
        port.close()


def _wake(shell: _Shell, port: ports.Port) -> str:
    """Press return; where foldtiny's program has the console, ask it to leave first.

    A shell must never be sent a frame: some of its bytes would log the user out.
    """
    shell.type("")
    said = shell.drain(_WAKE_S)
    if not _readable(said):
        port.write(encode(Frame(1, Request.LEAVE, b"")))
        shell.drain(_WAKE_S)
        shell.type("")
        said = shell.drain(_WAKE_S)
    return said


def _readable(said: str) -> bool:
    return bool(said.strip()) and "\0" not in said


def _check_login(shell: _Shell, name: str, said: str) -> None:
    if re.search(r"(login|password):\s*$", said, re.I):
        raise LinkError(
            f"the console on {name} asks for a login",
            f"log in with a terminal program (picocom -b {ports.BAUD} {name}), close it, and repeat the command",
        )
    if not _readable(said):
        raise _no_shell(name)


def _no_shell(name: str) -> LinkError:
    return LinkError(
        f"there is no shell on the console {name}",
        f"look at it with a terminal program (picocom -b {ports.BAUD} {name}), log in, close it, and repeat",
    )
