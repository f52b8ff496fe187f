"""Which version of a program is installed: what a kept build or a simulated measurement depends on."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache


@cache
def program_version(program: str) -> str:
    """Return the first line that a program prints about its version, or ``missing``."""
    path = shutil.which(program)
    if path is None:
        return "missing"
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return (done.stdout or done.stderr).partition("\n")[0].strip()
