"""``foldtiny deploy``."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from foldtiny.cli.app import app, parse_shape
from foldtiny.cli.options import (
    Budget,
    Data,
    InputShape,
    Json,
    MaxFlash,
    MaxMs,
    MaxRam,
    Method,
    Model,
    NoFlash,
    NoFuse,
    Output,
    Port,
    PowerMode,
    Precision,
    Profile,
    Repair,
    Runtime,
    Seed,
    Serial,
    Sparsity,
    TflmArena,
    TflmSource,
    Weights,
)


@app.command(epilog="Example: foldtiny deploy --board esp-eye --sparsity 0.25")
def deploy(
    board: Annotated[str, typer.Option(help="Which board: see `foldtiny boards`.")],
    sparsity: Sparsity = None,
    max_flash: MaxFlash = None,
    max_ram: MaxRam = None,
    max_ms: MaxMs = None,
    model: Model = "default",
    weights: Weights = None,
    input_shape: InputShape = None,
    data: Data = None,
    method: Method = "combination",
    budget: Budget = "uniform",
    repair: Repair = "none",
    precision: Precision = "int8",
    runtime: Runtime = "aot",
    tflm_source: TflmSource = None,
    tflm_arena: TflmArena = None,
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
    power_mode: PowerMode = None,
    runs: Annotated[int, typer.Option(help="How many inferences are run and compared.")] = 32,
    seed: Seed = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Stop before a board is touched.")] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Do every stage again, even if its result could be reused.")
    ] = False,
    profile: Profile = False,
    no_fuse: NoFuse = False,
    as_json: Json = False,
) -> None:
    """Fold a network, convert it, compile it, and run it on a board (or on its simulated twin)."""
    from foldtiny.console import ConsoleReporter, print_json, print_layers, print_result, print_search
    from foldtiny.pipeline import DeployRequest, FoldOptions, limits
    from foldtiny.pipeline import deploy as run

    request = DeployRequest(
        board=board,
        folding=FoldOptions(sparsity, method, budget, repair, seed, limits.parse(max_flash, max_ram, max_ms)),
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
        tflm_source=tflm_source,
        tflm_arena=tflm_arena,
        power_mode=power_mode,
        fuse=not no_fuse,
    )
    with ConsoleReporter() as reporter:
        result = run(request, reporter)
    if result is None:
        return
    if as_json:
        print_json(result.to_dict())
    else:
        if profile:
            print_layers(result.layers)
        if result.search:
            print_search(dataclasses.asdict(result.search))
        print_result(result)
