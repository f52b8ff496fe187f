"""C's spelling of numbers, strings, arrays and structs."""

from __future__ import annotations

import textwrap

import numpy as np

from foldtiny.aot.layer import Constant, Params

_LINE = 108


def number(value: int | float, ctype: str = "") -> str:
    """Spell a number; a float gets the nine digits that bring back exactly the same value."""
    if isinstance(value, int) and ctype != "float":
        return "INT32_MIN" if value == -(1 << 31) else str(value)
    text = f"{float(np.float32(value)):.9g}"
    return (text if any(c in text for c in ".e") else f"{text}.0") + "f"


def quoted(text: str) -> str:
    """Spell a string: plain ASCII, at most 80 characters, nothing that C could misread."""
    plain = "".join(c if " " <= c <= "~" and c not in '"\\?' else "_" for c in text[:80])
    return f'"{plain}"'


def comment_text(text: str) -> str:
    """Make a text safe inside a // comment: one line of ASCII that does not end in a backslash."""
    return "".join(c if " " <= c <= "~" and c != "\\" else "_" for c in text[:80])


def _wrapped(items: list[str], indent: str = "    ") -> str:
    lines, line = [], indent
    for item in items:
        if len(line) + len(item) + 2 > _LINE:
            lines.append(line.rstrip())
            line = indent
        line += f"{item}, "
    lines.append(line.rstrip())
    return "\n".join(lines)


def statement(text: str) -> str:
    """Indent one line of a function's body, broken between arguments where it is too long."""
    return textwrap.fill(
        text, _LINE, initial_indent="    ", subsequent_indent=" " * 8, break_long_words=False, break_on_hyphens=False
    )


def array(symbol: str, constant: Constant, comment: str, *, static: bool) -> str:
    """Spell a constant array, aligned so that it can be read by words."""
    values = constant.values.reshape(-1)
    if constant.ctype == "float":
        items = [number(float(v), "float") for v in values]
    else:
        items = [number(int(v)) for v in values]
    keyword = "static " if static else ""
    return (
        f"// {comment_text(comment)}\n"
        f"{keyword}const _Alignas(16) {constant.ctype} {symbol}[{values.size}] = {{\n{_wrapped(items)}\n}};\n"
    )


def params(symbol: str, value: Params) -> str:
    """Spell a constant struct."""
    items = []
    for name, field in value.fields.items():
        if isinstance(field, tuple):
            items.append(f".{name} = {{{', '.join(number(v) for v in field)}}}")
        else:
            items.append(f".{name} = {number(field)}")
    return f"static const {value.ctype} {symbol} = {{\n{_wrapped(items)}\n}};"
