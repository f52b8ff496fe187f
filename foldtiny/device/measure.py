"""Runs inputs on a board or its twin, compares every output byte, and turns ticks into time."""

from __future__ import annotations

import math
import statistics
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from foldtiny.boards import Board
from foldtiny.device import simulate
from foldtiny.device.build import Firmware
from foldtiny.device.hello import Hello, Tensor
from foldtiny.device.link import Device, StackUse
from foldtiny.errors import LinkError, MeasureError

Progress = Callable[[str, float], None]
Source = Literal["hardware", "simulated"]
_LAYOUTS = {"int8": "b", "uint8": "B", "int16": "h", "int32": "i", "float32": "f"}


class Array(Protocol):
    """An array that knows its bytes, such as NumPy's."""

    def tobytes(self) -> bytes: ...


Sample = Sequence[bytes | Array]


@dataclass(frozen=True, slots=True)
class Latency:
    """Time of one inference over all runs, in the unit of the board's counter.

    ``ms_*`` takes an instruction for a cycle on simulators that count instructions.
    """

    unit: str
    minimum: int
    median: int
    p95: int
    runs: int
    ms_minimum: float
    ms_median: float
    ms_p95: float

    def to_dict(self) -> dict[str, Any]:
        """Return the figures under the names that foldtiny's JSON uses."""
        return {
            "instructions": self.median if self.unit == "instructions" else None,
            "cycles": self.median if self.unit == "cycles" else None,
            "ms": self.ms_median,
            "ms_min": self.ms_minimum,
            "ms_p95": self.ms_p95,
            "unit": self.unit,
            "min": self.minimum,
            "median": self.median,
            "p95": self.p95,
            "runs": self.runs,
        }


@dataclass(frozen=True, slots=True)
class Mismatch:
    """The first output value that differs from the reference."""

    sample: int
    output: int
    index: int
    found: float
    expected: float


