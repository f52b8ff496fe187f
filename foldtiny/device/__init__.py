"""From a generated project to numbers: build, simulate or flash, talk, measure."""

from __future__ import annotations
