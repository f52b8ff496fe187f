"""Which boards are connected, by their USB numbers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from foldtiny.boards import Board


@dataclass(frozen=True, slots=True)
class Connected:
    """A serial port of this machine, and what USB says about what is behind it.

    ``usb`` is vendor and product number, or None for a port that is not on USB.
    """

    port: str
    usb: tuple[int, int] | None = None
    serial: str | None = None
    description: str = ""

    def __str__(self) -> str:
        return f"{self.port} with serial number {self.serial}" if self.serial else f"{self.port} without serial number"

    @property
    def usb_text(self) -> str:
        """The USB numbers the way ``lsusb`` prints them."""
        return f"{self.usb[0]:04x}:{self.usb[1]:04x}" if self.usb else "no USB"


def ports() -> list[Connected]:
    """Return all serial ports of this machine, by name."""
    from serial.tools import list_ports

    found = []
    for info in list_ports.comports():
        usb = None if info.vid is None or info.pid is None else (info.vid, info.pid)
        found.append(Connected(info.device, usb, info.serial_number or None, info.description or ""))
    return sorted(found, key=lambda connected: connected.port)


def could_be(connected: Connected, board: Board, *, bootloader: bool = True) -> bool:
    """Say whether the USB numbers fit a board (USB bridges are on many boards, so this is no proof)."""
    return any(connected.usb == (usb.vendor, usb.product) and (bootloader or not usb.bootloader) for usb in board.usb)


def in_bootloader(connected: Connected, board: Board) -> bool:
    """Say whether a board is waiting in its bootloader, where no firmware runs."""
    return could_be(connected, board) and not could_be(connected, board, bootloader=False)


def boards_connected(board: Board) -> list[Connected]:
    """Return the ports on which a board could be."""
    return [connected for connected in ports() if could_be(connected, board)]


def ports_by_board(known: Iterable[Board]) -> dict[str, list[str]]:
    """Return, for each board's name, the names of the ports on which it could be."""
    listed = ports()
    return {board.name: [one.port for one in listed if could_be(one, board)] for board in known}
