"""The table as data: for each board and sparsity what the poster prints, and ours in two configurations."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from foldtiny.paper import Printed

K = 1024
M = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Figures:
    """Ours in one configuration; sizes in bytes, K is 1024 and M 1024 K.

    Attributes
    ----------
    ms : float
        One inference; ``source`` says whether that is hardware, simulated or estimated, and ``ms_source`` by what.
    ms_range : tuple of float, optional
        Lowest and highest estimate; ``ms`` is the highest.
    instructions : int, optional
        One inference, counted on the simulated board.
    ram, flash : int
        To be held against the poster's; ``ram_source`` and ``flash_source`` say what is in them.
    ram_firmware : int
        Static RAM (the tensors included) and stack of the firmware as it is.
    ram_tensors : int
        The part of it that holds tensors.
    ram_interpreter : int
        What of ``ram`` an interpreter would keep for the network; our firmware has none.
    library : tuple of int
        Flash and RAM of the C library in a Linux program, which are not in the figures above.
    fits : bool
        Whether the image fits the board; ``misfit`` says how it does not.
    accuracy : float, optional
        Of ``accuracy_source``, from 0 to 1.
    """

    ms: float
    source: str
    ms_source: str
    instructions: int | None
    ram: int
    ram_source: str
    ram_firmware: int
    ram_tensors: int
    flash: int
    flash_source: str
    fits: bool
    precision: str
    optimize: str
    method: str
    parameters: int
    removed: float
    layers: dict[str, int]
    exact: str
    ms_range: tuple[float, float] | None = None
    ram_interpreter: int = 0
    library: tuple[int, int] = (0, 0)
    misfit: str | None = None
    accuracy: float | None = None
    accuracy_source: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, sizes in K and M as the poster has them."""
        return {
            "ms": self.ms,
            "ms_range": list(self.ms_range) if self.ms_range else None,
            "instructions": self.instructions,
            "ram_k": self.ram / K,
            "ram_firmware_k": self.ram_firmware / K,
            "ram_tensors_k": self.ram_tensors / K,
            "ram_interpreter_k": self.ram_interpreter / K,
            "flash_m": self.flash / M,
            "library": {"flash_m": self.library[0] / M, "ram_k": self.library[1] / K},
            "fits": self.fits,
            "misfit": self.misfit,
            "accuracy": self.accuracy,
            "precision": self.precision,
            "optimize": self.optimize,
            "method": self.method,
            "parameters": self.parameters,
            "removed": self.removed,
            "layers": dict(self.layers),
            "exact": self.exact,
            "source": self.source,
            "sources": {
                "ms": self.ms_source,
                "ram_k": self.ram_source,
                "flash_m": self.flash_source,
                "accuracy": self.accuracy_source,
            },
        }


@dataclass(frozen=True, slots=True)
class Cell:
    """One board at one sparsity; a configuration that failed is None, and ``errors`` says why."""

    board: str
    sparsity: float
    paper: Printed
    poster_config: Figures | None = None
    deployed: Figures | None = None
    errors: dict[str, str] = field(default_factory=dict)

    def differences(self) -> dict[str, float] | None:
        """Return ours in the poster's configuration less the poster's, in K and M."""
        ours = self.poster_config
        if ours is None:
            return None
        return {"ram_k": ours.ram / K - self.paper.ram_k, "flash_m": ours.flash / M - self.paper.flash_m}

    def factors(self) -> dict[str, dict[str, float]]:
        """Return how many times smaller and faster the deployment is than the poster, and than its configuration.

        Times of different sources are compared with the poster's too: the figures' own labels say what they are.
        """
        ours, before = self.deployed, self.poster_config
        if ours is None:
            return {}
        against = {
            "paper": {
                "ms": self.paper.ms / ours.ms,
                "ram": self.paper.ram_k * K / ours.ram,
                "flash": self.paper.flash_m * M / ours.flash,
            }
        }
        if before is not None:
            against["poster_config"] = {
                "ram": before.ram_firmware / ours.ram_firmware,
                "flash": before.flash / ours.flash,
            }
            # Hardware is compared with hardware, a twin with the same twin.
            if before.source == ours.source:
                against["poster_config"]["ms"] = before.ms / ours.ms
        return against

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "board": self.board,
            "sparsity": self.sparsity,
            "paper": {
                "ms": self.paper.ms,
                "ram_k": self.paper.ram_k,
                "flash_m": self.paper.flash_m,
                "source": "paper",
            },
            "poster_config": self.poster_config.to_dict() if self.poster_config else None,
            "deployed": self.deployed.to_dict() if self.deployed else None,
            "differences": self.differences(),
            "factors": self.factors(),
            "errors": dict(self.errors),
        }


@dataclass(frozen=True, slots=True)
class Table:
    """All cells, board by board; ``notes`` are what a reader has to know to compare them."""

    cells: tuple[Cell, ...]
    citation: str
    notes: tuple[str, ...]
    seconds: float
    foldtiny: str

    @property
    def complete(self) -> bool:
        """Whether no cell failed."""
        return not any(cell.errors for cell in self.cells)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "cells": [cell.to_dict() for cell in self.cells],
            "paper": self.citation,
            "notes": list(self.notes),
            "units": {"K": K, "M": M},
            "seconds": round(self.seconds, 1),
            "foldtiny": self.foldtiny,
        }
