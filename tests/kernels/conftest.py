"""Counts the kernel cases compared and prints the number at the end of the test run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

_PROPERTY = "kernel_cases"


@pytest.fixture
def count_cases(record_property: Callable[[str, object], None]) -> Callable[[str, int], None]:
    """Note that cases were compared somewhere; works across pytest-xdist's processes."""

    def note(where: str, number: int) -> None:
        record_property(_PROPERTY, (where, number))

    return note


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print how many cases were compared."""
    totals: Counter[str] = Counter()
    for report in terminalreporter.stats.get("passed", []):
        for name, value in getattr(report, "user_properties", []):
            if name == _PROPERTY:
                totals[value[0]] += value[1]
    if totals:
        parts = ", ".join(f"{number:,} on the {where}" for where, number in sorted(totals.items(), reverse=True))
        terminalreporter.write_line(f"kernel cases compared with TFLite Micro: {parts}")
