"""The power mode of a Jetson: set for a measurement when asked to, and put back afterwards."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from foldtiny.device import ssh
from foldtiny.errors import FlashError, LinkError

# On the board, under the user's home: the clocks as they were.
_CLOCKS = ".foldtiny/clocks"
_SUDO = (
    "let it run there without a password: `sudo visudo -f /etc/sudoers.d/foldtiny`, with the line "
    "`USER ALL=(root) NOPASSWD: /usr/sbin/nvpmodel, /usr/bin/jetson_clocks`; or leave out --power-mode"
)


@dataclass(frozen=True, slots=True)
class Power:
    """The mode during the measurement and the one before it, as ``nvpmodel`` numbers them."""

    mode: int
    before: int


@contextmanager
def held(url: str, mode: int) -> Iterator[Power]:
    """Run a board in a power mode with its clocks pinned, and put both back at the end, whatever happened.

    Raises
    ------
    FlashError
        If the board has no such mode, or does not let this user change it.
    LinkError
        If the board cannot be reached; when that happens at the end, the mode stays.
    """
    before = _mode(url)
    _change(url, f"mkdir -p .foldtiny && sudo -n jetson_clocks --store {_CLOCKS}")
    try:
        _change(url, f"sudo -n nvpmodel -m {mode} && sudo -n jetson_clocks")
        yield Power(mode, before)
    finally:
        _change(url, f"sudo -n nvpmodel -m {before} && sudo -n jetson_clocks --restore {_CLOCKS}")
        ssh.run(url, f"rm -f {_CLOCKS}", b"")


def _mode(url: str) -> int:
    """Return the present mode: the number that ``nvpmodel -q`` prints under the mode's name."""
    try:
        said = ssh.run(url, "nvpmodel -q 2>/dev/null || sudo -n nvpmodel -q", b"").decode("utf-8", "replace")
    except LinkError as error:
        raise _refused(url, error) from error
    found = re.search(r"^(\d+)\s*$", said, re.M)
    if found is None:
        raise FlashError(f"the board at {url} does not tell its power mode", "leave out --power-mode")
    return int(found[1])


def _change(url: str, command: str) -> None:
    try:
        # Some modes want a reboot and ask for it; there is nobody to answer, so that they stay as they are.
        ssh.run(url, f"({command}) </dev/null", b"")
    except LinkError as error:
        raise _refused(url, error) from error


def _refused(url: str, error: LinkError) -> FlashError | LinkError:
    """Say why the mode was not changed; a board that cannot be reached says so itself."""
    if "cannot be used" not in error.message:
        return error
    said = error.message.partition("cannot be used: ")[2]
    if "not found" in said:
        return FlashError(f"the board at {url} has no nvpmodel, so it is not a Jetson", "leave out --power-mode")
    if "sudo" in said or "password" in said:
        return FlashError(f"the board at {url} does not let this user change its power mode ({said})", _SUDO)
    return FlashError(f"the power mode of the board at {url} cannot be set: {said}", "choose another --power-mode")
