"""The largest network within limits: ``--max-flash``, ``--max-ram`` and ``--max-ms`` in place of ``--sparsity``."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

from foldtiny.boards import Board
from foldtiny.errors import FoldError
from foldtiny.pipeline.limits import Limits
from foldtiny.pipeline.solver import least
from foldtiny.pipeline.trial import SCALE
from foldtiny.progress import ProgressFn
from foldtiny.result import Candidate, Search

# A search takes about this many tries, most of them fewer; only the bar depends on it.
_USUAL = 9


def solve(
    at: Callable[[int], Candidate],
    last: int,
    limits: Limits,
    progress: ProgressFn,
    *,
    name: str,
    board: Board,
    basis: str,
) -> Search:
    """Find the largest network that fits.

    Parameters
    ----------
    at : callable
        Tries a network with so many thousandths of its parameters removed.
    last : int
        The most thousandths that can be removed.
    limits : Limits
    progress : callable
        Told about each candidate.
    name, board, basis
        For messages and the result.

    Raises
    ------
    FoldError
        If not even the smallest network fits.
    """
    tried: list[Candidate] = []

    def need(step: int) -> float:
        found = at(step)
        tried.append(found)
        share = min(0.95, len(tried) / _USUAL)
        progress(f"{len(tried)} of about {_USUAL}: {_verdict(found, limits, board)}", share)
        return found.need

    progress("trying the whole network", 0.0)
    step = least(need, last, SCALE)
    if step is None:
        raise nothing_fits(name, board, limits, tried)
    chosen = next(candidate for candidate in tried if round(candidate.removed * SCALE) == step)
    return Search(limits.to_dict(), step / SCALE, chosen.optimize, basis, tuple(tried))


def nothing_fits(name: str, board: Board, limits: Limits, tried: list[Candidate]) -> FoldError:
    """Return the error for limits that the narrowest network does not keep; it names the smallest figure reached."""
    best = min(tried, key=lambda candidate: (candidate.at_least, candidate.need, -candidate.removed))
    return FoldError(
        f"{name} does not fit {board.name}: even with {best.removed:.1%} of the parameters removed "
        f"{over(best, limits, board)}",
        "raise the limit, or take a network with fewer or smaller layers",
    )


def summary(found: Search) -> str:
    """Return a search as one line."""
    chosen = next(c for c in found.candidates if c.removed == found.sparsity)
    figures = ", ".join(_figures(chosen, found.limits))
    if found.sparsity == 0:
        return f"the whole network fits, nothing has to be removed: {figures}"
    tried = f"{len(found.candidates)} networks tried"
    return f"{found.sparsity:.1%} of the parameters have to go, compiled for {found.optimize}: {figures} ({tried})"


def over(candidate: Candidate, limits: Limits, board: Board) -> str:
    """Say what is too much of a network, such as ``it takes 263,004 B of flash (limit 262,144)``."""
    return f"it takes {' and '.join(_over(candidate, limits, board))}"


def with_real(found: Search, real: Candidate) -> Search:
    """Return a search with a folded network added to what was tried, and taken where it fits."""
    candidates = (*found.candidates, real)
    return dataclasses.replace(found, sparsity=real.removed, optimize=real.optimize, candidates=candidates)


def _verdict(candidate: Candidate, limits: Limits, board: Board) -> str:
    removed = f"{candidate.removed:.1%} removed: "
    if candidate.fits:
        return removed + "fits, " + ", ".join(_figures(candidate, limits.to_dict()))
    return removed + ", ".join(_over(candidate, limits, board))


def _figures(candidate: Candidate, limits: dict[str, int | float | None]) -> list[str]:
    texts = []
    for key, title, unit in _UNITS:
        found, limit = getattr(candidate, key), limits[key]
        if found is not None and limit is not None:
            texts.append(f"{title} {_number(found)} of {_number(limit)} {unit}")
    return texts


def _over(candidate: Candidate, limits: Limits, board: Board) -> list[str]:
    """Say what is too much, in figures."""
    texts = []
    for key, title, unit in _UNITS:
        found, limit = getattr(candidate, key), getattr(limits, key)
        if found is not None and limit is not None and found > limit:
            more = "at least " if candidate.at_least else ""
            texts.append(f"{more}{_number(found)} {unit} of {title} (limit {_number(limit)})")
    if texts:
        return texts
    if (candidate.flash_bytes or 0) > (board.limits.flash_bytes or math.inf):
        return [f"{candidate.flash_bytes:,} B of flash (the board has {board.limits.flash_bytes or 0:,})"]
    return [f"more RAM than the board has ({board.limits.ram_bytes or 0:,} B, stack included)"]


_UNITS = (("flash_bytes", "flash", "B"), ("ram_bytes", "RAM", "B"), ("ms", "time", "ms"))


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"
