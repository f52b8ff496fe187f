"""What a reader has to know to compare the table's figures; only what applies to the cells at hand."""

from __future__ import annotations

from collections.abc import Sequence

from foldtiny import boards
from foldtiny.table2.cells import Cell, Figures, K, M

# Held against the poster's figures, which have one decimal.
RAM_TOLERANCE_K = 0.2
FLASH_TOLERANCE_M = 0.1


def notes(cells: Sequence[Cell]) -> tuple[str, ...]:
    """Return the notes for these cells, one sentence or two each."""
    found = [note for note in (_ram(cells), *_times(cells), _linux(cells), _misfits(cells), _accuracy(cells)) if note]
    return (*found, *_outside(cells))


def _ram(cells: Sequence[Cell]) -> str | None:
    firmware = [c.poster_config.ram_firmware / K for c in cells if c.poster_config]
    if not firmware:
        return None
    return (
        "RAM in the poster's configuration is what the poster's figures hold: the tensors (the same bytes in our "
        "image) and what TFLite Micro's interpreter keeps for the network beside them. Our firmware has no "
        "interpreter; the line 'our firmware' is its static RAM and stack. RAM as deployed is "
        "static RAM and stack, all of it."
    )


def _times(cells: Sequence[Cell]) -> list[str]:
    """Say where times come from, and where a twin is unlike its board."""
    figures = [(c, f) for c in cells for f in (c.poster_config, c.deployed) if f is not None]
    kinds = {f.source for _, f in figures}
    found = []
    if kinds - {"hardware"}:
        found.append(
            "Times marked sim (instructions counted in QEMU, at the board's clock and one a cycle) and est (cycles by "
            "the processor's timing table, the upper end) were not measured on a board; the poster's were, so that "
            "'times faster' is what to expect, not what was measured."
        )
    soft = [
        c.board
        for c, f in figures
        if f.precision == "float32" and f.source == "simulated" and boards.get(c.board).target == "xtensa"
    ]
    if soft:
        found.append(
            f"{soft[0]} in float32: the twin's core has no floating-point unit (the board's has one), so that its time "
            "is that of arithmetic in software, and the factor over it is too large."
        )
    return found


def _linux(cells: Sequence[Cell]) -> str | None:
    for cell in cells:
        figures = cell.deployed or cell.poster_config
        if figures and any(figures.library):
            return (
                f"{cell.board}: RAM and flash are those of the network, its kernels and the firmware. The program also "
                f"has {figures.library[0] / M:.1f} M and {figures.library[1] / K:.0f} K of the C library, linked "
                "statically so that one file runs anywhere."
            )
    return None


def _misfits(cells: Sequence[Cell]) -> str | None:
    over = sorted({c.board for c in cells if c.poster_config and c.poster_config.misfit})
    if not over:
        return None
    return (
        f"{', '.join(over)}: an image that does not fit was built and run for a twin with its memory enlarged; "
        "no real board could do that."
    )


def _accuracy(cells: Sequence[Cell]) -> str | None:
    said = [f"{f.method} folding in {f.precision}: {f.accuracy_source}" for f in _figures(cells) if f.accuracy_source]
    return f"Accuracy, which the poster leaves out: {'; '.join(dict.fromkeys(said))}." if said else None


def _figures(cells: Sequence[Cell]) -> list[Figures]:
    return [f for cell in cells for f in (cell.poster_config, cell.deployed) if f is not None]


def _outside(cells: Sequence[Cell]) -> list[str]:
    """Name the cells that differ from the poster by more than its rounding and our tolerance."""
    found = []
    for cell in cells:
        difference = cell.differences() or {}
        for key, unit, tolerance in (
            ("ram_k", "K of RAM", RAM_TOLERANCE_K),
            ("flash_m", "M of flash", FLASH_TOLERANCE_M),
        ):
            if abs(difference.get(key, 0.0)) > tolerance:
                found.append(
                    f"{cell.board} at {cell.sparsity:.0%}: {difference[key]:+.2f} {unit} from the poster's, more than "
                    f"{tolerance:g}"
                )
    return found
