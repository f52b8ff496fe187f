"""foldtiny: fold a trained network, quantise it, compile it to C and run it on a microcontroller."""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Load ``foldtiny.fold`` when it is first asked for, so that starting up stays light."""
    if name == "fold":
        import importlib

        return importlib.import_module("foldtiny.fold")
    raise AttributeError(f"module 'foldtiny' has no attribute {name!r}")
