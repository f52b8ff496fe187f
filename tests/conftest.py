"""Figures that tests found are printed at the end of the run, whichever process ran them."""

from __future__ import annotations

from collections import Counter
from typing import Any


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print every ``figure`` that a passed test recorded, and the sum of the ``kernel_cases``."""
    figures: list[str] = []
    cases: Counter[str] = Counter()
    for report in terminalreporter.stats.get("passed", []):
        for name, value in getattr(report, "user_properties", []) if report.when == "call" else []:
            if name == "figure":
                figures.append(value)
            elif name == "kernel_cases":
                where, number = value
                cases[where] += number
    if cases:
        parts = ", ".join(f"{number:,} on the {where}" for where, number in sorted(cases.items(), reverse=True))
        figures.append(f"kernel cases compared with TFLite Micro: {parts}")
    if figures:
        terminalreporter.section("figures")
        for figure in sorted(figures):
            terminalreporter.write_line(figure)
