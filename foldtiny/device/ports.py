"""Serial ports by name."""

from __future__ import annotations

import errno
from typing import Protocol

import serial

from foldtiny.errors import LinkError

BAUD = 115200
# A read comes back this soon, with or without bytes; whoever reads keeps the time. Setting the limit per read instead
# would reconfigure the port each time.
_READ_LIMIT_S = 0.01
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
    try:
        port: Port = serial.serial_for_url(name, baudrate=BAUD, timeout=_READ_LIMIT_S, write_timeout=_WRITE_LIMIT_S)
    except (OSError, ValueError) as error:
        raise _explain(name, error) from error
    return port


def _explain(name: str, error: OSError | ValueError) -> LinkError:
    code = error.errno if isinstance(error, OSError) else None
    if code == errno.EACCES:
        return LinkError(
            f"no permission to open the port {name}",
            "add yourself to the group dialout (sudo usermod -aG dialout $USER) and log in again",
        )
    if code == errno.EBUSY:
        return LinkError(f"another program holds the port {name}", "close it and repeat the command")
    if code in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
        return LinkError(f"there is no port {name}", "plug the board in, or use --port sim")
    return LinkError(f"the port {name} cannot be opened: {error}", "check the name and the connection")
