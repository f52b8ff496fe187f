"""The single steps: ``foldtiny train``, ``fold``, ``convert`` and ``compile``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from foldtiny.cli.app import app, finish, parse_shape, stage
from foldtiny.cli.options import (
    Budget,
    Data,
    InputShape,
    Json,
    MaxFlash,
    MaxMs,
    MaxRam,
    Method,
    NoFuse,
    Precision,
    Profile,
    Repair,
    Seed,
    Sparsity,
    Weights,
)


@app.command(epilog="Example: foldtiny train --model lenet5 --data fashion-mnist --epochs 16 -o lenet5.pt")
def train(
    model: Annotated[str, typer.Option(help="A network of the zoo.")] = "lenet5",
    data: Annotated[
        str, typer.Option(help="fashion-mnist[:DIR], cifar10:DIR, folder:DIR or npz:FILE.")
    ] = "fashion-mnist",
    epochs: Annotated[int, typer.Option(help="Passes over the training images.")] = 16,
    width: Annotated[
        float | None, typer.Option(help="Multiplier of the hidden channels, for example 0.25 for a quick ResNet18.")
    ] = None,
    seed: Seed = 0,
    output: Annotated[Path, typer.Option("--output", "-o", help="Checkpoint to write.")] = Path("build/trained.pt"),
    fresh: Annotated[bool, typer.Option("--fresh", help="Start anew instead of resuming a killed run.")] = False,
    as_json: Json = False,
) -> None:
    """Train a network of the zoo; a killed run goes on where it was."""
    from foldtiny.stages import StageOutput
    from foldtiny.train import train as run

    with stage("train") as progress:
        report = run(
            model, data, epochs=epochs, width=width, seed=seed, out=output, resume=not fresh, progress=progress
        )
    finish(as_json, StageOutput(report.to_dict(), report.summary()))


@app.command(epilog="Example: foldtiny fold lenet5 --sparsity 0.5 -o folded.pt")
def fold(
    model: Annotated[str, typer.Argument(help="As --model of deploy.")] = "default",
    sparsity: Sparsity = None,
    board: Annotated[str | None, typer.Option(help="With --max-...: for which board, see `foldtiny boards`.")] = None,
    max_flash: MaxFlash = None,
    max_ram: MaxRam = None,
    max_ms: MaxMs = None,
    method: Method = "combination",
    budget: Budget = "uniform",
    repair: Repair = "none",
    weights: Weights = None,
    input_shape: InputShape = None,
    data: Data = None,
    seed: Seed = 0,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folded checkpoint to write.")] = Path("folded.pt"),
    save_images: Annotated[
        Path | None, typer.Option(help="With --repair dir: write the images of the deep inversion as one .png.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Fold a trained network: merge similar channels into one."""
    from foldtiny.pipeline import FoldOptions, commands, limits

    with stage("fold") as progress:
        options = FoldOptions(sparsity, method, budget, repair, seed, limits.parse(max_flash, max_ram, max_ms))
        shape = parse_shape(input_shape)
        done = commands.fold(
            model, weights, shape, data, output, options, progress, board=board, save_images=save_images
        )
    if not as_json:
        from foldtiny.console import print_fold, print_search

        if "search" in done.result:
            print_search(done.result["search"])
        print_fold(done.result)
    finish(as_json, done)


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

    with stage("convert") as progress:
        done = commands.convert(
            model, weights, parse_shape(input_shape), data, output, precision, seed=seed, progress=progress
        )
    finish(as_json, done)


@app.command("compile", epilog="Example: foldtiny compile model.tflite --board nano33ble -o project")
def compile_(
    tflite: Annotated[Path, typer.Argument(help="An int8 or float32 .tflite file.")],
    board: Annotated[str, typer.Option(help="Which board: see `foldtiny boards`.")],
    optimize: Annotated[str, typer.Option(help="auto (speed where it fits), speed or size.")] = "auto",
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the project.")] = Path("project"),
    profile: Profile = False,
    no_fuse: NoFuse = False,
    plot_memory: Annotated[
        Path | None, typer.Option(help="Draw the memory plan over time into this .svg file.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Compile any .tflite file to C and a PlatformIO project."""
    from foldtiny.pipeline import commands

    with stage("compile"):
        done = commands.compile_tflite(
            tflite, board, output, optimize, profile=profile, fuse=not no_fuse, plot_memory=plot_memory
        )
    if profile and not as_json:
        from foldtiny.console import print_layers

        print_layers(done.result["layers"])
    finish(as_json, done)
