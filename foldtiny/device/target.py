"""Where to run: on a connected board, on one behind a network port, or on the simulated twin."""

from __future__ import annotations

from dataclasses import dataclass

from foldtiny import boards
from foldtiny.boards import Board
from foldtiny.device import discover, ssh
from foldtiny.device import ports as serial_ports
from foldtiny.device.discover import Connected
from foldtiny.errors import LinkError, UsageError


@dataclass(frozen=True, slots=True)
class Target:
    """Where a model is measured.

    ``port`` is None for the twin that foldtiny starts itself. ``connected`` is what is known about a port of this
    machine, ``flash`` whether the firmware is written first. ``note`` is what the user should know about the choice.
    """

    port: str | None = None
    connected: Connected | None = None
    flash: bool = False
    note: str | None = None


def choose(board: Board, port: str = "auto", serial: str | None = None, *, flash: bool = True) -> Target:
    """Find the port that the user means; nothing is opened.

    Parameters
    ----------
    board : Board
    port : str
        ``auto`` (a connected board, else the twin), ``sim``, a port of this machine, or a URL.
    serial : str, optional
        The USB serial number that the board must have.
    flash : bool
        False to measure what runs on the board already.

    Raises
    ------
    UsageError
        If the options contradict each other, or the port holds another board.
    LinkError
        If the board is not there, several are, or the port cannot be used.
    """
    if port == "sim":
        if serial is not None or not flash:
            raise UsageError("--serial and --no-flash are for real boards, not for --port sim", "leave them out")
        return Target()
    if "://" in port:
        return _remote(board, port, serial, flash)
    connected = _auto(board, serial, flash) if port == "auto" else _named(board, port, serial)
    if connected is None:
        return Target(note=_why_twin(board))
    _check_flash(board, connected, flash)
    serial_ports.check_usable(connected.port)
    return Target(connected.port, connected, flash)


def _remote(board: Board, port: str, serial: str | None, flash: bool) -> Target:
    if not serial_ports.is_url(port):
        raise UsageError(
            f"--port is '{port}' (allowed: auto, sim, a serial port, socket://host:port, rfc2217://host:port, ssh://host)",
            "choose one of these",
        )
    if serial is not None:
        raise UsageError("--serial chooses among the boards of this machine", f"leave it out with --port {port}")
    if port.startswith(f"{ssh.SCHEME}://"):
        ssh.command(port, "true")  # checks the address
        if board.hardware is not None:
            raise UsageError(f"a {board.name} has no SSH server", "name the serial port that it is on")
        return Target(port, None, flash)
    if flash:
        how = f"`pio run -e {board.hardware.environment} -t upload`" if board.hardware else "copying and starting it"
        raise UsageError(
            f"a board behind {port} cannot be flashed from here",
            f"put the firmware on it there, with {how}, and repeat with --no-flash",
        )
    return Target(port)


def _auto(board: Board, serial: str | None, flash: bool) -> Connected | None:
    found = discover.boards_connected(board)
    if serial is not None:
        chosen = next((connected for connected in found if connected.serial == serial), None)
        if chosen is None:
            raise LinkError(f"no {board.name} with serial number {serial} is connected", _listing(found))
        return chosen
    if len(found) > 1:
        listed = ", ".join(map(str, found))
        raise LinkError(
            f"{len(found)} boards that could be the {board.name} are connected ({listed})",
            "choose one with --serial or --port",
        )
    if not found and not flash:
        raise LinkError(
            f"no {board.name} is connected, so there is nothing to measure", "plug it in, or name its --port"
        )
    return found[0] if found else None


def _named(board: Board, port: str, serial: str | None) -> Connected:
    listed = discover.ports()
    connected = next((one for one in listed if one.port == port), Connected(port))
    if serial is not None and connected.serial != serial:
        raise LinkError(
            f"the board on {port} has the serial number {connected.serial or 'none'}, not {serial}", _listing(listed)
        )
    others = [other for other in boards.load_all().values() if discover.could_be(connected, other)]
    if others and board not in others:
        raise UsageError(
            f"the board on {port} is a {others[0].name} by its USB numbers ({connected.usb_text}), not a {board.name}",
            f"choose another --port, or --board {others[0].name}",
        )
    return connected


def _check_flash(board: Board, connected: Connected, flash: bool) -> None:
    if not flash and discover.in_bootloader(connected, board):
        raise LinkError(
            f"the {board.name} on {connected.port} waits in its bootloader, where no model runs",
            "press its reset button once, or leave out --no-flash",
        )


def _why_twin(board: Board) -> str:
    twin = f"this runs on its simulated twin ({board.simulator.title})"
    if board.hardware is None:
        return f"{twin}; a real {board.name} is reached with --port ssh://USER@HOST"
    return f"no {board.name} is connected: {twin}"


def _listing(found: list[Connected]) -> str:
    listed = ", ".join(map(str, found))
    return f"connected: {listed}" if listed else "nothing is connected; plug the board in"
