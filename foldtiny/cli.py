"""The command line: parse, call one function, print. Everything heavy is imported inside the command that needs it."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from foldtiny import __version__
from foldtiny.errors import FoldtinyError, UsageError, reason

app = typer.Typer(
    name="foldtiny",
    help="Fold a trained network, quantise it, compile it to C and run it on a microcontroller.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)

INTERRUPTED = 130

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout and nothing else there.")]
Model = Annotated[
    str,
    typer.Option(
        help="A checkpoint, a network of the zoo (all but lenet5 with --weights), or package.module:factory. "
        "'default' is the shipped LeNet5, trained on Fashion-MNIST."
    ),
]
Weights = Annotated[Path | None, typer.Option(help="Weights for --model: a checkpoint or a state dict.")]
InputShape = Annotated[
    str | None, typer.Option(help="Input of one image, channels first, for example 3x96x96 (for your own networks).")
]
Data = Annotated[
    str | None,
    typer.Option(
        help="Images for accuracy, calibration and the runs on the board: "
        "auto, subset, fashion-mnist[:DIR], cifar10:DIR, npz:FILE, npy:FILE."
    ),
]
Sparsity = Annotated[float, typer.Option(help="Fraction of the parameters to remove, from 0 to below 1.")]
Method = Annotated[
    str, typer.Option(help="combination (best), scale-aware, ward, kmeans; baselines: ifm, l1, l2, random.")
]
Budget = Annotated[str, typer.Option(help="uniform: all widths alike; params: widths that lose least.")]
Repair = Annotated[str, typer.Option(help="none, ls (better with --data), ar, dir (no data), data (needs --data).")]
Precision = Annotated[str, typer.Option(help="int8 or float32.")]
Seed = Annotated[int, typer.Option(help="Seed of everything random.")]
Port = Annotated[
    str,
    typer.Option(
        help="auto (a connected board, else its simulated twin), sim, a serial port such as /dev/ttyACM0 or COM3, "
        "socket://host:port, rfc2217://host:port, ssh://user@host."
    ),
]
Serial = Annotated[str | None, typer.Option(help="USB serial number of the board, where several are connected.")]
NoFlash = Annotated[bool, typer.Option("--no-flash", help="Measure what already runs on the board.")]
Profile = Annotated[
    bool, typer.Option("--profile", help="Say what each layer costs; the firmware is built to time them.")
]
Output = Annotated[Path, typer.Option("--output", "-o", help="Folder for everything that is written.")]


def _version(value: bool) -> None:
    if value:
        typer.echo(f"foldtiny {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    pass


@app.command(epilog="Example: foldtiny deploy --board esp-eye --sparsity 0.25")
def deploy(
    board: Annotated[str, typer.Option(help="Which board: see `foldtiny boards`.")],
    sparsity: Sparsity = 0.25,
    model: Model = "default",
    weights: Weights = None,
    input_shape: InputShape = None,
    data: Data = None,
    method: Method = "combination",
    budget: Budget = "uniform",
    repair: Repair = "none",
    precision: Precision = "int8",
    runtime: Annotated[str, typer.Option(help="aot: the network compiled to C.")] = "aot",
    optimize: Annotated[str, typer.Option(help="auto (speed where it fits), speed or size.")] = "auto",
    tflite: Annotated[
        Path | None, typer.Option(help="Deploy this .tflite file as it is, without folding or conversion.")
    ] = None,
    inputs: Annotated[
        Path | None, typer.Option(help="With --tflite: a .npy file of inputs, one per row (random ones otherwise).")
    ] = None,
    output: Output = Path("build"),
    port: Port = "auto",
    serial: Serial = None,
    no_flash: NoFlash = False,
    runs: Annotated[int, typer.Option(help="How many inferences are run and compared.")] = 32,
    seed: Seed = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Stop before a board is touched.")] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Do every stage again, even if its result could be reused.")
    ] = False,
    profile: Profile = False,
    as_json: Json = False,
) -> None:
    """Fold a network, convert it, compile it, and run it on a board (or on its simulated twin)."""
    from foldtiny.console import ConsoleReporter, print_json, print_layers, print_result
    from foldtiny.pipeline import DeployRequest, FoldOptions
    from foldtiny.pipeline import deploy as run

    request = DeployRequest(
        board=board,
        folding=FoldOptions(sparsity, method, budget, repair, seed),
        model=model,
        weights=weights,
        input_shape=parse_shape(input_shape),
        precision=precision,
        runtime=runtime,
        optimize=optimize,
        tflite=tflite,
        inputs=inputs,
        data=data,
        output=output,
        port=port,
        serial=serial,
        flash=not no_flash,
        runs=runs,
        seed=seed,
        reuse=not fresh,
        dry_run=dry_run,
        profile=profile,
    )
    with ConsoleReporter() as reporter:
        result = run(request, reporter)
    if result is None:
        return
    if as_json:
        print_json(result.to_dict())
    else:
        if result.layers:
            print_layers(result.layers)
        print_result(result)


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

    if fix_permissions:
        typer.echo(permissions.fix_permissions(ask))
        return
    checks = examine([known.get(board)] if board else None)
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
    image: Annotated[list[Path] | None, typer.Option(help="A PNG file, or a folder of them; may be repeated.")] = None,
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


@app.command(epilog="Example: foldtiny train --model lenet5 --data fashion-mnist --epochs 16 -o lenet5.pt")
def train(
    model: Annotated[str, typer.Option(help="A network of the zoo.")] = "lenet5",
    data: Annotated[str, typer.Option(help="fashion-mnist[:DIR], cifar10:DIR or npz:FILE.")] = "fashion-mnist",
    epochs: Annotated[int, typer.Option(help="Passes over the training images.")] = 16,
    seed: Seed = 0,
    output: Annotated[Path, typer.Option("--output", "-o", help="Checkpoint to write.")] = Path("build/trained.pt"),
    fresh: Annotated[bool, typer.Option("--fresh", help="Start anew instead of resuming a killed run.")] = False,
    as_json: Json = False,
) -> None:
    """Train a network of the zoo; a killed run goes on where it was."""
    from foldtiny.stages import StageOutput
    from foldtiny.train import train as run

    with _stage("train") as progress:
        report = run(model, data, epochs=epochs, seed=seed, out=output, resume=not fresh, progress=progress)
    _finish(as_json, StageOutput(report.to_dict(), report.summary()))


@app.command(epilog="Example: foldtiny fold lenet5 --sparsity 0.5 -o folded.pt")
def fold(
    model: Annotated[str, typer.Argument(help="As --model of deploy.")] = "default",
    sparsity: Sparsity = 0.25,
    method: Method = "combination",
    budget: Budget = "uniform",
    repair: Repair = "none",
    weights: Weights = None,
    input_shape: InputShape = None,
    data: Data = None,
    seed: Seed = 0,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folded checkpoint to write.")] = Path("folded.pt"),
    as_json: Json = False,
) -> None:
    """Fold a trained network: merge similar channels into one."""
    from foldtiny.pipeline import FoldOptions, commands

    with _stage("fold") as progress:
        options = FoldOptions(sparsity, method, budget, repair, seed)
        done = commands.fold(model, weights, parse_shape(input_shape), data, output, options, progress)
    if not as_json:
        from foldtiny.console import print_fold

        print_fold(done.result)
    _finish(as_json, done)


@app.command(epilog="Example: foldtiny convert folded.pt -o model.tflite")
def convert(
    model: Annotated[str, typer.Argument(help="As --model of deploy.")] = "default",
    precision: Precision = "int8",
    weights: Weights = None,
    input_shape: InputShape = None,
    data: Data = None,
    seed: Seed = 0,
    output: Annotated[Path, typer.Option("--output", "-o", help=".tflite file to write.")] = Path("model.tflite"),
    as_json: Json = False,
) -> None:
    """Convert a trained network to an int8 or float32 .tflite file."""
    from foldtiny.pipeline import commands

    with _stage("convert") as progress:
        done = commands.convert(
            model, weights, parse_shape(input_shape), data, output, precision, seed=seed, progress=progress
        )
    _finish(as_json, done)


@app.command("compile", epilog="Example: foldtiny compile model.tflite --board nano33ble -o project")
def compile_(
    tflite: Annotated[Path, typer.Argument(help="An int8 or float32 .tflite file.")],
    board: Annotated[str, typer.Option(help="Which board: see `foldtiny boards`.")],
    optimize: Annotated[str, typer.Option(help="auto (speed where it fits), speed or size.")] = "auto",
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the project.")] = Path("project"),
    profile: Profile = False,
    plot_memory: Annotated[
        Path | None, typer.Option(help="Draw the memory plan over time into this .svg file.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Compile any .tflite file to C and a PlatformIO project."""
    from foldtiny.pipeline import commands

    with _stage("compile"):
        done = commands.compile_tflite(tflite, board, output, optimize, profile=profile, plot_memory=plot_memory)
    if profile and not as_json:
        from foldtiny.console import print_layers

        print_layers(done.result["layers"])
    _finish(as_json, done)


