"""Checkpoints: a network's weights and what is needed to build it again.

A checkpoint is a file of ``torch.save`` that holds plain numbers and text only. It is always read with
``weights_only=True``, and it cannot name code: where the network is the user's own, the user has to say so again.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from foldtiny import resources, zoo
from foldtiny.errors import DataError, UsageError
from foldtiny.zoo import exported, factory
from foldtiny.zoo.checkpoint_file import FORMAT, VERSION, header_of, read, state_dict_of, three
from foldtiny.zoo.resize import resize

DEFAULT = "lenet5_fashion_mnist.pt"
_SUFFIXES = (".pt", ".pt2", ".pth", ".ckpt", ".bin")


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A trained network, ready for use.

    Attributes
    ----------
    module : nn.Module
        In evaluation mode, on the CPU.
    architecture : str
        A name of the zoo, ``package.module:factory``, or ``exported`` for a network of ``torch.export``.
    input_shape : tuple[int, int, int]
        Channels, height, width.
    classes : int
        The number of logits.
    class_names : tuple[str, ...]
        Empty where unknown.
    metadata : dict
        How it was made: numbers and text.
    sha256 : str
        Of the file, or of the weights where there is no file.
    config : dict
        The options with which the zoo builds the (dense) network.
    """

    module: nn.Module
    architecture: str
    input_shape: tuple[int, int, int]
    classes: int
    class_names: tuple[str, ...]
    metadata: dict[str, Any]
    sha256: str
    config: dict[str, float] = field(default_factory=dict)


def save(
    path: Path,
    model: nn.Module,
    *,
    architecture: str,
    config: Mapping[str, float],
    input_shape: tuple[int, int, int],
    classes: int,
    class_names: tuple[str, ...] = (),
    metadata: Mapping[str, Any] | None = None,
) -> None:
    """Write a checkpoint; the same network always gives the same bytes.

    Parameters
    ----------
    path : Path
        The file; it is whole or not there.
    model : nn.Module
        The network, dense or folded.
    architecture, config
        What builds the dense network: a name of the zoo and its options, or ``package.module:factory`` and nothing. A
        network of ``torch.export`` is stored with its graph, as numbers and text, and needs neither.
    input_shape, classes, class_names, metadata
        See `LoadedModel`.

    Raises
    ------
    FoldtinyError
        If the file cannot be written.
    """
    content = {
        "format": FORMAT,
        "version": VERSION,
        "architecture": architecture,
        "config": dict(config),
        "input_shape": tuple(input_shape),
        "classes": classes,
        "class_names": tuple(class_names),
        "metadata": dict(metadata or {}),
        # clone: a view would store the whole tensor that it looks into.
        "state_dict": {key: value.detach().cpu().clone() for key, value in model.state_dict().items()},
    }
    if isinstance(model, exported.ExportedNetwork):
        content["program"] = model.describe()
    buffer = io.BytesIO()
    torch.save(content, buffer)
    resources.write_atomic(path, buffer.getvalue())


