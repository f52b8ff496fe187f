"""From a run on a board (or its twin) to the figures of the table, each with its source."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from foldtiny.boards import Board
from foldtiny.device import footprint, parts
from foldtiny.device.target import Target
from foldtiny.pipeline.board import BoardRun
from foldtiny.pipeline.model import ReadyModel
from foldtiny.table2.cells import Figures, K, M

# What TFLite Micro's interpreter keeps in RAM for the poster's network beside the tensors, on a 32-bit processor:
# in the arena its description of tensors and operators, and for each channel of a convolution a multiplier and a shift
# (in float32 too); outside it the MicroInterpreter and a resolver of four operators. Counted with TFLite Micro on a
# simulated Cortex-M4; benchmarks/interpreter_ram.py counts again.
DESCRIPTION_BYTES = 1272
DESCRIPTION_BYTES_PER_CHANNEL = 8
OBJECT_BYTES = 208 + 156
_ALIGNMENT = 16
_OURS = ("model", "engine", "firmware")


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bytes of an image; what a Linux program has of the C library is apart."""

    flash: int
    ram_static: int
    library: tuple[int, int] = (0, 0)


def interpreter_bytes(channels: int) -> int:
    """Return what an interpreter keeps in RAM for LeNet5 with this many channels of convolutions, in bytes."""
    description = DESCRIPTION_BYTES + DESCRIPTION_BYTES_PER_CHANNEL * channels
    return -(-description // _ALIGNMENT) * _ALIGNMENT + OBJECT_BYTES


def sizes(board: Board, elf: Path) -> Sizes:
    """Return an image's sizes.

    On a board with limits everything in the image counts. A Linux program is linked with the C library in it, which
    the board's system has anyway: only the network, its kernels and the firmware count.
    """
    image = footprint.read(elf)
    if board.limits.flash_bytes is not None:
        return Sizes(image.flash_total, image.ram_static)
    flash = sum(symbol.size for symbol in image.symbols if symbol.memory == "flash" and _is_ours(symbol.name))
    ram = sum(symbol.size for symbol in image.symbols if symbol.memory == "ram" and _is_ours(symbol.name))
    ram -= image.stack_reserved
    return Sizes(flash, ram, (image.flash_total - flash, image.ram_static - ram))


def _is_ours(symbol: str) -> bool:
    return parts.part_of(symbol)[0] in _OURS


def misfit(board: Board, run: BoardRun) -> str | None:
    """Return in a few words how an image does not fit a board, or None where it fits.

    The stack that the firmware reserves is not counted: it only takes what is left.
    """
    flash, ram = board.limits.flash_bytes, board.limits.ram_bytes
    if flash is not None and run.flash.total > flash:
        return f"does not fit: {run.flash.total / M:.1f} M > {flash / M:.2f} M"
    if ram is not None and run.ram.total > ram:
        return f"does not fit: {run.ram.total / K:.1f} K of RAM > {ram / K:.1f} K"
    return None


def collect(board: Board, target: Target, model: ReadyModel, run: BoardRun, *, like_poster: bool) -> Figures:
    """Gather what a run gave.

    Parameters
    ----------
    board : Board
        The real board, whose limits count.
    target : Target
        Where it ran.
    model : ReadyModel
    run : BoardRun
    like_poster : bool
        Whether RAM is to be what the poster's tool counts: tensors and an interpreter's own data, no stack.
    """
    size = sizes(board, Path(run.artefacts["firmware"]))
    firmware = size.ram_static + run.ram.stack
    system = "; without the C library, which Linux has" if board.limits.flash_bytes is None else ""
    widths = {name: after for name, (_, after) in model.folding["layers"].items()}
    ram, interpreter = firmware, 0
    ram_source = f"static RAM of the image, and the stack that was used on {run.device}{system}"
    if like_poster:
        channels = sum(layer["output_shape"][-1] for layer in run.layers if "CONV_2D" in layer["operators"])
        interpreter = interpreter_bytes(channels)
        ram = run.ram.planned + interpreter
        ram_source = (
            f"tensors in the image ({run.ram.planned:,} B) and what TFLite Micro's interpreter keeps for this network "
            f"({interpreter:,} B, counted on a simulated Cortex-M4); our firmware has no interpreter: {firmware:,} B"
        )
    over = misfit(board, run)
    roomy = ", with the flash enlarged" if over else ""
    ms, source, ms_source, spread = _time(board, target, run, roomy)
    scored = run.accuracy.deployed if model.precision == "int8" else run.accuracy.folded
    how = "the generated C on this machine" if model.precision == "int8" else "the folded network in torch, float32"
    return Figures(
        ms=ms,
        source=source,
        ms_source=ms_source,
        ms_range=spread,
        instructions=run.latency.instructions,
        ram=ram,
        ram_source=ram_source,
        ram_firmware=firmware,
        ram_tensors=run.ram.planned,
        ram_interpreter=interpreter,
        flash=size.flash,
        flash_source=f"the built image{roomy}{system}",
        library=size.library,
        fits=over is None,
        misfit=over,
        precision=model.precision,
        optimize=run.optimize,
        method=model.method or "",
        parameters=model.parameters.folded or 0,
        removed=model.sparsity or 0.0,
        layers=widths,
        exact=_exact(run),
        accuracy=scored,
        accuracy_source=None if scored is None else f"{how}; {run.accuracy.images:,} images of {run.accuracy.dataset}",
    )


def _time(
    board: Board, target: Target, run: BoardRun, roomy: str
) -> tuple[float, str, str, tuple[float, float] | None]:
    """Return milliseconds, the kind of source, the source in words, and the range of an estimate."""
    latency = run.latency
    milliseconds = latency.ms or 0.0
    if run.source == "hardware":
        return milliseconds, "hardware", f"{board.title} on {target.port}, median of {latency.runs}", None
    counted = f"{latency.instructions:,} instructions on {run.device}{roomy}"
    guess = latency.estimated
    if guess is not None:
        said = f"{guess.model}, {guess.ms_low:.1f} to {guess.ms_high:.1f} ms at {board.clock_hz / 1e6:g} MHz; {counted}"
        return guess.ms_high, "estimated", said, (guess.ms_low, guess.ms_high)
    return milliseconds, "simulated", f"{counted}, at {board.clock_hz / 1e6:g} MHz and one a cycle", None


def _exact(run: BoardRun) -> str:
    exact = run.bit_exact
    if exact.tolerance:
        return f"{exact.checked} outputs within {exact.max_abs_difference:.1e} of {exact.reference}"
    return f"{exact.matching}/{exact.checked} bit-exact"
