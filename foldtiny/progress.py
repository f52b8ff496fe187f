"""How long-running stages tell what they are doing, without knowing who listens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

ProgressFn = Callable[[str, float], None]
"""Called with a short label and the fraction done, from 0 to 1."""


class Reporter(Protocol):
    """What the pipeline tells the outside world. The command line draws it; tests record it."""

    def start(self, stage: str) -> None:
        """Announce that a stage has begun."""

    def progress(self, label: str, fraction: float) -> None:
        """Report progress within the stage, ``fraction`` from 0 to 1."""

    def done(self, stage: str, summary: str, seconds: float, reused: bool) -> None:
        """Announce that a stage has ended, or that its earlier result was reused."""

    def note(self, text: str) -> None:
        """Tell the user something that they should know before the result."""


class SilentReporter:
    """A reporter that says nothing, for use from Python."""

    def start(self, stage: str) -> None:
        """Ignore."""

    def progress(self, label: str, fraction: float) -> None:
        """Ignore."""

    def done(self, stage: str, summary: str, seconds: float, reused: bool) -> None:
        """Ignore."""

    def note(self, text: str) -> None:
        """Ignore."""