def load(path: Path, *, trusted_factory: str | None = None) -> LoadedModel:
    """Read a checkpoint that foldtiny wrote, or a .pt2 of ``torch.export``; folded networks get their own widths.

    Parameters
    ----------
    path : Path
        The file.
    trusted_factory : str, optional
        The ``package.module:factory`` that the user named. A file is never allowed to choose what code runs, so a
        checkpoint of a network outside the zoo loads only if it names this factory.

    Raises
    ------
    DataError
        If the file is missing, damaged, foreign, wants to run code, or does not fit its network.
    """
    if exported.is_program(path):
        network, shape = exported.load(path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        return _loaded(network, exported.ARCHITECTURE, str(path), digest, shape)
    content, digest = read(path)
    header = header_of(path, content)
    architecture = header["architecture"]
    if architecture == exported.ARCHITECTURE:
        module: nn.Module = exported.rebuild(path, header["program"])
    elif architecture in zoo.MODELS:
        module = _build_from_zoo(path, architecture, header["config"])
    elif architecture == trusted_factory:
        module = factory.build(architecture)
    elif factory.is_factory(architecture):
        raise DataError(
            f"{path}: its network is {architecture}, which is not part of foldtiny",
            f"if you trust that code, give --model {architecture} --weights {path}",
        )
    else:
        raise DataError(
            f"{path}: its network is called {architecture!r} (known: {', '.join(zoo.MODELS)})",
            "read it with the version of foldtiny that wrote it",
        )
    state = header["state_dict"]
    resize(module, state)
    _assign(path, module, state)
    classes = count_classes(module, header["input_shape"], str(path))
    return LoadedModel(
        module,
        architecture,
        header["input_shape"],
        classes,
        header["class_names"] if len(header["class_names"]) == classes else (),
        header["metadata"],
        digest,
        header["config"],
    )


def load_model(spec: str, weights: Path | None = None, input_shape: tuple[int, int, int] | None = None) -> LoadedModel:
    """Return the trained network that the user asked for.

    Parameters
    ----------
    spec : str
        ``default``, a name of the zoo, a checkpoint file, or ``package.module:factory``.
    weights : Path, optional
        A checkpoint, or a ``state_dict`` saved with ``torch.save``.
    input_shape : tuple[int, int, int], optional
        Channels, height and width, where nothing else says them.

    Raises
    ------
    UsageError
        If the name is unknown, or something that it needs was not given.
    DataError
        If a file cannot be read or does not fit the network.
    """
    if spec in zoo.MODELS or (factory.is_factory(spec) and not Path(spec).exists()):
        if weights is not None:
            return _with_weights(spec, weights, input_shape)
        if spec == "lenet5":
            return _reshaped(load(resources.asset(DEFAULT)), input_shape)
        if spec in zoo.MODELS:
            raise UsageError(
                f"no trained weights of {spec} come with foldtiny",
                f"give --weights FILE, or train it first with `foldtiny train --model {spec} -o FILE`",
            )
        module = factory.build(spec).cpu().float().eval()  # whatever it was trained in; stored weights are read alike
        return _loaded(module, spec, spec, _digest(module), _shape_of(spec, module, input_shape))
    if weights is not None:
        raise UsageError(
            f"--weights was given, but {spec!r} already stands for a trained network",
            "leave --weights out, or give a name of the zoo or package.module:factory",
        )
    if spec == "default":
        return _reshaped(load(resources.asset(DEFAULT)), input_shape)
    path = Path(spec).expanduser()
    if path.exists() or path.suffix in _SUFFIXES or len(path.parts) > 1:
        return _reshaped(load(path), input_shape)
    zoo.get(spec)
    raise AssertionError("zoo.get raises for every name that is not in zoo.MODELS")


def count_classes(module: nn.Module, input_shape: tuple[int, int, int], name: str) -> int:
    """Run the network once on a black image and return the number of its logits.

    Raises
    ------
    DataError
        If it fails on an image of that shape or does not return ``[1, classes]``.
    """
    shape = "x".join(map(str, input_shape))
    try:
        with torch.no_grad():
            output = module(torch.zeros(1, *input_shape))
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(
            f"{name}: the network fails on an input of {shape} (channels x height x width): {reason}",
            "give the input shape that it was trained for with --input-shape C,H,W",
        ) from error
    if not isinstance(output, torch.Tensor) or output.ndim != 2 or len(output) != 1:
        found = list(output.shape) if isinstance(output, torch.Tensor) else type(output).__name__
        raise DataError(
            f"{name}: for one image the network returns {found} (expected: logits of shape [1, classes])",
            "give a classifier that returns one row of logits for each image",
        )
    return output.shape[1]


def _with_weights(spec: str, weights: Path, input_shape: tuple[int, int, int] | None) -> LoadedModel:
    content, digest = read(weights)
    if content.get("format") == FORMAT:
        stored = header_of(weights, content)["architecture"]
        if stored != spec:
            raise DataError(
                f"{weights}: holds the weights of {stored}, not of {spec}", f"give --model {stored}, or other weights"
            )
        return _reshaped(load(weights, trusted_factory=spec), input_shape)
    module = zoo.create(spec) if spec in zoo.MODELS else factory.build(spec)
    _assign(weights, module, state_dict_of(weights, content))
    shape = input_shape or (zoo.MODELS[spec].input_shape if spec in zoo.MODELS else None)
    return _loaded(module.eval(), spec, str(weights), digest, _shape_of(spec, module, shape))


def _loaded(module: nn.Module, architecture: str, name: str, digest: str, shape: tuple[int, int, int]) -> LoadedModel:
    return LoadedModel(module, architecture, shape, count_classes(module, shape, name), (), {}, digest)


def _reshaped(model: LoadedModel, input_shape: tuple[int, int, int] | None) -> LoadedModel:
    if input_shape is None or input_shape == model.input_shape:
        return model
    classes = count_classes(model.module, input_shape, model.architecture)
    return LoadedModel(
        model.module,
        model.architecture,
        input_shape,
        classes,
        model.class_names,
        model.metadata,
        model.sha256,
        model.config,
    )


def _shape_of(spec: str, module: nn.Module, given: tuple[int, int, int] | None) -> tuple[int, int, int]:
    shape = given or getattr(module, "input_shape", None)
    if shape is None:
        raise UsageError(
            f"{spec} does not say what images it takes", "give --input-shape C,H,W, or set the network's input_shape"
        )
    return three(shape) or _wrong_shape(spec, shape)


def _wrong_shape(name: str, shape: object) -> tuple[int, int, int]:
    raise UsageError(f"{name}: the input shape is {shape} (expected: channels, height, width)", "give three numbers")


def _build_from_zoo(path: Path, architecture: str, config: Mapping[str, Any]) -> nn.Module:
    if not all(type(value) in (int, float) for value in config.values()):
        raise DataError(f"{path}: its entry 'config' is damaged", "train or fold the network again")
    try:
        # On the meta device nothing is allocated or initialised, whatever sizes the file asks for.
        with torch.device("meta"):
            return zoo.create(architecture, **config)
    except (UsageError, RuntimeError, TypeError, OverflowError) as error:
        raise DataError(
            f"{path}: {architecture} cannot be built with its options {dict(config)}", "train or fold the network again"
        ) from error


def _assign(path: Path, module: nn.Module, state: Mapping[str, torch.Tensor]) -> None:
    expected = module.state_dict()
    for key in [*expected, *state]:
        if key.endswith("num_batches_tracked"):
            continue
        if key not in state:
            raise DataError(f"{path}: has no weights for {key}", "give the weights of this very network")
        if key not in expected:
            raise DataError(
                f"{path}: has weights for {key}, which the network lacks", "give the weights of this network"
            )
        if state[key].shape != expected[key].shape:
            raise DataError(
                f"{path}: {key} has the shape {list(state[key].shape)}, "
                f"but the network needs {list(expected[key].shape)}",
                "give the weights of this very network",
            )
    # Older state_dicts lack num_batches_tracked, which only training reads.
    counters = {key: torch.zeros((), dtype=torch.int64) for key in expected if key.endswith("num_batches_tracked")}
    floats = {key: value.float() if value.is_floating_point() else value for key, value in state.items()}
    module.load_state_dict({**counters, **{k: v for k, v in floats.items() if k in expected}}, assign=True)
    module.eval()


def _digest(module: nn.Module) -> str:
    digest = hashlib.sha256()
    for key, value in module.state_dict().items():
        digest.update(f"{key} {list(value.shape)}".encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
