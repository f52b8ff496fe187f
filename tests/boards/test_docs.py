"""Each board has a page, and what the pages say of numbers and commands is true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer.main

from foldtiny import boards
from foldtiny.cli import app

PAGES = Path(__file__).resolve().parents[2] / "docs" / "boards"


@pytest.mark.parametrize("name", sorted(boards.load_all()))
def test_every_board_has_its_page(name: str) -> None:
    board = boards.get(name)
    text = (PAGES / f"{name}.md").read_text("utf-8")
    for limit in (board.limits.flash_bytes, board.limits.ram_bytes):
        assert limit is None or f"{limit:,}" in text
    assert f"foldtiny deploy --board {name}" in text
    for usb in board.usb[:1]:
        assert f"{usb.vendor:04x}:{usb.product:04x}" in text
    assert f"[{name}]({name}.md)" in (PAGES / "README.md").read_text("utf-8")


def test_commands_and_options_exist() -> None:
    command = typer.main.get_command(app)
    text = "\n".join(path.read_text("utf-8") for path in PAGES.glob("*.md"))
    used = re.findall(r"foldtiny (deploy|monitor|doctor|boards)\b([^\n`]*)", text)
    assert len(used) > 15
    for name, rest in used:
        options = {option for one in command.commands[name].params for option in one.opts}  # type: ignore[attr-defined]
        assert set(re.findall(r"(?<!\S)--[a-z-]+", rest)) <= options, (name, rest)
