"""Counts the kernel cases compared; tests/conftest.py prints the sum at the end of the run."""

from __future__ import annotations

from collections.abc import Callable

import pytest


@pytest.fixture
def count_cases(record_property: Callable[[str, object], None]) -> Callable[[str, int], None]:
    """Note that cases were compared somewhere; works across pytest-xdist's processes."""

    def note(where: str, number: int) -> None:
        record_property("kernel_cases", (where, number))

    return note
