"""foldtiny: fold a trained network, quantise it, compile it to C and run it on a microcontroller."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from foldtiny.pipeline.deploy import deploy as deploy
    from foldtiny.pipeline.request import DeployRequest as DeployRequest
    from foldtiny.pipeline.request import FoldOptions as FoldOptions

__version__ = "0.1.0"

__all__ = ["DeployRequest", "FoldOptions", "convert", "deploy", "fold"]

# Where each name is; a package is called like the function that it is named after.
_HOMES = {
    "convert": "foldtiny.convert",
    "deploy": "foldtiny.pipeline",
    "DeployRequest": "foldtiny.pipeline",
    "FoldOptions": "foldtiny.pipeline",
    "fold": "foldtiny.fold",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for only then, so that starting up stays light."""
    if name not in _HOMES:
        raise AttributeError(f"module 'foldtiny' has no attribute {name!r}")
    import importlib

    module = importlib.import_module(_HOMES[name])
    return module if _HOMES[name] == f"foldtiny.{name}" else getattr(module, name)
