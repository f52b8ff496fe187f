"""The ``aot`` runtime: a compiler from .tflite to C.

``read`` gives the checked network, ``compile_tflite`` the C files. Both load lazily: the command line's help does not
pay for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from foldtiny.aot.compile import CompiledModel, LayerInfo, TensorInfo, compile_tflite
    from foldtiny.aot.plan import MemoryPlan
    from foldtiny.aot.reader import read

__all__ = ["CompiledModel", "LayerInfo", "MemoryPlan", "TensorInfo", "compile_tflite", "read"]

_HOMES = {
    "CompiledModel": "compile",
    "LayerInfo": "compile",
    "TensorInfo": "compile",
    "compile_tflite": "compile",
    "MemoryPlan": "plan",
    "read": "reader",
}


def __getattr__(name: str) -> Any:
    import importlib

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
