"""From counted blocks to cycles and milliseconds: an estimate, never a measurement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from foldtiny.boards import Board
from foldtiny.device.cycles import blocks, cortex_m4
from foldtiny.device.cycles.program import Program
from foldtiny.errors import MeasureError

MODEL = "Cortex-M4 instruction timing (Arm DDI 0439, 3.3 and 7.2.3)"
ASSUMPTIONS = (
    "code comes from the instruction cache without waiting",
    "a taken branch costs 1 to 3 cycles more, a division 2 to 12, IT 0 or 1",
    "an address computed by the instruction before costs 0 or 1 cycle more",
    "every access is aligned, and no interrupt comes in between",
)

#: Where the board's file says nothing about its flash.
NO_WAIT = "constants are read from flash without waiting"


@dataclass(frozen=True, slots=True)
class CycleEstimate:
    """Cycles of one inference by the timing table. Always an estimate.

    ``cycles_low`` and ``cycles_high`` are without wait states. ``flash_reads`` words (or less) of constants come from
    flash, with at most ``wait_cycles_high`` cycles of waiting. ``ms_low`` is ``cycles_low`` at the board's clock,
    ``ms_high`` is ``cycles_high`` with all of the waiting.
    """

    cycles_low: int
    cycles_high: int
    flash_reads: int
    wait_cycles_high: int
    ms_low: float
    ms_high: float
    instructions: int
    model: str
    assumptions: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the estimate as plain JSON values."""
        return asdict(self)


def supports(board: Board) -> bool:
    """Tell whether there is a timing model for the board's processor."""
    return board.target == "cortex-m4"


def estimate(board: Board, elf: Path, inputs: Sequence[bytes]) -> CycleEstimate:
    """Estimate the cycles of one inference from the code that the twin runs.

    Parameters
    ----------
    board : Board
        A board with a Cortex-M4.
    elf : Path
        The twin's firmware.
    inputs : sequence of bytes
        One sample, one entry for each input of the model.

    Raises
    ------
    MeasureError
        If there is no timing model for the processor, the simulator is missing, or the firmware is not ours.
    LinkError
        If the twin does not answer.
    """
    if not supports(board):
        raise MeasureError(
            f"{board.name}: there is no cycle estimate for {board.core} (allowed: ARM Cortex-M4F)",
            "take the instruction count instead",
        )
    program = Program(elf)
    counts = blocks.count(board, elf, program, inputs)
    instructions, low, high = total(program, counts.blocks)
    wait = board.flash_wait
    waiting = counts.flash_reads * (wait.cycles if wait else 0)
    ms_low, ms_high = (cycles * 1000 / board.clock_hz for cycles in (low, high + waiting))
    assumed = f"a constant read from flash waits 0 to {wait.cycles} cycles ({wait.source})" if wait else NO_WAIT
    return CycleEstimate(
        low, high, counts.flash_reads, waiting, ms_low, ms_high, instructions, MODEL, (*ASSUMPTIONS, assumed)
    )


def total(program: Program, counted: Sequence[blocks.Block]) -> tuple[int, int, int]:
    """Return instructions, and the fewest and the most cycles, of counted blocks."""
    instructions = low = high = 0
    for block in counted:
        code = program.block(block.first, block.end)
        least, most = cortex_m4.block_cycles(code)
        instructions += block.executed * len(code)
        low += block.executed * least + block.taken * cortex_m4.REFILL[0]
        high += block.executed * most + block.taken * cortex_m4.REFILL[1]
    return instructions, low, high
