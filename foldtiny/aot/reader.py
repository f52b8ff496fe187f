"""Reads the flatbuffer of a .tflite file, trusting nothing in it.

The generated flatbuffers accessors follow whatever offsets a file holds. Every count is therefore checked against the
size of the file before anything loops over it, and whatever a damaged file makes the accessors raise becomes one
``CompileError``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from foldtiny.aot.graph import ITEM_BYTES, Graph, Operator, Quantisation, Tensor
from foldtiny.errors import CompileError

MAX_ITEMS = 2048
"""Most tensors, operators or buffers; the largest microcontroller networks have a few hundred."""
MAX_RANK = 6
MAX_ELEMENTS = 1 << 26
STATEFUL = ("SVDF",)
"""Operators that keep a state from run to run."""

_IDENTIFIER = b"TFL3"
_SCHEMA_VERSION = 3
_REEXPORT = "export the model again as full-integer int8 or float32 with static shapes"


def read(data: bytes, name: str = "model") -> Graph:
    """Read and check a .tflite file.

    Parameters
    ----------
    data : bytes
        The file's content.
    name : str
        What to call the network in messages and in the generated files.

    Raises
    ------
    CompileError
        If the bytes are not a whole, self-consistent TFLite network with one static graph.
    """
    if len(data) < 16 or data[4:8] != _IDENTIFIER:
        raise CompileError(
            f"{name} is not a .tflite file: bytes 4 to 8 should read 'TFL3'", "give the path of a TFLite model"
        )
    try:
        return _Reader(bytes(data), name).graph()
    except CompileError:
        raise
    except Exception as error:
        # The only blanket handler: a flatbuffer's accessors can raise anything on damaged bytes.
        raise _damaged(name, f"its tables cannot be followed ({type(error).__name__})") from error


def _damaged(name: str, what: str) -> CompileError:
    return CompileError(f"{name} is damaged or truncated: {what}", "copy or export the file again")


def _text(name: bytes | None) -> str:
    """Make a name from the file fit for a message: one line, of reasonable length, whatever the bytes are."""
    return "".join(c if c.isprintable() else "_" for c in (name or b"")[:200].decode("utf-8", "replace"))


def _enum_names(enum: type) -> dict[int, str]:
    return {value: key for key, value in vars(enum).items() if isinstance(value, int)}


_OPERATORS = _enum_names(schema.BuiltinOperator)
_OPTIONS = _enum_names(schema.BuiltinOptions)
_TYPES = {code: name.lower() for code, name in _enum_names(schema.TensorType).items()}


@cache
def _scalar_getters(options: str) -> tuple[tuple[str, Callable[[Any], Any]], ...]:
    """Return the accessors of an options table that take no argument and give a scalar."""
    found = []
    for name, function in vars(getattr(schema, options)).items():
        code = getattr(function, "__code__", None)
        if code is not None and code.co_argcount == 1 and not name.endswith(("Length", "IsNone", "AsNumpy")):
            found.append((name, function))
    return tuple(found)


class _Reader:
    """One pass over one file."""

    def __init__(self, data: bytes, name: str) -> None:
        self.data = data
        self.name = name
        self.model = schema.Model.GetRootAsModel(data, 0)

    def graph(self) -> Graph:
        if self.model.Version() != _SCHEMA_VERSION:
            raise CompileError(
                f"{self.name} has TFLite schema version {self.model.Version()} (allowed: {_SCHEMA_VERSION})", _REEXPORT
            )
        subgraphs = self.length(self.model.SubgraphsLength(), 4, "subgraphs")
        if subgraphs != 1:
            raise CompileError(
                f"{self.name} has {subgraphs} subgraphs (allowed: 1)", "export it without control flow or signatures"
            )
        graph = self.model.Subgraphs(0)
        count = self.length(graph.TensorsLength(), 4, "tensors")
        tensors = tuple(self.tensor(i, graph.Tensors(i)) for i in range(count))
        codes = self.operator_codes()
        operators = tuple(
            self.operator(i, graph.Operators(i), codes, count)
            for i in range(self.length(graph.OperatorsLength(), 4, "operators"))
        )
        inputs = self.indices(graph.InputsLength(), graph.Inputs, count, "graph inputs")
        outputs = self.indices(graph.OutputsLength(), graph.Outputs, count, "graph outputs")
        result = Graph(self.name, hashlib.sha256(self.data).hexdigest(), tensors, operators, inputs, outputs)
        _check_flow(result)
        return result

    def length(self, count: int, item_bytes: int, what: str) -> int:
        if count * item_bytes > len(self.data):
            raise _damaged(self.name, f"{count} {what} do not fit in {len(self.data)} bytes")
        if count > MAX_ITEMS:
            raise CompileError(f"{self.name} has {count} {what} (allowed: {MAX_ITEMS})", "use a smaller network")
        return count

    def indices(
        self, length: int, get: Callable[[int], int], tensors: int, what: str, optional: bool = False
    ) -> tuple[int, ...]:
        found = tuple(int(get(i)) for i in range(self.length(length, 4, what)))
        for index in found:
            if not (-1 if optional else 0) <= index < tensors:
                raise _damaged(self.name, f"{what} name tensor {index} of {tensors}")
        return found

    def operator_codes(self) -> list[str]:
        codes = []
        for i in range(self.length(self.model.OperatorCodesLength(), 4, "operator codes")):
            code = self.model.OperatorCodes(i)
            number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
            name = _OPERATORS.get(number, f"number {number}")
            if name == "CUSTOM":
                name = f"CUSTOM {_text(code.CustomCode())}".strip()
            codes.append(name)
        return codes

    def operator(self, index: int, operator: Any, codes: list[str], tensors: int) -> Operator:
        code = operator.OpcodeIndex()
        if code >= len(codes):
            raise _damaged(self.name, f"operator {index} has code {code} of {len(codes)}")
        what = f"operator {index} ({codes[code]})"
        inputs = self.indices(operator.InputsLength(), operator.Inputs, tensors, f"inputs of {what}", optional=True)
        outputs = self.indices(operator.OutputsLength(), operator.Outputs, tensors, f"outputs of {what}")
        return Operator(index, codes[code], inputs, outputs, self.options(operator))

    def options(self, operator: Any) -> dict[str, int | float | bool] | None:
        kind = _OPTIONS.get(operator.BuiltinOptionsType(), "NONE")
        table = operator.BuiltinOptions()
        if kind == "NONE" or table is None:
            return None
        options = getattr(schema, kind)()
        options.Init(table.Bytes, table.Pos)
        values = {name: get(options) for name, get in _scalar_getters(kind)}
        return {name: value for name, value in values.items() if isinstance(value, int | float)}

    def tensor(self, index: int, tensor: Any) -> Tensor:
        name = _text(tensor.Name()) or f"tensor {index}"
        dtype = _TYPES.get(tensor.Type(), f"number {tensor.Type()}")
        rank = self.length(tensor.ShapeLength(), 4, f"dimensions of tensor {index}")
        what = f"{self.name}: tensor {index} '{name}'"
        if rank > MAX_RANK:
            raise CompileError(f"{what} has {rank} dimensions (allowed: {MAX_RANK})", _REEXPORT)
        shape = tuple(int(tensor.Shape(i)) for i in range(rank))
        if min(shape, default=1) < 1:
            raise CompileError(f"{what} has shape {list(shape)} (allowed: dimensions of at least 1)", _REEXPORT)
        if dtype not in ITEM_BYTES:
            raise CompileError(f"{what} has type {dtype} (allowed: {', '.join(ITEM_BYTES)})", _REEXPORT)
        if tensor.Sparsity() is not None:
            raise CompileError(f"{what} is stored sparsely (allowed: dense)", "export it without sparse weights")
        result = Tensor(index, name, dtype, shape, self.quantisation(what, tensor.Quantization(), shape))
        # Multiplied in Python's integers: no wrap-around, whatever the file says.
        if result.count > MAX_ELEMENTS:
            raise CompileError(f"{what} has {result.count} elements (allowed: {MAX_ELEMENTS})", "use a smaller network")
        data = self.constant(what, tensor.Buffer(), result.bytes)
        variable = bool(tensor.IsVariable())
        if variable and data is not None:
            raise _damaged(self.name, f"{what} is a constant that keeps changing")
        return Tensor(index, name, dtype, shape, result.quantisation, data, variable)

    def quantisation(self, what: str, table: Any, shape: tuple[int, ...]) -> Quantisation | None:
        if table is None or table.ScaleLength() == 0:
            return None
        count = table.ScaleLength()
        axis = int(table.QuantizedDimension())
        if count > 1 and (not 0 <= axis < len(shape) or shape[axis] != count):
            raise _damaged(self.name, f"{what} has {count} scales for axis {axis} of shape {list(shape)}")
        scales = np.asarray(table.ScaleAsNumpy(), dtype=np.float32)
        zeros = table.ZeroPointLength()
        if zeros not in (0, 1, count):
            raise _damaged(self.name, f"{what} has {count} scales but {zeros} zero points")
        zero_points = np.asarray(table.ZeroPointAsNumpy(), dtype=np.int64) if zeros else np.zeros(count, np.int64)
        if not np.all(np.isfinite(scales)) or np.any(scales < 0):
            raise _damaged(self.name, f"{what} has a scale that is not a positive number")
        return Quantisation(tuple(float(s) for s in scales), tuple(int(z) for z in np.resize(zero_points, count)), axis)

    def constant(self, what: str, index: int, size: int) -> bytes | None:
        buffers = self.length(self.model.BuffersLength(), 4, "buffers")
        if index >= buffers:
            raise _damaged(self.name, f"{what} uses buffer {index} of {buffers}")
        if index == 0:
            return None
        buffer = self.model.Buffers(index)
        if buffer.Offset() > 1 or buffer.Size() > 1:
            raise CompileError(f"{what} keeps its values outside the flatbuffer", "export a model under 2 GB")
        length = buffer.DataLength()
        if length == 0:
            return None
        if length != size:
            raise _damaged(self.name, f"{what} has {length} bytes of values but its shape needs {size}")
        values = np.asarray(buffer.DataAsNumpy(), dtype=np.uint8)
        if values.size != length:
            raise _damaged(self.name, f"{what} has {values.size} of its {length} bytes")
        return values.tobytes()


def _check_flow(graph: Graph) -> None:
    """Check that every tensor is given, constant or computed exactly once before it is used."""
    if not graph.inputs or not graph.outputs:
        raise CompileError(f"{graph.name} has no inputs or no outputs", "export it with at least one of each")
    if len(set(graph.inputs)) != len(graph.inputs):
        raise _damaged(graph.name, "a tensor is listed twice as an input")
    known = set(graph.inputs)
    for tensor in graph.tensors:
        if tensor.data is not None:
            if tensor.index in known:
                raise _damaged(graph.name, f"input tensor {tensor.index} is a constant")
            known.add(tensor.index)
        if tensor.variable:
            if tensor.index in known:
                raise _damaged(graph.name, f"input tensor {tensor.index} keeps a state of its own")
            known.add(tensor.index)
    _check_states(graph)
    for operator in graph.operators:
        for index in operator.inputs:
            if index >= 0 and index not in known:
                raise _damaged(
                    graph.name, f"operator {operator.index} ({operator.name}) uses tensor {index} before it is computed"
                )
        for index in operator.outputs:
            if index in known:
                raise _damaged(graph.name, f"tensor {index} is computed twice")
            known.add(index)
    for index in graph.outputs:
        if index not in known:
            raise _damaged(graph.name, f"output tensor {index} is never computed")


def _check_states(graph: Graph) -> None:
    """Check that each tensor that lasts from run to run is the state of one operator that keeps one."""
    users: dict[int, list[Operator]] = {tensor.index: [] for tensor in graph.tensors if tensor.variable}
    for operator in graph.operators:
        for index in operator.inputs:
            if index in users:
                users[index].append(operator)
    for index, found in users.items():
        what = f"tensor {index} '{graph.tensors[index].name}'"
        if any(operator.name not in STATEFUL for operator in found) or index in graph.outputs:
            raise CompileError(
                f"{graph.name}: {what} keeps its state between runs (allowed: in {', '.join(STATEFUL)})",
                "export it stateless",
            )
        if len(found) > 1:
            raise _damaged(graph.name, f"{what} is the state of {len(found)} operators")
