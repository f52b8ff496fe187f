"""Lets a package be called like the function it is named after: ``foldtiny.fold(…)`` beside ``foldtiny.fold.count``."""

from __future__ import annotations

import sys
import types
from typing import Any


class _CallablePackage(types.ModuleType):
    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return getattr(self, self.__name__.rpartition(".")[2])(*arguments, **options)


def callable_package(name: str) -> None:
    """Make the package ``foldtiny.x`` call its function ``x``; the function is found when it is called, not before."""
    sys.modules[name].__class__ = _CallablePackage