@contextmanager
def _stage(name: str) -> Iterator[Callable[[str, float], None]]:
    from foldtiny.console import ConsoleReporter

    with ConsoleReporter() as reporter:
        reporter.start(name)
        yield reporter.progress


def _finish(as_json: bool, done: Any) -> None:
    if as_json:
        from foldtiny.console import print_json

        print_json(done.result)
    else:
        typer.echo(done.summary)


def parse_shape(text: str | None) -> tuple[int, int, int] | None:
    """Turn ``3x96x96`` into ``(3, 96, 96)``.

    Raises
    ------
    UsageError
        If it is not three positive whole numbers.
    """
    if text is None:
        return None
    parts = text.lower().replace(",", "x").split("x")
    if len(parts) != 3 or not all(part.strip().isdigit() and int(part) > 0 for part in parts):
        raise UsageError(
            f"--input-shape is '{text}' (expected channels x height x width)", "write it like --input-shape 3x96x96"
        )
    channels, height, width = (int(part) for part in parts)
    return channels, height, width


def main() -> None:
    """Run the command line; the one place that turns errors into text and an exit code."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        code = app(args=arguments, prog_name="foldtiny", standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except Exception as error:
        if debug:
            raise
        code = _explain(error)
    # Typer returns the exit code of what it ended itself, such as --help or an interrupted command.
    if code == INTERRUPTED:
        sys.stderr.write("\nstopped; finished stages are kept and will be reused\n")
    sys.exit(code if isinstance(code, int) else 0)


def _interrupt(_number: int, _frame: object) -> None:
    """End as on Ctrl-C, so that children are stopped and temporary files removed."""
    raise KeyboardInterrupt


def _explain(error: Exception) -> int:
    """Print one sentence about an error and return the exit code."""
    from foldtiny.console import print_error

    if isinstance(error, OSError):
        name = f" {error.filename}" if error.filename else " a file or device"
        error = FoldtinyError(f"cannot use{name}: {reason(error)}")
    if isinstance(error, FoldtinyError):
        print_error(error)
        return error.exit_code
    # Typer's own errors (a missing option, an unknown command) know how to show themselves.
    show = getattr(error, "show", None)
    if show is not None:
        show()
        return int(getattr(error, "exit_code", 2))
    kind = f"foldtiny failed unexpectedly: {type(error).__name__}: {error}"
    print_error(FoldtinyError(kind, "this is a bug: please report it with what the same command prints with --debug"))
    return 1
