"""A shelf: serial servers of another machine, on whose ports the firmware runs that was last uploaded there."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import serial
import serial.rfc2217

from foldtiny import boards
from foldtiny.device import simulate


class _Pty(serial.Serial):  # type: ignore[misc]
    """A pty has no modem lines."""

    cts = dsr = ri = cd = dtr = rts = False


class _Writer:
    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def write(self, data: bytes) -> None:
        self._connection.sendall(data)


@contextlib.contextmanager
def serve(firmware: Path, scheme: str) -> Iterator[str]:
    """Yield the URL of a jetson-nano (a twin that runs ``firmware`` as it is when somebody connects)."""
    server = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:  # closed
                return
            with connection, simulate.start(boards.get("jetson-nano"), firmware) as twin:
                _bridge(connection, twin.port, scheme)

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    yield f"{scheme}://127.0.0.1:{server.getsockname()[1]}"
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join(20)


def _bridge(connection: socket.socket, name: str, scheme: str) -> None:
    with _Pty(name, timeout=0.01) as port:
        manager = serial.rfc2217.PortManager(port, _Writer(connection)) if scheme == "rfc2217" else None

        def to_board() -> None:
            with contextlib.suppress(OSError):
                while received := connection.recv(1024):
                    port.write(b"".join(manager.filter(received)) if manager else received)

        reader = threading.Thread(target=to_board)
        reader.start()
        while reader.is_alive():
            data = port.read(max(1, port.in_waiting))
            if data:
                with contextlib.suppress(OSError):
                    connection.sendall(b"".join(manager.escape(data)) if manager else data)
        reader.join()
