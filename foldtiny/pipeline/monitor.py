"""``foldtiny monitor``: pictures go to the board one after another; what it sees in them comes back."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from foldtiny import boards, data, data_pictures
from foldtiny.boards import Board
from foldtiny.device import discover, simulate
from foldtiny.device.hello import Hello, Tensor
from foldtiny.device.link import Device
from foldtiny.device.measure import check
from foldtiny.device.target import Target, choose
from foldtiny.errors import DataError, MeasureError
from foldtiny.progress import Reporter

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class MonitorRequest:
    """What to show to which board. The fields are the options of ``foldtiny monitor``.

    ``count`` 0 means: each picture of ``images`` once, images of ``data`` for ever.
    """

    board: str
    port: str = "auto"
    serial: str | None = None
    images: tuple[Path, ...] = ()
    data: str = "auto"
    invert: bool = False
    count: int = 0
    interval_s: float = 0.5
    output: Path = Path("build")


@dataclass(frozen=True, slots=True)
class Sighting:
    """What the board saw in one picture. ``expected`` is the label where it is known, ``name`` the class's name."""

    picture: str
    label: int
    name: str
    confidence: float
    milliseconds: float
    simulated: bool
    expected: str | None = None
    right: bool | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class _Picture:
    name: str
    pixels: Array
    label: int | None = None


@dataclass(frozen=True, slots=True)
class _Deployment:
    """A folder that ``deploy`` wrote: the model, its class names, and the twin's firmware if it holds that."""

    model_hash: str
    title: str
    firmware: Path | None
    written: float
    class_names: tuple[str, ...] = field(default_factory=tuple)


def monitor(request: MonitorRequest, reporter: Reporter) -> Iterator[Sighting]:
    """Show pictures to a board (or its twin) and yield what it sees.

    Raises
    ------
    MeasureError
        If the twin is to be used and no firmware for it has been built.
    LinkError
        If the board does not answer.
    DataError
        If the pictures do not suit the network on the board.
    """
    board = boards.get(request.board)
    deployments = _deployments(request.output, board)
    target = _target(board, request.port, request.serial)
    if target.note is not None:
        reporter.note(target.note)
    with ExitStack() as stack:
        port = target.port or stack.enter_context(simulate.start(board, _firmware(deployments, board, request))).port
        device = stack.enter_context(Device.open(port, timeout_s=20.0))
        hello = check(device, board)
        shape = _image_shape(hello)
        known = next((one for one in deployments if one.model_hash == hello.model_hash), None)
        reporter.note(f"{known.title if known else 'a model'} ({hello.model_hash}) runs on the {board.name} at {port}")
        names = known.class_names if known else ()
        pictures: Iterable[_Picture] = _pictures(request, shape)
        names = names or _data_names(request, shape)
        for picture in itertools.islice(pictures, request.count or None):
            began = time.monotonic()
            yield _look(device, hello, picture, names)
            time.sleep(max(0.0, request.interval_s - (time.monotonic() - began)))


def _target(board: Board, port: str, serial: str | None) -> Target:
    if port == "sim":
        return choose(board, port, serial)
    if port == "auto" and serial is None and not discover.boards_connected(board):
        return choose(board)
    return choose(board, port, serial, flash=False)


def _deployments(output: Path, board: Board) -> list[_Deployment]:
    """Return what ``deploy`` left for this board, the latest first."""
    found = []
    for record in output.glob(f"*/{board.name}-*/compile.json"):
        try:
            compiled = json.loads(record.read_text("utf-8"))
            built = json.loads((record.parent / "build.json").read_text("utf-8"))
            elf = record.parent / "firmware.elf"
            twin = built["inputs"]["environment"] == board.simulator.environment and elf.is_file()
            found.append(
                _Deployment(
                    compiled["result"]["model_hash"],
                    compiled["inputs"]["title"],
                    elf if twin else None,
                    (record.parent / "build.json").stat().st_mtime,
                    tuple(compiled["inputs"]["class_names"]),
                )
            )
        except (OSError, ValueError, KeyError, TypeError):
            continue  # a deployment that was interrupted
    return sorted(found, key=lambda one: -one.written)


