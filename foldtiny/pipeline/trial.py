"""What a network takes on a board: converted, compiled, built and, where need be, run; no image is classified."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from foldtiny.boards import Board
from foldtiny.device.build import TooLargeError
from foldtiny.device.target import Target, choose
from foldtiny.pipeline import hardware, steps
from foldtiny.pipeline.limits import Limits
from foldtiny.pipeline.request import DeployRequest
from foldtiny.progress import Reporter
from foldtiny.project import Project
from foldtiny.result import Candidate

if TYPE_CHECKING:
    from torch import nn

    from foldtiny.fold.candidates import Candidates

#: Steps of the search in the fraction removed: a thousandth.
SCALE = 1000
# Enough for the converter: what a network takes does not depend on its quantisation.
_IMAGES = 4
# A twin counts the same every time; on a real board the median of some.
_RUNS_SIMULATED, _RUNS_HARDWARE = 1, 5


@dataclass
class Trials:
    """Tries networks of one model on one board.

    Parameters
    ----------
    request : DeployRequest
        With the limits in its ``folding``.
    board : Board
    target : Target
    directory : Path
        For the project.
    candidates : Candidates
    input_shape : tuple
    calibration : float array, optional
    title : str
    class_names : tuple of str
        As the deployment will have them: they are in the firmware.
    reporter : Reporter
    """

    request: DeployRequest
    board: Board
    target: Target
    directory: Path
    candidates: Candidates
    input_shape: tuple[int, int, int]
    calibration: npt.NDArray[np.float32] | None
    title: str
    class_names: tuple[str, ...]
    reporter: Reporter
    _known: dict[tuple[tuple[str, int], ...], Candidate] = field(default_factory=dict)

    @property
    def limits(self) -> Limits:
        limits = self.request.folding.limits
        assert limits is not None
        return limits

    @property
    def last(self) -> int:
        """The largest step that some width reaches."""
        return int(self.candidates.reachable * SCALE + 1e-9)

    def at(self, step: int) -> Candidate:
        """Try a network with ``step`` thousandths of its parameters removed."""
        widths = self.candidates.widths(step / SCALE)
        key = tuple(sorted(widths.items()))
        if key not in self._known:
            self._known[key] = self.of(self.candidates.at(widths), step, self.candidates.parameters(widths))
        return dataclasses.replace(self._known[key], removed=step / SCALE)

    def of(self, module: nn.Module, step: int, parameters: int, weights: str = "placeholder") -> Candidate:
        """Try a network; with ``optimize="auto"`` for speed, and for size where that does not fit."""
        from foldtiny.convert import convert

        given = self.calibration
        if given is None:
            given = np.random.default_rng(self.request.seed).random((_IMAGES, *self.input_shape), dtype=np.float32)
        content = convert(
            module, self.input_shape, precision=self.request.precision, calibration=given[:_IMAGES],
            seed=self.request.seed,
        ).data  # fmt: skip
        best: Candidate | None = None
        for optimize in ("speed", "size") if self.request.optimize == "auto" else (self.request.optimize,):
            found = self._built(content, optimize)
            found = dataclasses.replace(found, removed=step / SCALE, parameters=parameters, weights=weights)
            # What was only bounded from below is no figure to compare with.
            if best is None or (found.at_least, found.need) < (best.at_least, best.need):
                best = found
            if best.fits:
                break
        assert best is not None
        return best

    def _built(self, content: bytes, optimize: str) -> Candidate:
        """Compile and build for one aim; run it where RAM (its stack) or time is limited."""
        from foldtiny.device import build as firmware

        request = self.request
        compiled = steps.compile_project(
            content, self.board, self.directory, title=self.title, optimize=optimize,
            class_names=self.class_names, profile=request.profile,
        )  # fmt: skip
        constants = sum(layer["constant_bytes"] for layer in compiled.result["layers"])
        arena = int(compiled.result["arena_bytes"])
        most = self.limits.flash_bytes or self.board.limits.flash_bytes
        if most is not None and constants > most:
            return self._judged(optimize, constants, arena, None, at_least=True, board_need=constants / most)
        environments = {name: compiled.result["environments"].get(name) for name in ("hardware", "simulated")}
        project = Project(self.directory, self.board, environments)
        model_hash = compiled.result["model_hash"]
        environment = hardware.environment(project, self.target, model_hash, self.reporter, dry_run=True)
        try:
            built = firmware.build(project, environment)
        except TooLargeError as error:
            flash = error.needed if error.memory == "flash" else constants
            return self._judged(optimize, flash, arena, None, at_least=True, board_need=error.needed / error.limit)
        flash, static = built.footprint.flash_total, built.footprint.ram_static
        nothing_to_run = self.limits.ram_bytes is None and self.limits.ms is None
        # A real board is not flashed for an image that is too large already.
        in_vain = self.target.port is not None and flash > (self.limits.flash_bytes or flash)
        if nothing_to_run or in_vain:
            return self._judged(optimize, flash, None, None)
        measured = self._run(project, environment, built.elf, content, model_hash)
        return self._judged(optimize, flash, static + measured["stack_bytes"]["high_water"], milliseconds(measured))

    def _run(self, project: Project, environment: str, elf: Path, content: bytes, model_hash: str) -> dict[str, Any]:
        from foldtiny import reference
        from foldtiny.device import cycles
        from foldtiny.device.measure import measure, measure_port

        real = self.target.port is not None
        inputs = reference.random_inputs(content, _RUNS_HARDWARE if real else _RUNS_SIMULATED, self.request.seed)
        expected = reference.outputs(content, inputs)
        if not real:
            measured = measure(self.board, elf, inputs, expected, model_hash=model_hash).to_dict()
            if self.limits.ms is not None and cycles.supports(self.board):
                estimate = cycles.estimate(self.board, elf, [array.tobytes() for array in inputs[0]])
                measured["estimated"] = estimate.to_dict()
            return measured
        port = self.target.port
        if self.target.flash:
            port = hardware.flash(project, environment, self.target, elf, self.reporter.progress).result["port"]
            if self.target.connected is not None and port != self.target.port:
                self.target = choose(self.board, str(port), self.request.serial)
        assert port is not None
        return measure_port(self.board, port, inputs, expected, model_hash=model_hash).to_dict()

    def _judged(
        self,
        optimize: str,
        flash: int | None,
        ram: int | None,
        ms: float | None,
        *,
        at_least: bool = False,
        board_need: float = 0.0,
    ) -> Candidate:
        need = max(board_need, need_of(self.limits, flash, ram, ms))
        return Candidate(0.0, 0, optimize, flash, ram, ms, need, need <= 1.0, at_least)


def need_of(limits: Limits, flash: int | None, ram: int | None, ms: float | None) -> float:
    """Return the largest share of a limit that some figures take."""
    pairs = ((flash, limits.flash_bytes), (ram, limits.ram_bytes), (ms, limits.ms))
    return max((found / limit for found, limit in pairs if found is not None and limit is not None), default=0.0)


def milliseconds(measured: dict[str, Any]) -> float:
    """Return the time that a limit is held against: the upper end of an estimate where there is one."""
    estimated = measured.get("estimated")
    return float(estimated["ms_high"] if estimated else measured["latency"]["ms"])


def basis(board: Board, target: Target) -> str:
    """Say what the times are."""
    from foldtiny.device import cycles

    if target.port is not None:
        return "measured on the board"
    if cycles.supports(board):
        return "estimated: upper end of the cycles by the processor's timing table"
    return f"simulated: instructions at {board.clock_hz / 1e6:g} MHz, one a cycle"
