"""Training a network of the zoo, in a way that can be killed and repeated.

The same seed on the same machine gives the same weights, byte for byte. After every epoch the whole state is written,
and a training that finds such a state goes on from it. Every epoch draws its random numbers from a stream of its own,
so one that was interrupted ends like one that was not. The weights after the last epoch are the result: nothing is
selected on the test images.
"""

from __future__ import annotations

import io
import json
import math
import time
import zlib
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from foldtiny import data as images_of
from foldtiny import resources, zoo
from foldtiny.errors import DataError, TrainError, UsageError
from foldtiny.evaluate import accuracy
from foldtiny.train_epoch import DEFAULTS, Progress, Recipe, optimizer_for, run_epoch
from foldtiny.zoo import checkpoint

# Mirrored clothes and animals are still clothes and animals; mirrored digits or spectrograms need not be.
_MAY_BE_MIRRORED = ("Fashion-MNIST", "CIFAR-10")


@dataclass(frozen=True, slots=True)
class TrainReport:
    """What a training gave."""

    architecture: str
    data: str
    checkpoint: Path
    log: Path
    parameters: int
    input_shape: tuple[int, int, int]
    classes: int
    epochs: int
    resumed_after: int
    seed: int
    train_loss: float
    train_accuracy: float
    test_accuracy: float
    test_images: int
    sha256: str

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain numbers and text."""
        return {**asdict(self), "checkpoint": str(self.checkpoint), "log": str(self.log)}

    def summary(self) -> str:
        """Return the result in one line."""
        resumed = f", resumed after epoch {self.resumed_after}" if self.resumed_after else ""
        return (
            f"{self.architecture}: {self.test_accuracy:.2%} of {self.test_images:,} test images right after "
            f"{self.epochs} epoch{'s' * (self.epochs > 1)} on {self.data}{resumed}; {self.checkpoint}"
        )


@dataclass(frozen=True, slots=True)
class _Task:
    """The network to be trained, its images and how it is built."""

    architecture: str
    config: dict[str, float]
    input_shape: tuple[int, int, int]
    train: images_of.ImageSet
    test: images_of.ImageSet
    classes: int
    data: str


def train(
    spec_name: str,
    data: str = "fashion-mnist",
    *,
    out: Path,
    epochs: int = DEFAULTS.epochs,
    seed: int = DEFAULTS.seed,
    batch_size: int = DEFAULTS.batch_size,
    learning_rate: float = DEFAULTS.learning_rate,
    weight_decay: float = DEFAULTS.weight_decay,
    label_smoothing: float = DEFAULTS.label_smoothing,
    shift: int = DEFAULTS.shift,
    flip: bool | None = None,
    width: float | None = None,
    threads: int = DEFAULTS.threads,
    resume: bool = True,
    progress: Progress | None = None,
) -> TrainReport:
    """Train a network of the zoo and write its checkpoint.

    Parameters
    ----------
    spec_name : str
        A name of the zoo. The network is built for the images' channels and classes.
    data : str
        See `foldtiny.data`; it needs a training split.
    out : Path
        The checkpoint. Beside it lie ``.log.jsonl`` (one line an epoch) and, until it is done, ``.state``.
    epochs, seed, batch_size, learning_rate, weight_decay, label_smoothing, shift, flip, width, threads
        See `Recipe`; ``flip=None`` mirrors where that is known to make sense.
    resume : bool
        Go on from the ``.state`` of a training that was interrupted; otherwise start over.
    progress : Callable[[str, float], None], optional
        Called many times an epoch with a line of text and the fraction done.

    Raises
    ------
    UsageError
        If an option is out of range or the name unknown.
    DataError
        If the images cannot be read or have no labels.
    TrainError
        If the loss is no longer finite, the network cannot take the images, or the state belongs to another training.
    """
    zoo.get(spec_name)
    recipe = Recipe(
        epochs, seed, batch_size, learning_rate, weight_decay, label_smoothing, shift, bool(flip), width, threads
    )
    _check(recipe, out)
    task = _task(spec_name, data, recipe)
    if flip is None:
        recipe = Recipe(**{**asdict(recipe), "flip": task.train.name.startswith(_MAY_BE_MIRRORED)})
    threads_before = torch.get_num_threads()
    # The caller's random numbers and threads stay as they were.
    with torch.random.fork_rng(devices=[]):
        torch.set_num_threads(recipe.threads)
        try:
            return _run(task, recipe, out, resume, progress or (lambda label, fraction: None))
        finally:
            torch.set_num_threads(threads_before)


def _check(recipe: Recipe, out: Path) -> None:
    at_least = {
        "epochs": 1,
        "batch_size": 1,
        "threads": 1,
        "seed": 0,
        "shift": 0,
        "weight_decay": 0.0,
        "label_smoothing": 0.0,
    }
    for name, least in at_least.items():
        value = getattr(recipe, name)
        if not value >= least:
            raise UsageError(f"{name.replace('_', ' ')} is {value} (allowed: {least} or more)", "give a larger number")
    if not 0 < recipe.learning_rate < math.inf:
        raise UsageError(f"learning rate is {recipe.learning_rate} (allowed: more than 0)", "0.003 suits most networks")
    if not recipe.label_smoothing < 1:
        raise UsageError(f"label smoothing is {recipe.label_smoothing} (allowed: 0 to below 1)", "0.05 is usual")
    if out.is_dir():
        raise UsageError(f"{out} is a folder (expected: the name of the checkpoint)", "name a file in it")
    resources.make_dir(out.parent)


def _task(spec_name: str, data: str, recipe: Recipe) -> _Task:
    usual = zoo.MODELS[spec_name].input_shape
    train_images = images_of.load(data, "train", size=usual[1:])
    test_images = images_of.load(data, "test", size=usual[1:])
    classes = 1 + max(int(_labels(train_images).max()), int(_labels(test_images).max()))
    channels, height, width = train_images.images.shape[1:]
    fits = height <= usual[1] and width <= usual[2]
    shape = (channels, usual[1], usual[2]) if fits else (channels, height, width)
    config: dict[str, float] = {"in_channels": channels, "classes": max(classes, len(train_images.class_names))}
    if recipe.width is not None:
        config["width"] = recipe.width
    if test_images.images.shape[1:] != train_images.images.shape[1:]:
        raise DataError(
            f"{data}: the training images are {list(train_images.images.shape[1:])}, "
            f"but the test images {list(test_images.images.shape[1:])}",
            "store both in the same size",
        )
    return _Task(spec_name, config, shape, train_images, test_images, int(config["classes"]), _kind(data))


def _kind(data: str) -> str:
    """Return what kind of data it was, without the folder or file: a checkpoint goes to other machines."""
    kind, _ = images_of.split_spec(data)
    return "fashion-mnist" if kind == "auto" else kind


def _labels(images: images_of.ImageSet) -> torch.Tensor:
    if images.labels is None:
        raise DataError(f"{images.name}: has no labels", "give labelled images")
    return torch.from_numpy(images.labels)


def _run(task: _Task, recipe: Recipe, out: Path, resume: bool, progress: Progress) -> TrainReport:
    torch.manual_seed(recipe.seed)
    module = zoo.create(task.architecture, **task.config)
    _probe(task, module)
    optimizer = optimizer_for(module, recipe)
    state_file, log = out.with_suffix(".state"), out.with_suffix(".log.jsonl")
    identity = _identity(task, recipe)
    history: list[dict[str, float]] = []
    if resume and state_file.exists():
        state = _read_state(state_file, identity)
        module.load_state_dict(state["module"])
        optimizer.load_state_dict(state["optimizer"])
        history = state["history"]
    done = len(history)
    images, labels = torch.from_numpy(task.train.images), _labels(task.train)
    test_images, test_labels = images_of.fit(task.test.images, task.input_shape), _labels(task.test).numpy()
    _write_log(log, history)
    for epoch in range(done, recipe.epochs):
        started = time.monotonic()
        loss, train_accuracy = run_epoch(module, images, labels, task.input_shape, recipe, optimizer, epoch, progress)
        history.append(
            {
                "epoch": epoch + 1,
                "train_loss": round(loss, 5),
                "train_accuracy": round(train_accuracy, 5),
                "test_accuracy": round(accuracy(module, test_images, test_labels), 5),
                "seconds": round(time.monotonic() - started, 1),
            }
        )
        buffer = io.BytesIO()
        content = {"identity": identity, "module": module.state_dict(), "optimizer": optimizer.state_dict()}
        torch.save({**content, "history": history}, buffer)
        resources.write_atomic(state_file, buffer.getvalue())
        _write_log(log, history)
    report = _finish(task, recipe, module, out, log, history[-1], done)
    with suppress(OSError):
        state_file.unlink()
    return report


def _finish(
    task: _Task, recipe: Recipe, module: nn.Module, out: Path, log: Path, last: dict[str, float], resumed_after: int
) -> TrainReport:
    checkpoint.save(
        out,
        module,
        architecture=task.architecture,
        config=task.config,
        input_shape=task.input_shape,
        classes=task.classes,
        class_names=task.train.class_names,
        metadata={
            "data": task.data,
            "recipe": asdict(recipe),
            "train_data": task.train.name,
            "test_data": task.test.name,
            "test_images": len(task.test),
            "test_accuracy": last["test_accuracy"],
        },
    )
    return TrainReport(
        architecture=task.architecture,
        data=task.train.name,
        checkpoint=out,
        log=log,
        parameters=sum(parameter.numel() for parameter in module.parameters()),
        input_shape=task.input_shape,
        classes=task.classes,
        epochs=recipe.epochs,
        resumed_after=resumed_after,
        seed=recipe.seed,
        train_loss=last["train_loss"],
        train_accuracy=last["train_accuracy"],
        test_accuracy=last["test_accuracy"],
        test_images=len(task.test),
        sha256=checkpoint.load(out).sha256,
    )


def _probe(task: _Task, module: nn.Module) -> None:
    shape = "x".join(map(str, task.input_shape))
    try:
        with torch.no_grad():
            module.eval()(torch.zeros(1, *task.input_shape))
    except RuntimeError as error:
        raise TrainError(
            f"{task.architecture} cannot take the images of {task.train.name}, which are {shape} "
            "(channels x height x width)",
            f"give images of up to {zoo.MODELS[task.architecture].input_shape[1]} pixels a side, or another network",
        ) from error


def _identity(task: _Task, recipe: Recipe) -> dict[str, Any]:
    return {
        "architecture": task.architecture,
        "config": dict(task.config),
        "data": f"{task.train.name}, {len(task.train)} images, crc {zlib.crc32(task.train.images.tobytes()):08x}",
        **asdict(recipe),
    }


def _read_state(path: Path, identity: dict[str, Any]) -> dict[str, Any]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        found = state["identity"]
    except Exception as error:
        raise TrainError(f"{path}: is not the state of a training", "delete it, or start over with --fresh") from error
    for key, value in identity.items():
        if found.get(key) != value:
            raise TrainError(
                f"{path}: belongs to a training with {key.replace('_', ' ')} {found.get(key)} (now: {value})",
                "go on with the same settings, or start over with --fresh",
            )
    return state


def _write_log(path: Path, history: list[dict[str, float]]) -> None:
    resources.write_atomic(path, "".join(json.dumps(entry) + "\n" for entry in history))
