"""Flash and RAM of a firmware image, from its ELF file."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from elftools.common.exceptions import ELFError
from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import Section, SymbolTableSection

from foldtiny.device import parts
from foldtiny.errors import BuildError

_STACK = "fw_stack_memory"
_ARENA = "model_arena"
# Of two names for one place, foldtiny's own.
_OURS = ("model_", "ft_")
# What the mbed core calls sections is RAM left over for its heap, and room for interrupts; the image does not use it.
_LEFT_OVER = (".heap", ".stack_dummy")
# ESP-IDF links constants in mapped flash, code in instruction RAM, and external RAM with the same "writable" flag as
# data; none of them takes room in the data RAM that the board's limit is about.
_NOT_DATA_RAM = (".flash", ".iram0", ".ext_ram", ".rtc")


@dataclass(frozen=True, slots=True)
class Symbol:
    """A function or object: where it is (``flash``, ``ram`` or ``other``) and how many bytes it takes."""

    name: str
    memory: str
    size: int


@dataclass(frozen=True, slots=True)
class Footprint:
    """Bytes of an image.

    ``flash_total`` is what is stored in flash (text, constants, initial values of data); ``flash_model``,
    ``flash_engine`` and ``flash_other`` are its parts. ``ram_static`` is .data and .bss without the reserved stack;
    ``ram_arena`` is the part of it that holds the model's tensors, ``ram_data`` the part that has initial values.
    ``flash_parts`` says what fills the flash, layer by layer (see ``foldtiny.device.parts``).
    """

    flash_total: int
    flash_model: int
    flash_engine: int
    flash_other: int
    ram_static: int
    ram_arena: int
    ram_data: int
    stack_reserved: int
    flash_parts: tuple[dict[str, Any], ...] = ()
    symbols: tuple[Symbol, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, without the symbols."""
        numbers = asdict(replace(self, symbols=()))
        del numbers["symbols"]
        return {**numbers, "flash_parts": list(numbers["flash_parts"])}


def read(elf: Path) -> Footprint:
    """Measure an ELF file.

    Raises
    ------
    BuildError
        If it is missing or not an ELF file.
    """
    try:
        with elf.open("rb") as stream:
            image = ELFFile(stream)
            sections = list(image.iter_sections())
            symbols = _symbols(sections)
    except (OSError, ELFError) as error:
        raise BuildError(f"the firmware {elf} cannot be read: {error}", "build it again") from error
    loaded = [
        section
        for section in sections
        if section["sh_flags"] & SH_FLAGS.SHF_ALLOC and not section.name.startswith(_LEFT_OVER)
    ]
    flash = sum(section["sh_size"] for section in loaded if section["sh_type"] != "SHT_NOBITS")
    ram = sum(section["sh_size"] for section in loaded if _in_ram(section))
    data = sum(section["sh_size"] for section in loaded if _in_ram(section) and section["sh_type"] != "SHT_NOBITS")
    stack = sum(symbol.size for symbol in symbols if symbol.name == _STACK)
    in_flash = [symbol for symbol in symbols if symbol.memory == "flash"]
    model = sum(symbol.size for symbol in in_flash if parts.part_of(symbol.name)[0] == "model")
    engine = sum(symbol.size for symbol in in_flash if parts.part_of(symbol.name)[0] == "engine")
    return Footprint(
        flash_total=flash,
        flash_model=model,
        flash_engine=engine,
        flash_other=flash - model - engine,
        ram_static=ram - stack,
        ram_arena=sum(symbol.size for symbol in symbols if symbol.name.split(".")[0] == _ARENA),
        ram_data=data,
        stack_reserved=stack,
        flash_parts=tuple(parts.merge_layers(parts.flash(((s.name, s.size) for s in in_flash), flash))),
        symbols=tuple(symbols),
    )


def _in_ram(section: Section) -> bool:
    return bool(section["sh_flags"] & SH_FLAGS.SHF_WRITE) and not section.name.startswith(_NOT_DATA_RAM)


def _symbols(sections: list[Section]) -> list[Symbol]:
    """Return functions and objects, largest first; two names for one place count once."""
    found: dict[int, Symbol] = {}
    for table in sections:
        if not isinstance(table, SymbolTableSection):
            continue
        for symbol in table.iter_symbols():
            index = symbol["st_shndx"]
            if symbol["st_info"]["type"] not in ("STT_FUNC", "STT_OBJECT") or not isinstance(index, int):
                continue
            section = sections[index]
            if not section["sh_flags"] & SH_FLAGS.SHF_ALLOC or symbol["st_size"] == 0:
                continue
            # Zeros elsewhere, such as in external RAM, take neither.
            stored = section["sh_type"] != "SHT_NOBITS"
            memory = "ram" if _in_ram(section) else "flash" if stored else "other"
            # An earlier name for the same place wins, unless the new one is ours.
            place = symbol["st_value"]
            if place not in found or symbol.name.startswith(_OURS):
                found[place] = Symbol(symbol.name, memory, symbol["st_size"])
    return sorted(found.values(), key=lambda symbol: (-symbol.size, symbol.name))
