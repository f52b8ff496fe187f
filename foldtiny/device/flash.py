"""Writes a built firmware onto a real board with PlatformIO's uploader, and finds the board again afterwards."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

from foldtiny.boards import Board
from foldtiny.device import build as building
from foldtiny.device import discover, ports, run_platformio, upstream
from foldtiny.device.discover import Connected
from foldtiny.errors import FlashError, FoldtinyError, LinkError
from foldtiny.project import Project

Progress = Callable[[str, float], None]

# A first upload downloads the uploader; erasing a whole flash says nothing for half a minute.
SILENCE_LIMIT_S = 180.0
# After the upload a board with USB of its own restarts and shows up under a new name.
_RETURN_LIMIT_S = 15.0
_POLL_S = 0.2

_NOT_IN_BOOTLOADER = re.compile(
    r"Failed to connect to|Wrong boot mode|No serial data received|Timed out waiting for packet|Invalid head of packet"
    r"|Couldn't find a board on the selected port|No device found on|SAM-BA operation failed"
    r"|init mode failed|Error: open failed|unable to connect to the target",
    re.I,
)
_WRONG_CHIP = re.compile(r"This chip is (?P<found>[\w-]+),? not (?P<wanted>[\w-]+)")
_FORBIDDEN = re.compile(r"Permission denied|Access is denied|LIBUSB_ERROR_ACCESS", re.I)
_BUSY = re.compile(r"Device or resource busy|port is busy|Resource temporarily unavailable|exclusively lock port", re.I)
_VANISHED = re.compile(
    r"device disconnected|returned no data|Input/output error|No such (?:device|file or directory: '?/dev)"
    r"|device reports error|The chip stopped responding|write failed|ClearCommError",
    re.I,
)
_PERCENT = re.compile(r"(\d{1,3}) ?%")


def flash(project: Project, environment: str, connected: Connected, *, progress: Progress | None = None) -> Connected:
    """Write the firmware of one environment onto a connected board.

    Whatever goes wrong, the board can be flashed again: its bootloader is never overwritten.

    Parameters
    ----------
    project : Project
        A project whose environment has been built.
    environment : str
        The hardware environment.
    connected : Connected
        The port, and what USB says about it.
    progress : callable, optional
        Called with a label and a fraction from 0 to 1.

    Returns
    -------
    Connected
        The port on which the board runs the new firmware; its name may have changed.

    Raises
    ------
    FlashError
        If the upload fails or the board does not come back.
    LinkError
        If the port cannot be used.
    """
    board = project.board
    ports.check_usable(connected.port)
    before = discover.ports()
    log = project.directory / ".pio" / f"foldtiny-{environment}-upload.log"

    def follow(line: str) -> None:
        if progress is not None and (percent := _PERCENT.search(line)):
            progress(f"flashing {connected.port}", min(1.0, int(percent[1]) / 100))

    try:
        status = run_platformio.run(
            project, environment, log, "-t", "upload", "--upload-port", connected.port,
            simulated=False, on_line=follow, silence_limit_s=SILENCE_LIMIT_S, variables=_by_serial(board, connected),
        )  # fmt: skip
    except run_platformio.Stalled:
        raise FlashError(
            f"the upload to {connected.port} said nothing for {SILENCE_LIMIT_S:g} s and was ended",
            f"press the reset button and repeat the command; the whole log is in {log}",
        ) from None
    if status != 0:
        raise _explain(board, connected, log)
    return _await_return(board, connected, before)


def _by_serial(board: Board, connected: Connected) -> dict[str, str]:
    """Return what makes an uploader that does not go by port take this board, where several are connected.

    PlatformIO splits the variable at line ends, and passes each line on as one argument.
    """
    arguments = board.hardware.upload_serial if board.hardware else ()
    if not arguments or connected.serial is None or not re.fullmatch(r"[0-9A-Za-z]+", connected.serial):
        return {}
    return {"PLATFORMIO_UPLOAD_FLAGS": "\n".join(part.replace("{serial}", connected.serial) for part in arguments)}


def _await_return(board: Board, old: Connected, before: list[Connected]) -> Connected:
    """Wait until the board runs its firmware again: by serial number, else by its USB numbers on a new port."""
    if not any(usb.bootloader for usb in board.usb):
        return old  # a USB bridge that stays while the processor restarts
    known = {connected.port for connected in before if connected.port != old.port}
    deadline = time.monotonic() + _RETURN_LIMIT_S
    while True:
        back = _found_again(board, old, known)
        problem: FoldtinyError = _lost(board, old)
        if back is not None:
            try:
                ports.check_usable(back.port)
                return back
            except LinkError as error:
                # A new port belongs to root, and often to ModemManager, for a moment.
                problem = error
        if time.monotonic() >= deadline:
            raise problem
        time.sleep(_POLL_S)


def _found_again(board: Board, old: Connected, known: set[str]) -> Connected | None:
    running = [one for one in discover.boards_connected(board) if not discover.in_bootloader(one, board)]
    same = (one for one in running if one.serial is not None and one.serial == old.serial)
    return next(same, None) or next((one for one in running if one.port not in known), None)


def _lost(board: Board, old: Connected) -> FlashError:
    there = any(discover.in_bootloader(one, board) for one in discover.boards_connected(board))
    state = "stayed in its bootloader" if there else "did not come back"
    return FlashError(
        f"the {board.name} that was on {old.port} was flashed but {state} within {_RETURN_LIMIT_S:g} s",
        "press its reset button once and repeat the command with --no-flash",
    )


def _explain(board: Board, connected: Connected, log: Path) -> FoldtinyError:
    """Turn the log of a failed upload into one sentence."""
    text = log.read_text(encoding="utf-8", errors="replace")
    port = connected.port
    if upstream.download_failed(text):
        return upstream.unreachable(board)
    if "greater than maximum allowed" in text:
        return building.explain(board, log)
    if wrong := _WRONG_CHIP.search(text):
        return FlashError(
            f"the board on {port} has an {wrong['found']}; a {board.name} has an {wrong['wanted']}",
            "choose another --port or --board",
        )
    if _FORBIDDEN.search(text):
        return ports.forbidden(port)
    if _BUSY.search(text):
        return ports.busy(port, next(ports.holders(port), None))
    if _VANISHED.search(text):
        return FlashError(
            f"the {board.name} on {port} vanished while it was flashed",
            "plug it in again and repeat the command: a half-written board can always be flashed again",
        )
    if _NOT_IN_BOOTLOADER.search(text):
        button = board.hardware.bootloader if board.hardware else ""
        return FlashError(
            f"the {board.name} on {port} does not answer the uploader", f"{button}, then repeat the command"
        )
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if re.search(r"error|failed|fatal", line, re.I) and not line.startswith("***")]
    said = (errors or lines or ["no output"])[-1 if not errors else 0]
    return FlashError(f"the upload to {port} failed: {said}", f"the whole log is in {log}")
