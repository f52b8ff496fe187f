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
    "no wait states: code comes from the instruction cache, and constants are read from flash without waiting",
    "a taken branch costs 1 to 3 cycles more, a division 2 to 12, IT 0 or 1",
    "an address computed by the instruction before costs 0 or 1 cycle more",
    "every access is aligned, and no interrupt comes in between",
)


@dataclass(frozen=True, slots=True)
class CycleEstimate:
    """Cycles of one inference by the timing table; ``milliseconds`` at the board's clock. Always an estimate."""

    cycles_low: int
    cycles_high: int
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
    instructions, low, high = total(program, blocks.count(board, elf, program, inputs))
    per_ms = board.clock_hz / 1000
    return CycleEstimate(low, high, low / per_ms, high / per_ms, instructions, MODEL, ASSUMPTIONS)


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
