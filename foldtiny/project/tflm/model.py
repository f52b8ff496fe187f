"""The network as a .tflite array behind the firmware's interface: ``model.h`` and the C++ that implements it."""

from __future__ import annotations

from dataclasses import dataclass

from foldtiny import resources
from foldtiny.aot import LayerInfo, TensorInfo
from foldtiny.aot.emit import TYPE_CODES
from foldtiny.aot.emit_c import comment_text, number, quoted
from foldtiny.aot.inspect import inspect
from foldtiny.project import templates
from foldtiny.project.tflm import arena, operators

_KERNEL = "TFLite Micro"


@dataclass(frozen=True, slots=True)
class InterpretedModel:
    """C and C++ sources by file name, and what the rest of foldtiny needs to know; see ``aot.CompiledModel``.

    ``arena_bytes`` is what is set aside for the interpreter; what it uses, only the running firmware tells.
    """

    files: dict[str, str]
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    model_hash: str
    operators: tuple[str, ...]
    macs: int
    layers: tuple[LayerInfo, ...]
    arena_bytes: int


def interpret(
    tflite: bytes, *, name: str = "model", profile: bool = False, arena_bytes: int | None = None
) -> InterpretedModel:
    """Write the sources that run a .tflite file with TFLite Micro's interpreter.

    Parameters
    ----------
    tflite : bytes
        The file's content.
    name : str
        What to call the network in messages and comments.
    profile : bool
        Have ``model_invoke`` announce each operator to ``model_profile_layer``.
    arena_bytes : int, optional
        The interpreter's memory; estimated where it is not given (see ``arena.estimate``).

    Raises
    ------
    CompileError
        If the file is damaged, or the interpreter does not know an operator.
    """
    network = inspect(tflite, name, _KERNEL)
    methods = operators.methods(network.operators)
    room = arena.estimate(tflite, name) if arena_bytes is None else arena_bytes
    values = {
        "title": comment_text(name),
        "network": network,
        "methods": methods,
        "arena_bytes": room,
        "profile": profile,
        "types": TYPE_CODES,
        "number": number,
        "quoted": quoted,
    }
    render = templates.environment().get_template
    files = {
        "model.h": render("tflm_model.h.j2").render(values),
        "model.cpp": render("tflm_model.cpp.j2").render(values),
        "tflm_port.cpp": (resources.root("firmware") / "tflm" / "tflm_port.cpp").read_text(encoding="utf-8"),
    }
    return InterpretedModel(
        files=files,
        inputs=network.inputs,
        outputs=network.outputs,
        model_hash=network.model_hash,
        operators=network.operators,
        macs=network.macs,
        layers=network.layers,
        arena_bytes=room,
    )
