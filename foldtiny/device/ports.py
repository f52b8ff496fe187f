"""Serial ports by name: opening them, and saying in one sentence why one cannot be opened."""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from foldtiny.device import ssh
from foldtiny.errors import LinkError

BAUD = 115200
URL_SCHEMES = ("socket", "rfc2217", ssh.SCHEME)
# A read comes back this soon, with or without bytes; whoever reads keeps the time. Setting the limit per read instead
# would reconfigure the port each time.
_READ_LIMIT_S = 0.002
# A write never blocks longer: a board that stops reading would otherwise hang the host.
_WRITE_LIMIT_S = 10.0


class Port(Protocol):
    """The part of pyserial's port that the link uses."""

    @property
    def in_waiting(self) -> int: ...

    def read(self, size: int = 1) -> bytes: ...

    def write(self, data: bytes) -> int | None: ...

    def close(self) -> None: ...


def open_port(name: str) -> Port:
    """Open a serial port or pyserial URL.

    Raises
    ------
    LinkError
        If there is no such port, another program holds it, or this user may not open it.
    """
    if name.startswith(f"{ssh.SCHEME}://"):
        return ssh.SshPort(name)
    import serial

    limits: dict[str, float] = {"timeout": _READ_LIMIT_S, "write_timeout": _WRITE_LIMIT_S}
    if name.startswith("rfc2217://"):
        del limits["write_timeout"]  # pyserial refuses it there; its socket has a limit of its own
    try:
        port: Port = serial.serial_for_url(name, baudrate=BAUD, **limits)
    except (OSError, ValueError) as error:
        raise _explain(name, error) from error
    return port


def is_url(name: str) -> bool:
    """Say whether a port is on another machine (``socket://…``, ``rfc2217://…``, ``ssh://…``)."""
    return name.partition("://")[0] in URL_SCHEMES


def check_usable(name: str) -> None:
    """Make sure that a port on this machine exists, may be opened, and is not in use; without opening it.

    Opening resets some boards, and a second reader steals bytes from the first.

    Raises
    ------
    LinkError
        If not.
    """
    if sys.platform == "win32":
        return
    if not Path(name).exists():
        raise missing(name)
    if not os.access(name, os.R_OK | os.W_OK):
        raise forbidden(name)
    # A pty has no single user: whoever made it keeps it open.
    holder = None if name.startswith("/dev/pts/") else next(holders(name), None)
    if holder is not None:
        raise busy(name, holder)


def missing(name: str) -> LinkError:
    """Return the error for a port that does not exist."""
    return LinkError(f"there is no port {name}", "plug the board in, or use --port sim")


def forbidden(name: str) -> LinkError:
    """Return the error for a port that this user may not open; the hint names the group that may."""
    group = port_group(name)
    return LinkError(
        f"no permission to open the port {name}",
        f"run `foldtiny doctor --fix-permissions`, or join the group {group} (sudo usermod -aG {group} $USER) "
        "and log in again",
    )


def busy(name: str, holder: tuple[int, str] | None) -> LinkError:
    """Return the error for a port that another program uses."""
    who = f"{holder[1]} (process {holder[0]})" if holder else "another program"
    return LinkError(f"{who} holds the port {name}", "close it and repeat the command")


def port_group(name: str) -> str:
    """Return the group that may use a port; ``dialout`` where that cannot be told."""
    try:
        return Path(name).group()
    except (OSError, KeyError, NotImplementedError):
        return "dialout"


def holders(name: str) -> Iterator[tuple[int, str]]:
    """Yield the other processes (number and name) that have a port open, as far as this user may see them."""
    try:
        wanted = Path(name).resolve(strict=True)
        processes = [entry for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    except OSError:
        return
    for process in processes:
        if int(process.name) == os.getpid():
            continue
        try:
            opened = any(handle.readlink() == wanted for handle in (process / "fd").iterdir())
            if opened:
                yield int(process.name), (process / "comm").read_text(encoding="utf-8", errors="replace").strip()
        except OSError:  # ended meanwhile, or somebody else's
            continue


def _explain(name: str, error: OSError | ValueError) -> LinkError:
    code = error.errno if isinstance(error, OSError) else None
    if code == errno.EACCES:
        return forbidden(name)
    if code == errno.EBUSY:
        return busy(name, next(holders(name), None))
    if code in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
        return missing(name)
    if is_url(name) and (said := re.search(r"\[Errno -?\d+\] (.+)", str(error))):
        return LinkError(
            f"nothing answers at {name}: {said[1].lower()}",
            "check the address, and that the board's port is shared there (`socat` or an RFC 2217 server)",
        )
    return LinkError(f"the port {name} cannot be opened: {error}", "check the name and the connection")
