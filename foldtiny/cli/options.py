"""Options that several commands share, each written once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout and nothing else there.")]
Model = Annotated[
    str,
    typer.Option(
        help="A checkpoint, a .pt2 of torch.export, a network of the zoo (all but lenet5 with --weights), or "
        "package.module:factory. "
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
        "auto, subset, fashion-mnist[:DIR], cifar10:DIR, folder:DIR, npz:FILE, npy:FILE."
    ),
]
Sparsity = Annotated[
    float | None,
    typer.Option(help="Fraction of the parameters to remove, from 0 to below 1; 0.25 where nothing else is said."),
]
MaxFlash = Annotated[
    str | None,
    typer.Option(help="In place of --sparsity: the largest network whose whole image is at most so big, such as 256k."),
]
MaxRam = Annotated[
    str | None, typer.Option(help="The same for RAM, static and used stack: 32k. Limits can be combined.")
]
MaxMs = Annotated[
    float | None,
    typer.Option(help="The same for one inference in milliseconds: measured, or on a twin estimated or counted."),
]
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
NoFuse = Annotated[
    bool,
    typer.Option(
        "--no-fuse", help="Compile each operator as it is, every tensor whole: larger and slower, to read and compare."
    ),
]
Runtime = Annotated[
    str, typer.Option(help="aot: the network compiled to C. tflm: TFLite Micro's interpreter, for comparison.")
]
TflmSource = Annotated[
    Path | None,
    typer.Option(help="With --runtime tflm: a folder written by TFLite Micro's create_tflm_tree.py (twins need one)."),
]
TflmArena = Annotated[
    int | None, typer.Option(help="With --runtime tflm: the interpreter's memory in bytes; estimated otherwise.")
]
PowerMode = Annotated[
    int | None,
    typer.Option(
        help="A Jetson over SSH: nvpmodel's mode (0 is the fastest) with pinned clocks while measuring, put back after."
    ),
]
Output = Annotated[Path, typer.Option("--output", "-o", help="Folder for everything that is written.")]
