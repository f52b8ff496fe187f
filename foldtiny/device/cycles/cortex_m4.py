"""What an instruction costs on a Cortex-M4, after its Technical Reference Manual (r0p1, 3.3 and 7.2.3).

Costs are a range where the manual gives one: divisions take 2 to 12 cycles, a taken branch refills the pipeline in 1
to 3, IT may be folded away, and an address computed by the instruction just before may cost a cycle more.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

REFILL = (1, 3)
"""Cycles that a taken branch adds."""

_DIVISIONS = ("sdiv", "udiv")
_SINGLE_LOADS = ("ldr", "ldrb", "ldrh", "ldrsb", "ldrsh")
_STORES = ("str", "strb", "strh")
_FLOAT = {"vdiv": 14, "vsqrt": 14, "vmla": 3, "vmls": 3, "vnmla": 3, "vnmls": 3, "vfma": 3, "vfms": 3}
_FLOAT |= {"vldr": 2, "vstr": 2}
_CONDITIONS = "eq|ne|cs|hs|cc|lo|mi|pl|vs|vc|hi|ls|ge|lt|gt|le"
_CONDITIONAL = re.compile(rf"({'|'.join((*_SINGLE_LOADS, *_STORES, 'mov', 'add', 'sub'))})(?:{_CONDITIONS})?$")
_FLAGS_OR_WIDTH = re.compile(r"\.[a-z0-9.]+$")
_ADDRESS = re.compile(r"\[([^\]]+)\]")
_REGISTER = re.compile(r"\b(?:r\d+|sb|sl|fp|ip|sp|lr)\b")


@dataclass(frozen=True, slots=True)
class Instruction:
    """One disassembled instruction: ``operands`` as capstone prints them."""

    address: int
    mnemonic: str
    operands: str

    @property
    def name(self) -> str:
        """The mnemonic without its width, and without a condition where the cost depends on it."""
        plain = _FLAGS_OR_WIDTH.sub("", self.mnemonic)
        match = _CONDITIONAL.match(plain)
        return match.group(1) if match else plain

    def listed(self) -> int:
        """Return the number of registers in a list ({r4, r5, pc})."""
        inside = self.operands[self.operands.find("{") + 1 : self.operands.rfind("}")]
        return len(inside.split(","))


def block_cycles(block: Sequence[Instruction]) -> tuple[int, int]:
    """Return the fewest and the most cycles of a run of instructions, without the refill after a taken branch."""
    low = high = 0
    previous: Instruction | None = None
    for instruction in block:
        least, most = _cycles(instruction)
        if _pipelined(previous, instruction):
            least, most = least - 1, most - 1
        if _waits_for_address(previous, instruction):
            most += 1
        low, high = low + least, high + most
        previous = instruction
    return low, high


def _cycles(instruction: Instruction) -> tuple[int, int]:
    name = instruction.name
    if name in _DIVISIONS:
        return 2, 12
    if name in _SINGLE_LOADS or name.startswith("ldrex"):
        return 2, 2
    if name in ("ldrd", "strd"):
        return 3, 3
    if name.startswith(("ldm", "stm", "vldm", "vstm", "vpush", "vpop", "push", "pop")):
        # A double-precision register is two words.
        words = instruction.listed() * (2 if "{d" in instruction.operands else 1)
        return 1 + words, 1 + words
    if name in ("tbb", "tbh"):
        return 3, 3
    if name.startswith("it"):
        return 0, 1
    if name in _FLOAT:
        return _FLOAT[name], _FLOAT[name]
    if name == "vmov" and instruction.operands.count(",") == 3:
        return 2, 2
    return 1, 1


def _pipelined(previous: Instruction | None, instruction: Instruction) -> bool:
    """Tell whether the bus works on this access while the load before it finishes."""
    if previous is None or previous.name not in _SINGLE_LOADS or instruction.name not in _SINGLE_LOADS:
        return False
    return _target(previous) not in _address_registers(instruction)


def _waits_for_address(previous: Instruction | None, instruction: Instruction) -> bool:
    """Tell whether the address comes from the data processing instruction just before: it is not forwarded."""
    if previous is None or not _address_registers(instruction) or _address_registers(previous):
        return False
    return _target(previous) in _address_registers(instruction)


def _target(instruction: Instruction) -> str:
    return instruction.operands.split(",")[0].strip()


def _address_registers(instruction: Instruction) -> set[str]:
    match = _ADDRESS.search(instruction.operands)
    return set(_REGISTER.findall(match.group(1))) if match else set()