@dataclass(frozen=True, slots=True)
class Measurement:
    """What a board (``source`` hardware) or its twin (simulated) did with the inputs.

    ``checked`` and ``matching`` count samples whose outputs were compared, and are the same to the byte.
    ``max_difference`` is the largest difference of an output value, in its own unit. ``outputs`` are the raw outputs
    per sample. ``layers`` is what each layer took in the last run, in the unit of ``latency``, where the firmware was
    built with profiling.
    """

    source: Source
    simulator: str | None
    meaning: str
    hello: Hello
    latency: Latency
    stack: StackUse
    checked: int
    matching: int
    max_difference: float
    first_mismatch: Mismatch | None
    retries: int
    outputs: tuple[tuple[bytes, ...], ...]
    layers: tuple[int, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, without the outputs."""
        mismatch = self.first_mismatch
        return {
            "source": self.source,
            "simulator": self.simulator,
            "meaning": self.meaning,
            "latency": self.latency.to_dict(),
            "stack_bytes": {"high_water": self.stack.high_water_bytes, "reserved": self.stack.reserved_bytes},
            "arena_bytes": self.hello.arena_bytes,
            "bit_exact": {"checked": self.checked, "matching": self.matching},
            "max_difference": self.max_difference,
            "first_mismatch": None
            if mismatch is None
            else {
                "sample": mismatch.sample,
                "output": mismatch.output,
                "index": mismatch.index,
                "found": mismatch.found,
                "expected": mismatch.expected,
            },
            "link_retries": self.retries,
            "layers": list(self.layers),
        }


def measure(
    board: Board,
    firmware: Firmware | Path,
    inputs: Sequence[Sample],
    expected: Sequence[Sample],
    progress: Progress | None = None,
    *,
    model_hash: str | None = None,
    timeout_s: float = 20.0,
    run_timeout_s: float = 600.0,
) -> Measurement:
    """Start the board's twin with a firmware image and measure on it.

    Parameters
    ----------
    board : Board
    firmware : Firmware or Path
        A built image, or its ELF file.
    inputs : sequence of samples
        Per sample one array or ``bytes`` per input, in the model's own type and layout.
    expected : sequence of samples
        What the reference makes of them, per sample and output.
    progress : callable, optional
        Called with a label and a fraction from 0 to 1.
    model_hash : str, optional
        The model that the firmware must run.

    Raises
    ------
    MeasureError
        If the simulator is missing or ends early.
    LinkError
        If the twin does not answer, or runs something else.
    """
    with simulate.start(board, firmware) as simulator:
        try:
            with Device.open(simulator.port, timeout_s=timeout_s, run_timeout_s=run_timeout_s) as device:
                return measure_device(device, board, inputs, expected, progress, model_hash=model_hash)
        except LinkError:
            simulator.check()  # a twin that has died explains itself better than a silent port
            raise


def measure_port(
    board: Board,
    port: str,
    inputs: Sequence[Sample],
    expected: Sequence[Sample],
    progress: Progress | None = None,
    *,
    model_hash: str | None = None,
    timeout_s: float = 20.0,
    run_timeout_s: float = 600.0,
) -> Measurement:
    """Measure on the board at a port; see :func:`measure`.

    Raises
    ------
    LinkError
        If the port cannot be used, the board does not answer, or it is another board or model.
    """
    with Device.open(port, timeout_s=timeout_s, run_timeout_s=run_timeout_s) as device:
        return measure_device(device, board, inputs, expected, progress, model_hash=model_hash)


def measure_device(
    device: Device,
    board: Board,
    inputs: Sequence[Sample],
    expected: Sequence[Sample],
    progress: Progress | None = None,
    *,
    model_hash: str | None = None,
) -> Measurement:
    """Measure on a board that is already connected; see :func:`measure`.

    The board itself says whether it is a twin: a simulated board on a port is still simulated.
    """
    if not inputs or len(inputs) != len(expected):
        raise MeasureError(
            f"{len(inputs)} inputs and {len(expected)} expected outputs were given", "give one output for each input"
        )
    hello = check(device, board, model_hash)
    source: Source = "simulated" if hello.simulated else "hardware"
    device.reset()
    if source == "hardware":
        device.infer(_raw(inputs[0]))  # fills caches; a simulator has none
    ticks: list[int] = []
    outputs: list[tuple[bytes, ...]] = []
    for number, sample in enumerate(inputs, start=1):
        inference = device.infer(_raw(sample))
        ticks.append(inference.ticks * hello.tick_scale)
        outputs.append(tuple(inference.outputs))
        if progress is not None:
            progress(f"running on {board.name}", number / len(inputs))
    wanted = [tuple(_raw(sample)) for sample in expected]
    difference, mismatch = _compare(hello.outputs, outputs, wanted)
    return Measurement(
        source=source,
        simulator=board.simulator.title if source == "simulated" else None,
        meaning=_meaning(board, hello),
        hello=hello,
        latency=_latency(hello, ticks),
        stack=device.stack(),
        checked=len(outputs),
        matching=sum(found == want for found, want in zip(outputs, wanted, strict=True)),
        max_difference=difference,
        first_mismatch=mismatch,
        retries=device.retries,
        outputs=tuple(outputs),
        layers=tuple(layer.ticks * hello.tick_scale for layer in device.profile()) if hello.profile else (),
    )


def check(device: Device, board: Board, model_hash: str | None = None) -> Hello:
    """Make sure that the right board with the right model is on a port.

    Raises
    ------
    LinkError
        If it is another board or model, or nothing answers.
    """
    hello = device.hello()
    if hello.board != board.name:
        raise LinkError(
            f"the board on {device.name} is a {hello.board}, not a {board.name}", "choose another --port or --board"
        )
    if model_hash is not None:
        device.check_model(model_hash)
    return hello


def _meaning(board: Board, hello: Hello) -> str:
    if not hello.simulated:
        return f"{hello.tick_kind} of the board's own clock"
    if hello.tick_kind == "instructions":
        return board.simulator.meaning
    return "time that the simulator took on this machine, which says nothing about the board"


def _raw(sample: Sample) -> list[bytes]:
    return [data if isinstance(data, bytes) else data.tobytes() for data in sample]


def _latency(hello: Hello, spent: list[int]) -> Latency:
    """Summarise runs; the 95th percentile is the smallest value that at least 95 % of the runs do not exceed."""
    ordered = sorted(spent)
    median = int(statistics.median_low(ordered))
    p95 = ordered[math.ceil(0.95 * len(ordered)) - 1]
    per_ms = 1e6 if hello.tick_kind == "nanoseconds" else hello.clock_hz / 1e3
    return Latency(
        unit=hello.tick_kind,
        minimum=ordered[0],
        median=median,
        p95=p95,
        runs=len(ordered),
        ms_minimum=ordered[0] / per_ms,
        ms_median=median / per_ms,
        ms_p95=p95 / per_ms,
    )


def _compare(
    tensors: tuple[Tensor, ...], found: Sequence[tuple[bytes, ...]], expected: Sequence[tuple[bytes, ...]]
) -> tuple[float, Mismatch | None]:
    """Return the largest difference of a value, and the first value whose bytes differ."""
    largest, first = 0.0, None
    for sample, (got, want) in enumerate(zip(found, expected, strict=True)):
        sizes = [tensor.bytes for tensor in tensors]
        if [len(data) for data in want] != sizes:
            raise MeasureError(
                f"the reference gives outputs of {[len(data) for data in want]} bytes, the board {sizes}",
                "compare with the same model",
            )
        for output, tensor in enumerate(tensors):
            if got[output] == want[output]:
                continue
            width = struct.calcsize(_LAYOUTS[tensor.dtype])
            layout = f"<{tensor.bytes // width}{_LAYOUTS[tensor.dtype]}"
            values = zip(struct.unpack(layout, got[output]), struct.unpack(layout, want[output]), strict=True)
            for index, (left, right) in enumerate(values):
                if struct.pack("<d", left) == struct.pack("<d", right):
                    continue
                largest = max(largest, abs(left - right)) if math.isfinite(left - right) else math.inf
                first = first or Mismatch(sample, output, index, left, right)
    return largest, first
