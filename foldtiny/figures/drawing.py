"""How pictures look, and how they are written: PNG, SVG and CSV, whole or not at all, the same bytes every time."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foldtiny.resources import write_atomic

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito's palette, which the colour-blind can tell apart; markers and dashes say the same again.
BLUE, ORANGE, GREEN, RED, PURPLE, BLACK = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#222222"
GREY = "#8A8A8A"
_STYLE: dict[str, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Helvetica", "Arial", "sans-serif"],
    "font.size": 10,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.8,
    "axes.axisbelow": True,
    "lines.linewidth": 1.8,
    "lines.markersize": 6,
    "legend.frameon": False,
    "figure.dpi": 100,
    # Text stays text, and identifiers do not change from run to run.
    "svg.fonttype": "none",
    "svg.hashsalt": "foldtiny",
}
_DPI = 110


@contextmanager
def style() -> Iterator[None]:
    """Draw in foldtiny's style, whatever the user's own settings are, and leave those as they were."""
    import matplotlib as mpl

    with mpl.rc_context():
        mpl.rcdefaults()
        parameters: Any = mpl.rcParams
        parameters.update(_STYLE)
        yield


def subplots(rows: int, columns: int, size: tuple[float, float], **options: Any) -> tuple[Figure, Any]:
    """Return an empty picture of ``size`` inches and its axes as an array [rows, columns].

    No window system is touched: the picture is made without pyplot.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


def save(
    figure: Figure, stem: Path, header: Sequence[str], rows: Iterable[Sequence[Any]], note: str = ""
) -> tuple[Path, ...]:
    """Write a picture and its data.

    Parameters
    ----------
    figure : Figure
    stem : Path
        The path without suffix.
    header, rows
        The CSV.
    note : str
        A line below the picture: how it was made.

    Raises
    ------
    FoldtinyError
        If a file cannot be written.
    """
    if note:
        figure.supxlabel(note, fontsize=8, color="#555555", x=0.01, ha="left")
    files = []
    for kind, metadata in (("png", {"Software": None}), ("svg", {"Date": None, "Creator": None})):
        stream = io.BytesIO()
        figure.savefig(stream, format=kind, dpi=_DPI, metadata=metadata)
        files.append(stem.with_suffix(f".{kind}"))
        write_atomic(files[-1], stream.getvalue())
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([_plain(value) for value in row] for row in rows)
    files.append(stem.with_suffix(".csv"))
    write_atomic(files[-1], text.getvalue())
    return tuple(files)


def percent(axis: Any) -> None:
    """Label an axis, such as ``axes.yaxis``, in percent; its values are fractions."""
    from matplotlib.ticker import PercentFormatter

    axis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))


def _plain(value: Any) -> Any:
    # Six digits are more than is known; the last bits differ between processors.
    return f"{value:.6g}" if isinstance(value, float) else value
