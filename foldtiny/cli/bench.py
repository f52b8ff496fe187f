"""``foldtiny bench``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from foldtiny.cli.app import app
from foldtiny.cli.options import Json, TflmSource

Values = list[str] | None


def _axis(name: str, plural: str, help: str) -> Any:
    """Return an option that takes several values, under its name in deploy and under the matrix file's."""
    return typer.Option(f"--{name}", f"--{plural}", help=help, metavar="A,B,...")


@app.command(epilog="Example: foldtiny bench --board esp-eye,nano33ble --sparsity 0.25,0.5 --resume")
def bench(
    matrix: Annotated[Path | None, typer.Argument(help="A TOML file; flags replace its values.")] = None,
    board: Annotated[Values, _axis("board", "boards", "Boards, see `foldtiny boards`.")] = None,
    sparsity: Annotated[Values, _axis("sparsity", "sparsities", "Fractions of the parameters to remove.")] = None,
    model: Annotated[Values, _axis("model", "models", "As --model of deploy, or .tflite files.")] = None,
    method: Annotated[Values, _axis("method", "methods", "Folding methods.")] = None,
    budget: Annotated[Values, _axis("budget", "budgets", "uniform, params.")] = None,
    repair: Annotated[Values, _axis("repair", "repairs", "none, ls, ar, dir, data.")] = None,
    precision: Annotated[Values, _axis("precision", "precisions", "int8, float32.")] = None,
    runtime: Annotated[Values, _axis("runtime", "runtimes", "As --runtime of deploy.")] = None,
    optimize: Annotated[Values, typer.Option(help="auto, speed, size.", metavar="A,B,...")] = None,
    seed: Annotated[Values, _axis("seed", "seeds", "Seeds of everything random.")] = None,
    data: Annotated[str | None, typer.Option(help="As --data of deploy, for all models.")] = None,
    tflm_source: TflmSource = None,
    port: Annotated[str | None, typer.Option(help="As --port of deploy, for boards without one of their own.")] = None,
    runs: Annotated[int | None, typer.Option(help="Inferences of a cell that are run and compared (32).")] = None,
    repeat: Annotated[int | None, typer.Option(help="How often a real board repeats them.")] = None,
    profile: Annotated[bool, typer.Option("--profile", help="Also say what each layer costs.")] = False,
    jobs: Annotated[int | None, typer.Option("--jobs", "-j", help="Cells at a time (one per core).")] = None,
    records: Annotated[
        Path | None, typer.Option(help="File of records, one JSON object a line (OUTPUT/records.jsonl).")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder for everything else (build/bench).")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the file of records: what is ok stays, what failed runs again.")
    ] = False,
    scheduler: Annotated[
        str | None, typer.Option(help="tcp://host:port of a Dask cluster that runs the simulated cells.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Deploy a whole matrix of boards, sparsities and methods, and record every result as it comes.

    Options with A,B,... are the axes; they can also be repeated.
    """
    from foldtiny.bench import bench as run
    from foldtiny.bench import load
    from foldtiny.cli.bench_view import BenchView, print_summary
    from foldtiny.console import print_json

    given = {
        "boards": _split(board),
        "sparsities": _split(sparsity),
        "models": _split(model),
        "methods": _split(method),
        "budgets": _split(budget),
        "repairs": _split(repair),
        "precisions": _split(precision),
        "runtimes": _split(runtime),
        "optimize": _split(optimize),
        "seeds": _split(seed),
        "data": data,
        "tflm_source": None if tflm_source is None else str(tflm_source),
        "port": port,
        "runs": runs,
        "repeat": repeat,
        "profile": profile or None,
        "jobs": jobs,
        "records": None if records is None else str(records),
        "output": None if output is None else str(output),
        "scheduler": scheduler,
    }
    asked = load(matrix, given)
    with BenchView() as view:
        summary = run(asked, resume=resume, listener=view)
    if as_json:
        print_json(summary.to_dict())
    else:
        print_summary(summary)
    if summary.failed:
        raise typer.Exit(1)


def _split(values: Values) -> list[str] | None:
    """Turn ``["a,b", "c"]`` into ``["a", "b", "c"]``."""
    if values is None:
        return None
    return [part.strip() for value in values for part in value.split(",") if part.strip()]
