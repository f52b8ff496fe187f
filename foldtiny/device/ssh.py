"""Linux boards over SSH: the system's ``ssh`` copies the program there and is the serial line to it.

OpenSSH's own client is used, so that keys, agent, jump hosts and ``~/.ssh/config`` work as the user set them up, host
keys are checked, and no password is ever asked for or passed on.
"""

from __future__ import annotations

import re
import selectors
import shlex
import shutil
import subprocess
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from foldtiny.device import child
from foldtiny.errors import FlashError, LinkError, UsageError

SCHEME = "ssh"
# On the board, under the user's home.
_FOLDER = ".foldtiny"
_PROGRAM = f"{_FOLDER}/firmware"
_CONNECT_LIMIT_S = 10
_COPY_LIMIT_S = 300.0
_READ_LIMIT_S = 0.002

# What OpenSSH prints (its sources, version 9.2), and what to do about it.
_REASONS = (
    (r"Host key verification failed|REMOTE HOST IDENTIFICATION HAS CHANGED",
     "has a host key that this machine does not know", "connect once with `ssh {there}` and compare the key it shows"),
    (r"Permission denied \(", "does not accept a key of yours", "let it know your key with `ssh-copy-id {there}`"),
    (r"Could not resolve hostname", "has no address", "check the name"),
    (r"Connection refused", "takes no SSH connections", "start its SSH server, or check the port"),
    (r"timed out|No route to host|Network is unreachable|Connection (?:closed|reset)",
     "does not answer", "check the network"),
    (r"No space left", "has no space left", "free some space on it"),
    (r"Read-only file system", "cannot be written to", "remount its file system"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Machine:
    """What a Linux board says about itself; ``governor`` decides its clock while the model runs."""

    architecture: str
    model: str
    governor: str

    def to_dict(self) -> dict[str, str]:
        """Return plain values for JSON."""
        return asdict(self)


def command(url: str, remote: str) -> list[str]:
    """Return the command line that runs ``remote`` on the board.

    Raises
    ------
    UsageError
        If the URL is not ``ssh://[user@]host[:port]``, or holds a password.
    """
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = -1
    host = parts.hostname or ""
    if parts.password is not None:
        raise UsageError("--port holds a password", "use a key: ssh-copy-id puts it on the board")
    # A host that starts with a dash would be an option to ssh.
    if (
        parts.scheme != SCHEME
        or not re.fullmatch(r"[\w.:%-]+", host)
        or host.startswith("-")
        or port == -1
        or parts.path
    ):
        raise UsageError(f"--port is '{url}' (allowed: ssh://host, ssh://user@host, ssh://user@host:port)", "mend it")
    if parts.username is not None and not re.fullmatch(r"\w[\w.-]*", parts.username):
        raise UsageError(f"--port is '{url}', whose user name is not one", "write it as ssh://user@host")
    options = ["-T", "-o", "BatchMode=yes", "-o", f"ConnectTimeout={_CONNECT_LIMIT_S}", "-o", "ServerAliveInterval=5"]
    options += ["-p", str(port)] if port else []
    return ["ssh", *options, f"{parts.username}@{host}" if parts.username else host, remote]


def examine(url: str) -> Machine:
    """Ask a board what it is; its SSH connection is checked on the way.

    Raises
    ------
    LinkError
        If it cannot be reached.
    """
    script = (
        "uname -m; tr -d '\\0' < /proc/device-tree/model 2>/dev/null; echo; "
        "cat /sys/devices/system/cpu/cpu0/cpufreq/scaling_governor 2>/dev/null || echo"
    )
    lines = [*run(url, script, b"").decode("utf-8", "replace").splitlines(), "", "", ""]
    return Machine(lines[0].strip(), lines[1].strip(), lines[2].strip())


def copy(url: str, program: Path, *, architecture: str = "aarch64") -> Machine:
    """Put the program on the board, whole or not at all.

    Raises
    ------
    FlashError
        If the board is of another architecture, or cannot be written to.
    LinkError
        If it cannot be reached.
    """
    machine = examine(url)
    if machine.architecture != architecture:
        raise FlashError(
            f"the machine at {url} is {machine.architecture or 'of unknown kind'}, the program is for {architecture}",
            "choose another --port or --board",
        )
    new = f"{_PROGRAM}.new"
    script = f"mkdir -p {_FOLDER} && cat > {new} && chmod 755 {new} && mv -f {new} {_PROGRAM} && echo done"
    if run(url, script, program.read_bytes()).strip() != b"done":
        raise FlashError(f"the program could not be put on {url}", "check the space in the home folder there")
    return machine


def run(url: str, remote: str, sent: bytes) -> bytes:
    """Run a command on the board with ``sent`` as its input and return its output.

    Raises
    ------
    LinkError
        If the board cannot be reached, or the command fails; the message ends with its last line of complaint.
    """
    try:
        done = subprocess.run(command(url, remote), input=sent, capture_output=True, timeout=_COPY_LIMIT_S, check=False)
    except subprocess.TimeoutExpired:
        raise LinkError(f"the board at {url} did not answer within {_COPY_LIMIT_S:g} s", "check the network") from None
    except OSError as error:
        raise _no_client(error) from error
    if done.returncode != 0:
        raise _explain(url, done.stderr.decode("utf-8", "replace"))
    return done.stdout


def _no_client(error: OSError) -> LinkError:
    if shutil.which("ssh") is None:
        return LinkError("ssh is not installed", "install it with: apt-get install openssh-client")
    return LinkError(f"ssh cannot be started: {error}", "check its installation")


def _explain(url: str, said: str) -> LinkError:
    parts = urlsplit(url)
    there = (f"-p {parts.port} " if parts.port else "") + parts.netloc.rpartition(":")[0 if parts.port else 2]
    for pattern, state, hint in _REASONS:
        if re.search(pattern, said):
            return LinkError(f"the board at {url} {state}", hint.format(there=there))
    lines = [line.strip() for line in said.splitlines() if line.strip() and not line.startswith("Warning:")]
    return LinkError(
        f"the board at {url} cannot be used: {lines[-1] if lines else 'no reason given'}", f"try `ssh {there}`"
    )


class SshPort:
    """The program on the board as a port: its standard input and output through ``ssh``."""

    def __init__(self, url: str, program: str = _PROGRAM) -> None:
        self._url = url
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (lives as long as the port)
        try:
            self._process = subprocess.Popen(
                command(url, f"exec {shlex.quote(program)}"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                bufsize=0,
                start_new_session=True,
                preexec_fn=child.die_with_parent(),
            )
        except OSError as error:
            raise _no_client(error) from error
        assert self._process.stdin is not None and self._process.stdout is not None
        self._input, self._output = self._process.stdin, self._process.stdout
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._output, selectors.EVENT_READ)

    @property
    def in_waiting(self) -> int:
        """A pipe does not tell; reading takes what is there."""
        return 4096 if self._selector.select(0) else 0

    def read(self, size: int = 1) -> bytes:
        """Return what has come, waiting a moment for it.

        Raises
        ------
        LinkError
            If the program has ended; with the reason as far as ``ssh`` tells it.
        """
        if not self._selector.select(_READ_LIMIT_S):
            return b""
        data = self._output.read(size)
        if not data:
            raise self._ended()
        return data

    def write(self, data: bytes) -> int | None:
        """Send all of it."""
        view = memoryview(data)
        try:
            while view:
                view = view[self._input.write(view) or 0 :]
        except BrokenPipeError:
            raise self._ended() from None
        return len(data)

    def close(self) -> None:
        """End the connection, and with it the program."""
        self._input.close()
        deadline = time.monotonic() + 1
        while self._process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        child.stop(self._process)
        self._selector.close()
        self._output.close()
        self._log.close()

    def _ended(self) -> LinkError:
        """Say why the program is not there (any more)."""
        self._process.wait()
        self._log.seek(0)
        said = self._log.read().decode("utf-8", "replace")
        if re.search(r"not found|No such file", said):
            return LinkError(f"there is no program of foldtiny on {self._url}", "leave out --no-flash")
        if not said.strip():
            return LinkError(f"the program on {self._url} ended by itself", "repeat the command without --no-flash")
        return _explain(self._url, said)
