"""The code of an ELF file: addresses of functions, and instructions by address."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from foldtiny.device.cycles.cortex_m4 import Instruction
from foldtiny.errors import MeasureError


class Program:
    """A Thumb program; ``address`` and ``block`` take and give even addresses."""

    def __init__(self, elf: Path) -> None:
        self._elf = elf
        with elf.open("rb") as file:
            image = ELFFile(file)
            symbols = image.get_section_by_name(".symtab")
            self._symbols: dict[str, int] = {}
            if isinstance(symbols, SymbolTableSection):
                self._symbols = {s.name: s["st_value"] & ~1 for s in symbols.iter_symbols()}
            self._code = [(s["p_vaddr"], s.data()) for s in image.iter_segments() if s["p_type"] == "PT_LOAD"]
            flags = SH_FLAGS.SHF_ALLOC | SH_FLAGS.SHF_WRITE
            fixed = [s for s in image.iter_sections() if s["sh_flags"] & flags == SH_FLAGS.SHF_ALLOC]
            first = min((s["sh_addr"] for s in fixed), default=0)
            self._flash = (first, max((s["sh_addr"] + s["sh_size"] for s in fixed), default=first))

    @property
    def flash(self) -> tuple[int, int]:
        """The first address and the end of what the program cannot write: its code and constants."""
        return self._flash

    def address(self, symbol: str) -> int:
        """Return a function's address."""
        if symbol not in self._symbols:
            raise MeasureError(f"{self._elf} has no function {symbol}", "give a firmware that foldtiny has built")
        return self._symbols[symbol]

    def block(self, first: int, end: int) -> list[Instruction]:
        """Return the instructions from ``first`` up to ``end``."""
        for start, data in self._code:
            if start <= first and end <= start + len(data):
                found = _disassembler().disasm(data[first - start : end - start], first)
                instructions = [Instruction(i.address, i.mnemonic, i.op_str) for i in found]
                break
        else:
            raise MeasureError(f"{self._elf} has no code at {first:#x}", "give the firmware that was run")
        return instructions

    def returns_from(self, symbol: str) -> list[int]:
        """Return the addresses to which calls of a function return."""
        target, found = self.address(symbol), []
        for start, data in self._code:
            # Every halfword may start a BL: bits 11110 and 11x1, and its offset says where it goes.
            for offset in range(0, len(data) - 3, 2):
                high = int.from_bytes(data[offset : offset + 2], "little")
                low = int.from_bytes(data[offset + 2 : offset + 4], "little")
                if high >> 11 == 0b11110 and low >> 14 == 0b11 and low >> 12 & 1:
                    after = start + offset + 4
                    if after + _branch_offset(high, low) == target:
                        found.append(after)
        if not found:
            raise MeasureError(f"nothing in {self._elf} calls {symbol}", "give a firmware that foldtiny has built")
        return found


def _branch_offset(high: int, low: int) -> int:
    """Return the offset of a BL (Armv7-M, encoding T1)."""
    sign = high >> 10 & 1
    first, second = (1 - ((low >> 13 & 1) ^ sign)), (1 - ((low >> 11 & 1) ^ sign))
    offset = sign << 24 | first << 23 | second << 22 | (high & 0x3FF) << 12 | (low & 0x7FF) << 1
    return offset - (1 << 25) if sign else offset


@cache
def _disassembler():  # type: ignore[no-untyped-def]
    import capstone

    return capstone.Cs(capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS)
