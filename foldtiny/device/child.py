"""Child processes that never outlive foldtiny."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import cache

_PR_SET_PDEATHSIG = 1


@cache
def _prctl() -> Callable[..., int] | None:
    """Load libc before any fork: after it, only simple calls are safe."""
    if not sys.platform.startswith("linux"):
        return None
    prctl: Callable[..., int] = ctypes.CDLL(None, use_errno=True).prctl
    return prctl


def die_with_parent() -> Callable[[], None]:
    """Return a ``preexec_fn`` that makes the kernel kill the child when the thread that started it ends.

    That covers even a parent ended by SIGKILL, which no handler sees. Start such children from a thread that
    lives as long as they should.
    """
    prctl, parent = _prctl(), os.getpid()

    def prepare() -> None:
        if prctl is not None:
            prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
            if os.getppid() != parent:  # the parent died before the call took effect
                os._exit(1)

    return prepare


def stop(process: subprocess.Popen[bytes], *, patience_s: float = 2.0) -> None:
    """End a child that leads its own process group, and everything it started."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, sign)
        try:
            process.wait(patience_s)
        except subprocess.TimeoutExpired:
            continue
        break
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)  # grandchildren that ignored the first signal
