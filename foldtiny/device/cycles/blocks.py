"""Runs one inference on a twin with the plugin that counts blocks of code."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from foldtiny.boards import Board
from foldtiny.device import counter, simulate
from foldtiny.device.cycles.program import Program
from foldtiny.device.link import Device
from foldtiny.errors import LinkError, MeasureError


@dataclass(frozen=True, slots=True)
class Block:
    """A straight run of code from ``first`` up to ``end``, and how often what ran next was not what follows it."""

    first: int
    end: int
    executed: int
    taken: int


@dataclass(frozen=True, slots=True)
class Counts:
    """The blocks of one inference, and how many words (or less) of data it read from flash."""

    blocks: tuple[Block, ...]
    flash_reads: int


def count(board: Board, elf: Path, program: Program, inputs: Sequence[bytes]) -> Counts:
    """Count the blocks of one inference: from ``model_invoke``'s first instruction until it returns.

    Raises
    ------
    MeasureError
        If the simulator cannot run, or the firmware never runs the model.
    LinkError
        If the twin does not answer.
    """
    with tempfile.TemporaryDirectory(prefix="foldtiny-cycles-") as folder:
        out = Path(folder) / "blocks"
        with simulate.start(board, elf, extra=("-plugin", plugin(program, out))) as simulator:
            try:
                with Device.open(simulator.port, timeout_s=20.0, run_timeout_s=600.0) as device:
                    device.infer(inputs)
            except LinkError:
                simulator.check()
                raise
        if not out.is_file():
            raise MeasureError(f"the firmware {elf} never returned from model_invoke", "build the project again")
        return read(out)


def plugin(program: Program, out: Path) -> str:
    """Return what follows QEMU's ``-plugin`` to count one call of ``model_invoke`` into a file."""
    stops = ",".join(f"stop={address:#x}" for address in program.returns_from("model_invoke"))
    start = program.address("model_invoke")
    first, end = program.flash
    return f"{counter.plugin('count_blocks')},start={start:#x},{stops},flash={first:#x}-{end:#x},out={out}"


def read(out: Path) -> Counts:
    """Return the counts, one entry for each run of code: QEMU may translate one several times."""
    found: dict[tuple[int, int], tuple[int, int]] = {}
    reads, *lines = out.read_text(encoding="ascii").splitlines()
    for line in lines:
        first, end, executed, taken = map(int, line.split())
        before = found.get((first, end), (0, 0))
        found[first, end] = (before[0] + executed, before[1] + taken)
    return Counts(tuple(Block(*span, *counts) for span, counts in found.items()), int(reads))
