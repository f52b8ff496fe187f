"""``foldtiny figures``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from foldtiny.cli.app import app, finish, parse_shape, stage
from foldtiny.cli.options import Data, InputShape, Json, Seed, Weights


@app.command(epilog="Example: foldtiny figures --figure 5 --model resnet18.pt --model vgg11.pt -o figures")
def figures(
    figure: Annotated[
        list[int] | None,
        typer.Option(
            help="1: similarity of a layer's channels; 2: correlation of matched channels; 4: accuracy against "
            "variance, for the repairs of BatchNorm; 5: accuracy against sparsity. May be repeated; all otherwise."
        ),
    ] = None,
    model: Annotated[
        list[str] | None, typer.Option(help="As --model of deploy; may be repeated, each gets its part of the picture.")
    ] = None,
    weights: Weights = None,
    input_shape: InputShape = None,
    data: Data = None,
    layer: Annotated[
        str | None, typer.Option(help="For figure 1: a convolution or linear layer; the first one.")
    ] = None,
    sparsity: Annotated[
        list[float] | None, typer.Option(help="For figures 4 and 5: a fraction of the parameters; may be repeated.")
    ] = None,
    limit: Annotated[int, typer.Option(help="At most so many test images; 0: all.")] = 2000,
    seed: Seed = 0,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the pictures.")] = Path("figures"),
    as_json: Json = False,
) -> None:
    """Draw the paper's figures from your own networks: PNG, SVG, and the data as CSV."""
    from foldtiny.figures import FigureOptions
    from foldtiny.pipeline import figures as pipeline

    request = pipeline.FiguresRequest(
        figures=tuple(figure or ()),
        models=tuple(model or ("default",)),
        weights=weights,
        input_shape=parse_shape(input_shape),
        data=data,
        limit=limit,
        output=output,
        options=FigureOptions(layer, tuple(sparsity) if sparsity else None, seed),
    )
    with stage("figures") as progress:
        done = pipeline.figures(request, progress)
    finish(as_json, done)
