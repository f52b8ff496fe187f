"""The steps that only a real board needs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from foldtiny.boards import Board
from foldtiny.device import build_remote, console, power, ssh, upstream
from foldtiny.device import flash as flashing
from foldtiny.device.link import Device
from foldtiny.device.measure import check
from foldtiny.device.target import Target
from foldtiny.progress import ProgressFn, Reporter
from foldtiny.project import Project
from foldtiny.stages import StageOutput


def require(board: Board, target: Target) -> None:
    """Make sure that a board on a port can be built for.

    Raises
    ------
    BuildError
        If PlatformIO's platform for it is neither installed nor to be downloaded.
    """
    # Without flashing, what answers on the port may be a twin, which needs none.
    if target.port is not None and target.flash and board.hardware is not None:
        upstream.require(board)


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


def _copied(port: str, machine: ssh.Machine) -> StageOutput:
    about = ", ".join(part for part in (machine.model, machine.governor and f"governor {machine.governor}") if part)
    summary = f"copied to {port}{f' ({about})' if about else ''}"
    return StageOutput({"port": port, "serial": None, "machine": machine.to_dict()}, summary)


def build_there(project: Project, url: str, elf: Path, flags: Sequence[str], progress: ProgressFn) -> StageOutput:
    """Build a Linux board's program on the board."""
    sizes = build_remote.compile_there(project, url, elf, flags, progress=progress)
    summary = (
        f"on {url}, for want of a compiler here: flash {sizes.flash_total:,} B (model {sizes.flash_model:,}, "
        f"engine {sizes.flash_engine:,}), static RAM {sizes.ram_static:,} B"
    )
    return StageOutput(sizes.to_dict(), summary, (elf,))


@contextmanager
def powered(target: Target, mode: int | None, reporter: Reporter) -> Iterator[None]:
    """Hold a Jetson in a power mode where one is asked for; what was there before comes back, and both are noted."""
    if mode is None or target.port is None:
        yield
        return
    with power.held(target.port, mode) as found:
        reporter.note(
            f"power mode {mode} with pinned clocks on {target.port} while measuring; "
            f"afterwards mode {found.before} and the clocks as they were"
        )
        yield


def flash(project: Project, environment: str, target: Target, program: Path, progress: ProgressFn) -> StageOutput:
    """Write the firmware onto the board; the result names the port on which it came back."""
    if target.connected is None:
        assert target.port is not None
        return _copied(target.port, ssh.copy(target.port, program))
    if project.board.hardware is None:
        return _copied(target.port or "", console.start(target.connected.port, program, progress=progress))
    after = flashing.flash(project, environment, target.connected, progress=progress)
    moved = f", which came back as {after.port}" if after.port != target.port else ""
    result = {"port": after.port, "serial": after.serial, "flashed_through": target.port}
    return StageOutput(result, f"{project.board.title} on {target.port}{moved}")
