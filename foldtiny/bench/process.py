"""Starts a cell's own process on this machine, and says how it ended whatever happened to it."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from foldtiny.bench.cell import Cell
from foldtiny.bench.run import Outcome, Tell
from foldtiny.device import child
from foldtiny.errors import MeasureError


class LocalRunner:
    """Runs cells in processes of this machine; several threads may call it.

    Parameters
    ----------
    output : Path
        Folder of the whole benchmark.
    simulated : bool
        Run on twins, whatever is connected.
    """

    def __init__(self, output: Path, *, simulated: bool = False) -> None:
        self._output, self._simulated = output, simulated
        self._lock = threading.Lock()
        self._processes: set[subprocess.Popen[bytes]] = set()
        self._stopped = False

    def __call__(self, cell: Cell, tell: Tell) -> Outcome:
        """Run one cell."""
        job = {"cell": cell.to_dict(), "output": str(self._output), "simulated": self._simulated}
        with tempfile.TemporaryFile() as errors:
            process = self._start(errors)
            try:
                outcome = _follow(process, job, tell)
                status = process.wait()
            finally:
                with self._lock:
                    self._processes.discard(process)
                child.stop(process)  # and whatever it left behind
            return outcome or _crashed(cell, status, errors)

    def stop(self) -> None:
        """End the cells at work, with all that they started."""
        with self._lock:
            self._stopped = True
            processes = list(self._processes)
        for process in processes:
            child.stop(process)

    def _start(self, errors: Any) -> subprocess.Popen[bytes]:
        # Cells at work side by side have more threads than cores; waiting ones must not spin.
        variables = {"OMP_WAIT_POLICY": "PASSIVE", **os.environ}
        with self._lock:
            if self._stopped:
                raise MeasureError("the benchmark was stopped", "go on with --resume")
            process = subprocess.Popen(
                [sys.executable, "-m", "foldtiny.bench.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=variables,
                start_new_session=True,
                preexec_fn=child.die_with_parent(),
            )
            self._processes.add(process)
            return process


def _follow(process: subprocess.Popen[bytes], job: dict[str, Any], tell: Tell) -> Outcome | None:
    assert process.stdin is not None and process.stdout is not None
    outcome = None
    try:
        process.stdin.write(json.dumps(job).encode())
        process.stdin.close()
    except BrokenPipeError:
        return None
    with process.stdout:
        for line in process.stdout:
            try:
                message = json.loads(line)
            except ValueError:  # the last words of a process that was killed
                continue
            if "stage" in message:
                tell(message["stage"])
            else:
                outcome = Outcome(**message["outcome"])
    return outcome


def _crashed(cell: Cell, status: int, errors: Any) -> Outcome:
    errors.seek(0)
    text = errors.read()[-20_000:].decode("utf-8", "replace")
    last = next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "it said nothing")
    if status < 0:
        how = f"was ended by {signal.Signals(-status).name}"
        hint = "perhaps for lack of memory: try --jobs 1" if -status == signal.SIGKILL else "repeat it with --resume"
    else:
        how, hint = f"ended with status {status}: {last}", "this is a bug: please report it"
    return Outcome.failed(MeasureError(f"the process of {cell.label} {how}", hint))


def plain(outcome: Outcome) -> dict[str, Any]:
    """Return an outcome as plain values, to be sent to another machine."""
    return dataclasses.asdict(outcome)
