"""The operators, one module each: ``NAMES`` it serves and ``parse`` from a ``Site`` to a ``Layer``.

The directory listing is the table of supported operators: ``registry`` imports every module in it.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from functools import cache

from foldtiny.aot.layer import Layer
from foldtiny.aot.site import Site
from foldtiny.errors import CompileError

Parser = Callable[[Site], Layer]


@cache
def registry() -> Mapping[str, Parser]:
    """Return the parser of each supported TFLite operator."""
    parsers: dict[str, Parser] = {}
    for module in pkgutil.iter_modules(__path__):
        if not module.name.startswith("_"):
            operator = importlib.import_module(f"{__name__}.{module.name}")
            parsers.update(dict.fromkeys(operator.NAMES, operator.parse))
    return parsers


def parse(site: Site) -> Layer:
    """Turn an operator into a layer.

    Raises
    ------
    CompileError
        If the operator, or something about it, is not supported.
    """
    parser = registry().get(site.operator.name)
    if parser is None:
        raise CompileError(
            f"operator {site.operator.name} '{site.name}' is not supported (allowed: {', '.join(sorted(registry()))})",
            "build the network from these operators and export it again",
        )
    return parser(site)
