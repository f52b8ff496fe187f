"""Draws cases from hypothesis' strategies: the same ones in every run, each independent of the others.

Cases are compared together afterwards (a compiler and an emulator start once for hundreds): there is nothing to shrink,
and the smallest failing case is reported. Hypothesis' own loop mutates earlier examples, and half of what it draws has
the shapes of another; a strategy drawn afresh from a seed of its own does not.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import TypeVar

from hypothesis import control
from hypothesis.errors import StopTest, UnsatisfiedAssumption
from hypothesis.internal.conjecture.data import ConjectureData
from hypothesis.strategies import SearchStrategy

T = TypeVar("T")


def draws(strategy: SearchStrategy[T], seed: int = 0) -> Iterator[T]:
    """Yield values of a strategy without end."""
    number = 0
    while True:
        data = ConjectureData(random=Random(f"{seed}/{number}"))
        number += 1
        with control.BuildContext(data, is_final=False, wrapped_test=draws):
            try:
                found = data.draw(strategy)
            except (StopTest, UnsatisfiedAssumption):
                continue
        yield found


def draw_cases(strategy: SearchStrategy[T], number: int, seed: int = 0) -> list[T]:
    """Return as many values of a strategy."""
    source = draws(strategy, seed)
    return [next(source) for _ in range(number)]
