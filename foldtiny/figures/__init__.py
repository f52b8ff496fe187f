"""The paper's figures, drawn from one's own networks: PNG, SVG, and the data beside them as CSV.

========  =====================================================================================
figure 1  similarity of a layer's channels, beside its weights (``similarity``)
figure 2  correlation of matched channels, layer by layer (``correlation``)
figure 4  accuracy against the variance that folding leaves, for each repair (``variance``)
figure 5  accuracy against sparsity: folding, IFM and magnitude pruning (``sparsity``)
========  =====================================================================================

Figure 3 is a drawing of the method. Matplotlib and torch are imported only while something is drawn.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path

from foldtiny.figures import drawing
from foldtiny.figures.source import FigureOptions, Source
from foldtiny.progress import ProgressFn

__all__ = ["FIGURES", "FigureOptions", "Source", "draw"]

FIGURES = {1: "similarity", 2: "correlation", 4: "variance", 5: "sparsity"}


def draw(
    number: int, sources: Sequence[Source], options: FigureOptions, folder: Path, progress: ProgressFn
) -> tuple[Path, ...]:
    """Draw one figure and write its files.

    Parameters
    ----------
    number : int
        One of ``FIGURES``.
    sources : sequence of Source
        Trained networks with their images; each gets its own part of the picture.
    options : FigureOptions
    folder : Path
        Gets ``figure<number>.png``, ``.svg`` and ``.csv``.
    progress : callable

    Returns
    -------
    tuple of Path
        The files.

    Raises
    ------
    UsageError
        If a network has no such layer, no BatchNorm where repairs are compared, or no images where some are needed.
    """
    module = importlib.import_module(f"foldtiny.figures.{FIGURES[number]}")
    with drawing.style():
        files: tuple[Path, ...] = module.draw(sources, options, folder / f"figure{number}", progress)
    return files
