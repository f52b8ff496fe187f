"""A self-contained PlatformIO project from a compiled model."""

from __future__ import annotations

from foldtiny.project.render import Project, render

__all__ = ["Project", "render"]
