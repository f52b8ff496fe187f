"""The table as lines of text: what the terminal and the Markdown file have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from foldtiny.table2.cells import Cell, Figures, K, M

MARKS = {"hardware": "hw", "simulated": "sim", "estimated": "est"}
FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a board's table: what it tells, and a text for each sparsity; ``first`` of its group."""

    group: str
    label: str
    texts: tuple[str, ...]
    first: bool = False


def lines(cells: Sequence[Cell]) -> list[Line]:
    """Return the lines of one board's table.

    Parameters
    ----------
    cells : sequence of Cell
        Of one board, one for each sparsity.
    """
    made: list[Line] = []

    def add(group: str, label: str, text: Callable[[Cell], str]) -> None:
        first = not made or made[-1].group != group
        made.append(Line(group, label, tuple(text(cell) for cell in cells), first))

    add("time, ms", "poster", lambda c: f"{c.paper.ms:g}")
    add("time, ms", "its configuration", lambda c: _ours(c.poster_config, _time))
    add("time, ms", "as deployed", lambda c: _ours(c.deployed, _time))
    add("time, ms", "times faster", lambda c: _factor(c, "paper", "ms"))
    add("time, ms", "than its config.", lambda c: _factor(c, "poster_config", "ms"))
    if any(f.instructions for cell in cells for f in _both(cell)):
        add("instructions, M", "its configuration", lambda c: _ours(c.poster_config, _instructions))
        add("instructions, M", "as deployed", lambda c: _ours(c.deployed, _instructions))
    add("RAM, K", "poster", lambda c: f"{c.paper.ram_k:.1f}")
    add("RAM, K", "its configuration", lambda c: _ours(c.poster_config, lambda f: _beside(f.ram / K, 1, c.paper.ram_k)))
    add("RAM, K", "our firmware", lambda c: _ours(c.poster_config, lambda f: f"{f.ram_firmware / K:.1f}"))
    add("RAM, K", "as deployed", lambda c: _ours(c.deployed, lambda f: f"{f.ram / K:.1f}"))
    add("RAM, K", "times smaller", lambda c: _factor(c, "paper", "ram"))
    add("flash, M", "poster", lambda c: f"{c.paper.flash_m:.1f}")
    add(
        "flash, M",
        "its configuration",
        lambda c: _ours(c.poster_config, lambda f: _beside(f.flash / M, 2, c.paper.flash_m)),
    )
    add("flash, M", "fits the board", lambda c: _ours(c.poster_config, lambda f: f.misfit or "yes"))
    add("flash, M", "as deployed", lambda c: _ours(c.deployed, lambda f: f"{f.flash / M:.2f}"))
    add("flash, M", "times smaller", lambda c: _factor(c, "paper", "flash"))
    if any(f.accuracy is not None for cell in cells for f in _both(cell)):
        add("accuracy", "float32, k-means", lambda c: _ours(c.poster_config, _accuracy))
        add("accuracy", "as deployed, int8", lambda c: _ours(c.deployed, _accuracy))
    return made


def heading(cell: Cell) -> str:
    """Return a column's heading."""
    return f"{cell.sparsity:.0%}"


def errors(cells: Sequence[Cell]) -> list[str]:
    """Return a sentence for each configuration that failed, the same one once."""
    said = [
        f"{cell.board} at {cell.sparsity:.0%}, {configuration.replace('_', ' ')}: {text}"
        for cell in cells
        for configuration, text in cell.errors.items()
    ]
    return list(dict.fromkeys(said))


def sources(cells: Sequence[Cell]) -> list[str]:
    """Return where one board's times come from: simulator or port, one line for each."""
    found = []
    for cell in cells:
        for name, figures in (("poster's configuration", cell.poster_config), ("as deployed", cell.deployed)):
            if figures is not None:
                found.append(f"{cell.sparsity:.0%}, {name}: {figures.source}, {figures.ms_source}")
    return found


def _both(cell: Cell) -> list[Figures]:
    return [figures for figures in (cell.poster_config, cell.deployed) if figures is not None]


def _ours(figures: Figures | None, text: Callable[[Figures], str]) -> str:
    return FAILED if figures is None else text(figures)


def _time(figures: Figures) -> str:
    return f"{_short(figures.ms)} {MARKS[figures.source]}"


def _instructions(figures: Figures) -> str:
    return "-" if figures.instructions is None else _short(figures.instructions / 1e6)


def _accuracy(figures: Figures) -> str:
    return "-" if figures.accuracy is None else f"{figures.accuracy:.2%}"


def _beside(value: float, digits: int, printed: float) -> str:
    # Adding 0 turns -0.0 into 0.0.
    return f"{value:.{digits}f} ({round(value - printed, digits) + 0.0:+.{digits}f})"


def _factor(cell: Cell, against: str, what: str) -> str:
    factor = cell.factors().get(against, {}).get(what)
    return "-" if factor is None else f"{_short(factor)}x"


def _short(value: float) -> str:
    """Return a number with three digits that say something."""
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
