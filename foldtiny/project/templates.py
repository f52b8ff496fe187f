"""The templates that projects are made from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foldtiny import resources

if TYPE_CHECKING:
    import jinja2


def environment() -> jinja2.Environment:
    """Return Jinja's view of the shipped templates; a name that is not given is an error."""
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(resources.root("templates")),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
