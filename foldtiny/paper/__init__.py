"""What the paper and its poster print, as data files: figures of other people, never mixed with ours."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Printed:
    """One cell of the poster's Table 2, as printed: milliseconds, K of RAM, M of flash."""

    ms: float
    ram_k: float
    flash_m: float


@dataclass(frozen=True, slots=True)
class Table2:
    """The poster's Table 2: ``cells`` by (board, sparsity), and where it was printed."""

    citation: str
    boards: tuple[str, ...]
    sparsities: tuple[float, ...]
    cells: dict[tuple[str, float], Printed]


@cache
def table2() -> Table2:
    """Return the poster's Table 2."""
    content = tomllib.loads((Path(__file__).parent / "table2.toml").read_text("utf-8"))
    sparsities = tuple(content["sparsities"])
    cells = {
        (name, sparsity): Printed(*figures)
        for name, board in content["boards"].items()
        for sparsity, *figures in zip(sparsities, board["ms"], board["ram_k"], board["flash_m"], strict=True)
    }
    citation = f"{content['authors']}: {content['title']} ({content['where']})"
    return Table2(citation, tuple(content["boards"]), sparsities, cells)