def _firmware(deployments: list[_Deployment], board: Board, request: MonitorRequest) -> Path:
    for deployment in deployments:
        if deployment.firmware is not None:
            return deployment.firmware
    raise MeasureError(
        f"there is no firmware for the simulated {board.name} in {request.output}",
        f"build one with: foldtiny deploy --board {board.name} --port sim -o {request.output}",
    )


def _image_shape(hello: Hello) -> tuple[int, int, int]:
    """Return channels, height and width of the network's one input."""
    shape = hello.inputs[0].shape
    if len(hello.inputs) != 1 or len(shape) != 4 or shape[0] != 1:
        shapes = ", ".join(str(list(tensor.shape)) for tensor in hello.inputs)
        raise DataError(
            f"the network on the board takes {shapes}, which is not one image", "monitor a network that takes images"
        )
    return shape[3], shape[1], shape[2]


def _pictures(request: MonitorRequest, shape: tuple[int, int, int]) -> Iterator[_Picture]:
    if request.images:
        for path in _files(request.images):
            yield _Picture(path.name, data_pictures.load(path, shape, invert=request.invert))
        return
    images = data.load(request.data, "test", input_shape=shape)
    for number in itertools.cycle(range(len(images))):
        label = None if images.labels is None else int(images.labels[number])
        yield _Picture(f"{images.name} {number}", images.images[number], label)


def _files(given: tuple[Path, ...]) -> list[Path]:
    files: list[Path] = []
    for path in given:
        inside = [path]
        if path.is_dir():
            inside = sorted(file for file in path.iterdir() if file.suffix.lower() in data_pictures.SUFFIXES)
        if not inside:
            raise DataError(f"the folder {path} holds no pictures", "save them as PNG or JPEG")
        files += inside
    return files


def _data_names(request: MonitorRequest, shape: tuple[int, int, int]) -> tuple[str, ...]:
    return () if request.images else data.load(request.data, "test", input_shape=shape, limit=1).class_names


def _look(device: Device, hello: Hello, picture: _Picture, names: tuple[str, ...]) -> Sighting:
    inference = device.infer([_quantise(picture.pixels, hello.inputs[0])])
    probabilities = _probabilities(inference.outputs[0], hello.outputs[0])
    label = int(probabilities.argmax())
    per_ms = 1e6 if hello.tick_kind == "nanoseconds" else hello.clock_hz / 1e3

    def name(number: int) -> str:
        return names[number] if number < len(names) else f"class {number}"

    return Sighting(
        picture=picture.name,
        label=label,
        name=name(label),
        confidence=float(probabilities[label]),
        milliseconds=inference.ticks * hello.tick_scale / per_ms,
        simulated=hello.simulated,
        expected=None if picture.label is None else name(picture.label),
        right=None if picture.label is None else picture.label == label,
    )


def _quantise(pixels: Array, tensor: Tensor) -> bytes:
    """Turn ``[C, H, W]`` into the bytes of the network's input, channels last."""
    values = np.asarray(pixels, np.float32).transpose(1, 2, 0)
    if tensor.dtype == "float32":
        return np.ascontiguousarray(values, "<f4").tobytes()
    limits = np.iinfo(tensor.dtype)
    stored = np.round(values / np.float32(tensor.scale)) + tensor.zero_point
    return np.clip(stored, limits.min, limits.max).astype(np.dtype(tensor.dtype).newbyteorder("<")).tobytes()


def _probabilities(raw: bytes, tensor: Tensor) -> npt.NDArray[np.float64]:
    """Return one probability per class; outputs that do not sum to one are taken for logits."""
    values = np.frombuffer(raw, np.dtype(tensor.dtype).newbyteorder("<")).astype(np.float64)
    if tensor.dtype != "float32":
        values = (values - tensor.zero_point) * tensor.scale
    if values.min() >= 0 and abs(values.sum() - 1) < 0.05:
        return values
    powers = np.exp(values - values.max())
    return np.asarray(powers / powers.sum())
