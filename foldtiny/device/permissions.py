"""udev rules that let a user open the boards' serial ports on Linux."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from foldtiny import boards
from foldtiny.errors import FoldtinyError

RULES_FILE = Path("/etc/udev/rules.d/60-foldtiny.rules")


def udev_rules() -> str:
    """Return udev rules that let the user at the desk, and the group dialout, open the known boards' ports."""
    lines = ["# Written by `foldtiny doctor --fix-permissions`: USB serial ports of the boards that foldtiny knows."]
    seen = set()
    for board in boards.load_all().values():
        for usb in board.usb:
            numbers = (usb.vendor, usb.product)
            if numbers in seen:
                continue
            seen.add(numbers)
            # This opens the serial port and, for boards with a debug probe, the USB device.
            # uaccess: whoever sits at the machine. ID_MM_…: ModemManager must not talk to the board.
            lines.append(
                f'SUBSYSTEMS=="usb", ATTRS{{idVendor}}=="{usb.vendor:04x}", ATTRS{{idProduct}}=="{usb.product:04x}", '
                'MODE="0660", GROUP="dialout", TAG+="uaccess", ENV{ID_MM_DEVICE_IGNORE}="1", ENV{ID_MM_PORT_IGNORE}="1"'
            )
    return "\n".join(lines) + "\n"


def _run(command: list[str], sent: bytes) -> int:
    # What sudo asks goes to the terminal; that udev does not run (in a container) is said by its exit status.
    errors = subprocess.DEVNULL if "udevadm" in command else None
    return subprocess.run(command, input=sent, stdout=subprocess.DEVNULL, stderr=errors, check=False).returncode


def fix_permissions(ask: Callable[[str], bool], run: Callable[[list[str], bytes], int] = _run) -> str:
    """Write the udev rules after asking.

    Parameters
    ----------
    ask : callable
        Gets a question, returns whether the user agrees.
    run : callable, optional
        Runs a command with bytes on its standard input and returns its exit status.

    Returns
    -------
    str
        What was done, for the user.

    Raises
    ------
    FoldtinyError
        If the rules cannot be written here.
    """
    if not sys.platform.startswith("linux"):
        raise FoldtinyError("udev rules are for Linux", "on this system serial ports need no permission")
    rules = udev_rules()
    if RULES_FILE.is_file() and RULES_FILE.read_text(encoding="utf-8", errors="replace") == rules:
        return f"{RULES_FILE} is already there; plug the board in again"
    if not ask(f"{rules}\nWrite these rules to {RULES_FILE}?"):
        return "nothing was changed"
    root = [] if os.geteuid() == 0 else ["sudo"]
    if root and shutil.which("sudo") is None:
        raise FoldtinyError(f"only root may write {RULES_FILE}", "run the command as root")
    if run([*root, "tee", str(RULES_FILE)], rules.encode()) != 0:
        raise FoldtinyError(f"{RULES_FILE} could not be written", "run the command as root")
    reload = (["udevadm", "control", "--reload-rules"], ["udevadm", "trigger", "--subsystem-match=tty"])
    if shutil.which("udevadm") is None or any(run([*root, *command], b"") != 0 for command in reload):
        return f"wrote {RULES_FILE}, which udev did not take up now; restart the machine"
    return f"wrote {RULES_FILE}; plug the board in again"
