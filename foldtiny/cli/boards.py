"""``foldtiny boards``, ``doctor`` and ``monitor``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from foldtiny.cli.app import app
from foldtiny.cli.options import Json, Output, Port, Serial


@app.command(epilog="Example: foldtiny boards")
def boards(as_json: Json = False) -> None:
    """List the boards, their limits, their simulated twins, and which are connected."""
    from foldtiny import boards as known
    from foldtiny.console import print_boards, print_json
    from foldtiny.device.discover import ports_by_board

    found = list(known.load_all().values())
    connected = ports_by_board(found)
    if as_json:
        print_json([board.model_dump(mode="json") | {"connected": connected[board.name]} for board in found])
    else:
        print_boards(found, connected)


@app.command(epilog="Example: foldtiny doctor --board nano33ble")
def doctor(
    board: Annotated[str | None, typer.Option(help="Look only for what this board needs.")] = None,
    runtime: Annotated[str, typer.Option(help="tflm: look for what that runtime needs, too.")] = "aot",
    fix_permissions: Annotated[
        bool, typer.Option("--fix-permissions", help="Write udev rules for the boards' ports, after asking.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Check this machine; each line that is not ok names the command that mends it."""
    from foldtiny import boards as known
    from foldtiny.console import ask, print_checks, print_json
    from foldtiny.device import permissions
    from foldtiny.device.doctor import examine
    from foldtiny.pipeline import DeployRequest

    if fix_permissions:
        typer.echo(permissions.fix_permissions(ask))
        return
    DeployRequest(board="", runtime=runtime).check()
    checks = examine([known.get(board)] if board else None, runtime=runtime)
    if as_json:
        print_json([check.to_dict() for check in checks])
    else:
        print_checks(checks)
    if any(check.status == "fail" for check in checks):
        raise typer.Exit(1)


@app.command(epilog="Example: foldtiny monitor --board esp-eye --image boot.png")
def monitor(
    board: Annotated[str, typer.Option(help="Which board: see `foldtiny boards`.")],
    port: Port = "auto",
    serial: Serial = None,
    image: Annotated[list[Path] | None, typer.Option(help="A picture, or a folder of them; may be repeated.")] = None,
    data: Annotated[str, typer.Option(help="Without --image: images to show, as --data of deploy.")] = "auto",
    invert: Annotated[bool, typer.Option("--invert", help="Swap light and dark of --image.")] = False,
    count: Annotated[int, typer.Option(help="Stop after so many; 0: all of --image, --data until Ctrl-C.")] = 0,
    interval: Annotated[float, typer.Option(help="Seconds from one picture to the next.")] = 0.5,
    output: Output = Path("build"),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")] = False,
) -> None:
    """Show pictures to the board that was deployed to, and what it sees in them."""
    from foldtiny.console import ConsoleReporter, print_sighting
    from foldtiny.pipeline.monitor import MonitorRequest
    from foldtiny.pipeline.monitor import monitor as run

    request = MonitorRequest(board, port, serial, tuple(image or ()), data, invert, count, interval, output)
    with ConsoleReporter() as reporter:
        for sighting in run(request, reporter):
            print_sighting(sighting, as_json=as_json)
