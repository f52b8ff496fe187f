"""Progress of a long table: one line for each step, whatever the stages inside say."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from foldtiny.errors import FoldtinyError, reason
from foldtiny.progress import Reporter

_T = TypeVar("_T")


class Steps:
    """Runs the table's steps one after the other and tells how far the whole is."""

    def __init__(self, reporter: Reporter, total: int) -> None:
        self._reporter = reporter
        self._total = total
        self._done = 0
        self._said: set[str] = set()

    def skip(self) -> None:
        """Count a step that cannot run."""
        self._done += 1

    def attempt(self, label: str, action: Callable[[Reporter], _T], summary: Callable[[_T], str]) -> _T | FoldtinyError:
        """Run one step; return its result, or the error that ended it after telling of it.

        Its stages move the bar; a step all of whose stages were reused is shown as such.
        """
        name = f"{self._done + 1}/{self._total}"
        self._reporter.start(name)
        inner = _Inside(self._reporter, label, self._done, self._total, self._said)
        began = time.monotonic()
        try:
            result = action(inner)
        except (FoldtinyError, OSError) as caught:
            error = FoldtinyError(f"{label}: {reason(caught)}") if isinstance(caught, OSError) else caught
            self._reporter.note(f"{label} failed: {error}")
            return error
        finally:
            self._done += 1
        self._reporter.done(name, f"{label}: {summary(result)}", time.monotonic() - began, inner.reused)
        return result


class _Inside:
    """What the stages of one step report to."""

    def __init__(self, reporter: Reporter, label: str, done: int, total: int, said: set[str]) -> None:
        self._reporter = reporter
        self._label = label
        self._done = done
        self._total = total
        self._said = said
        self._stage = ""
        self.reused = True

    def start(self, stage: str) -> None:
        """Show which stage is at work."""
        self._stage = stage
        self._reporter.progress(f"{self._label}: {stage}", self._done / self._total)

    def progress(self, label: str, fraction: float) -> None:
        """Show what a stage does; the bar is the whole table's."""
        del fraction  # of a stage whose share of the step is not known
        self._reporter.progress(f"{self._label}: {label or self._stage}", self._done / self._total)

    def done(self, stage: str, summary: str, seconds: float, reused: bool) -> None:
        """Remember whether anything was computed."""
        del stage, summary, seconds
        self.reused = self.reused and reused

    def note(self, text: str) -> None:
        """Pass a note on, once."""
        if text not in self._said:
            self._said.add(text)
            self._reporter.note(text)
