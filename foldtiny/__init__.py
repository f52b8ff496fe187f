"""foldtiny: fold a trained network, quantise it, compile it to C and run it on a microcontroller.

Five functions do what the command line does: `fold`, `convert`, `compile`, `deploy`, `bench`; see docs/api.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from foldtiny.pipeline.compile import compile_for as compile
    from foldtiny.pipeline.deploy import deploy as deploy
    from foldtiny.pipeline.limits import Limits as Limits
    from foldtiny.pipeline.request import DeployRequest as DeployRequest
    from foldtiny.pipeline.request import FoldOptions as FoldOptions

__version__ = "0.1.0"

__all__ = ["DeployRequest", "FoldOptions", "Limits", "bench", "compile", "convert", "deploy", "fold"]

# Where each name is; a package is called like the function that it is named after.
_HOMES = {
    "bench": ("foldtiny.bench", None),
    "compile": ("foldtiny.pipeline.compile", "compile_for"),
    "convert": ("foldtiny.convert", None),
    "deploy": ("foldtiny.pipeline", "deploy"),
    "DeployRequest": ("foldtiny.pipeline", "DeployRequest"),
    "fold": ("foldtiny.fold", None),
    "FoldOptions": ("foldtiny.pipeline", "FoldOptions"),
    "Limits": ("foldtiny.pipeline", "Limits"),
}


def __getattr__(name: str) -> Any:
    """Import what is asked for only then, so that starting up stays light."""
    if name not in _HOMES:
        raise AttributeError(f"module 'foldtiny' has no attribute {name!r}")
    import importlib

    home, attribute = _HOMES[name]
    module = importlib.import_module(home)
    return module if attribute is None else getattr(module, attribute)
