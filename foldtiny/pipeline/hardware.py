"""The steps that only a real board needs."""

from __future__ import annotations

from foldtiny.device import flash as flashing
from foldtiny.device.discover import Connected
from foldtiny.device.link import Device
from foldtiny.device.measure import check
from foldtiny.device.target import Target
from foldtiny.progress import ProgressFn, Reporter
from foldtiny.project import Project
from foldtiny.stages import StageOutput


def environment(project: Project, target: Target, model_hash: str, reporter: Reporter, *, dry_run: bool) -> str:
    """Return the PlatformIO environment whose image runs (or will run) at the target.

    Where nothing is flashed, the board is asked first: the footprint must be that of the image it runs, and a twin
    on a port must not pass for hardware. A Linux board runs the very program that its twin runs.
    """
    board = project.board
    real = target.port is not None
    if target.port is not None and not target.flash and not dry_run:
        with Device.open(target.port) as device:
            real = not check(device, board, model_hash).simulated
        if not real:
            reporter.note(
                f"the {board.name} on {target.port} says that it is a simulated twin: its figures are not a board's"
            )
    return (project.environments["hardware"] if real else None) or board.simulator.environment


def flash(project: Project, environment: str, connected: Connected, progress: ProgressFn) -> StageOutput:
    """Write the firmware onto the board; the result names the port on which it came back."""
    after = flashing.flash(project, environment, connected, progress=progress)
    moved = f", which came back as {after.port}" if after.port != connected.port else ""
    result = {"port": after.port, "serial": after.serial, "flashed_through": connected.port}
    return StageOutput(result, f"{project.board.title} on {connected.port}{moved}")
