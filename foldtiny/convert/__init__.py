"""From a PyTorch network to a .tflite file: trace, simplify, channels last, Keras, quantise, check.

Importing this package imports neither torch nor TensorFlow; `convert` does when it is called.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from foldtiny._callable import callable_package

if TYPE_CHECKING:
    from foldtiny.convert.calibration import synthetic_images
    from foldtiny.convert.report import ConvertReport, TfliteModel
    from foldtiny.convert.run import convert

__all__ = ["ConvertReport", "TfliteModel", "convert", "synthetic_images"]

_HOMES = {
    "convert": "run",
    "ConvertReport": "report",
    "TfliteModel": "report",
    "synthetic_images": "calibration",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


callable_package(__name__)
