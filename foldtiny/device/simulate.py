"""Simulated boards: the twin runs in QEMU, its serial line is a pty that pyserial opens like a real port."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import tty
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO

from foldtiny.boards import Board
from foldtiny.device import child, counter
from foldtiny.device.build import Firmware
from foldtiny.errors import MeasureError


class Simulator:
    """A running twin; leave the ``with`` block and it is gone. ``port`` is the serial port's name."""

    def __init__(self, board: Board, process: subprocess.Popen[bytes], log: IO[bytes], slave: int, port: str) -> None:
        self.board = board
        self.port = port
        self._process = process
        self._log = log
        self._slave = slave

    def __enter__(self) -> Simulator:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """Process number of the simulator."""
        return self._process.pid

    def stop(self) -> None:
        """End the simulator; harmless when it has ended."""
        child.stop(self._process)
        with contextlib.suppress(OSError):
            os.close(self._slave)
        self._slave = -1
        self._log.close()

    def check(self) -> None:
        """Make sure that the twin still runs.

        Raises
        ------
        MeasureError
            If it has ended; with the last thing it said.
        """
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(0.05)
        code = self._process.poll()
        if code is not None:
            self._log.seek(0)
            said = self._log.read().decode("utf-8", "replace").strip().splitlines()
            raise MeasureError(
                f"the simulator of {self.board.name} ({self.board.simulator.title}) ended early with status {code}: "
                f"{said[-1] if said else 'it said nothing'}",
                "run the command again; if it stays, the firmware crashes",
            )


def start(board: Board, firmware: Firmware | Path, extra: Sequence[str] = ()) -> Simulator:
    """Start the twin of a board with a firmware image.

    Parameters
    ----------
    firmware : Firmware or Path
        A built image, or its ELF file.
    extra : sequence of str
        More arguments for the simulator.

    Raises
    ------
    MeasureError
        If the simulator is not installed or the firmware is missing.
    """
    spec = board.simulator
    program = shutil.which(spec.command[0])
    if program is None:
        packages = " ".join(spec.packages[spec.command[0]])
        raise MeasureError(
            f"{spec.command[0]}, which simulates {board.name}, is not installed",
            f"install it with: apt-get install {packages}",
        )
    elf = firmware if isinstance(firmware, Path) else firmware.elf
    if not elf.is_file():
        raise MeasureError(f"there is no firmware at {elf}", "build the project first")
    names = {"{elf}": str(elf.resolve())}
    if "{counter}" in spec.command:
        names["{counter}"] = str(counter.plugin())
    command = [program, *(names.get(part, part) for part in spec.command[1:]), *extra]
    # The twin gets the master side as its standard input and output, so the slave is an ordinary port with a name.
    # We keep the slave open: without any opener the master reads an error.
    master, slave = os.openpty()
    tty.setraw(slave)
    port = os.ttyname(slave)  # before the twin starts: the name of a terminal whose other end is gone cannot be asked
    log = tempfile.TemporaryFile()  # noqa: SIM115 (lives as long as the simulator)
    try:
        process = subprocess.Popen(
            command,
            stdin=master,
            stdout=master,
            stderr=log,
            start_new_session=True,
            preexec_fn=child.die_with_parent(),
        )
    except OSError as error:
        os.close(slave)
        log.close()
        raise MeasureError(f"{program} cannot be started: {error}", "check its installation") from error
    finally:
        os.close(master)
    simulator = Simulator(board, process, log, slave, port)
    try:
        simulator.check()
    except MeasureError:
        simulator.stop()
        raise
    return simulator
