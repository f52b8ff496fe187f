"""The C compiler of the machine that foldtiny runs on."""

from __future__ import annotations

import shutil

INSTALL = "apt-get install gcc libc6-dev"
"""What puts one there."""


def find() -> str | None:
    """Return its path, or None where there is none."""
    return shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
