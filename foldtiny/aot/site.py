"""The place in a network where an operator stands: checked access to its tensors and options, and its errors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from foldtiny.aot import quant
from foldtiny.aot.graph import Graph, Operator, Tensor
from foldtiny.errors import CompileError

REEXPORT = "export the model again as full-integer int8 or float32"
_ACTIVATIONS = {0: "none", 1: "relu", 2: "relu_n1_to_1", 3: "relu6"}
_MAX_LEFT_SHIFT = 30


@dataclass(frozen=True, slots=True)
class Site:
    """One operator of one network."""

    graph: Graph
    operator: Operator

    @property
    def name(self) -> str:
        """What people call this layer: the last part of its output's name."""
        outputs = self.operator.outputs
        full = self.graph.tensors[outputs[0]].name if outputs else f"operator {self.operator.index}"
        return full.split(";")[0].strip() or full

    def fail(self, found: str, allowed: str, hint: str = REEXPORT) -> NoReturn:
        """Raise the operator's error: subject, what was found, what is allowed, what to do."""
        raise CompileError(f"{self.operator.name} '{self.name}': {found} is not supported (allowed: {allowed})", hint)

    def arity(self, inputs: Sequence[int], outputs: int = 1) -> None:
        """Check the number of inputs and outputs."""
        if len(self.operator.inputs) not in inputs:
            self.fail(f"{len(self.operator.inputs)} inputs", " or ".join(str(n) for n in inputs))
        if len(self.operator.outputs) != outputs:
            self.fail(f"{len(self.operator.outputs)} outputs", str(outputs))

    def input(self, position: int) -> Tensor:
        """Return an input that must be there."""
        index = self.operator.inputs[position] if position < len(self.operator.inputs) else -1
        if index < 0:
            self.fail(f"no input {position}", "all inputs given")
        return self.graph.tensors[index]

    def optional_input(self, position: int) -> Tensor | None:
        """Return an input that may be left out."""
        index = self.operator.inputs[position] if position < len(self.operator.inputs) else -1
        return self.graph.tensors[index] if index >= 0 else None

    def output(self, position: int = 0) -> Tensor:
        """Return an output."""
        return self.graph.tensors[self.operator.outputs[position]]

    def constant(self, tensor: Tensor, dtypes: Sequence[str]) -> NDArray[np.generic]:
        """Return the values of an input that must be a constant of one of these types."""
        if tensor.data is None:
            self.fail(f"input '{tensor.name}' computed at run time", "a constant")
        if tensor.dtype not in dtypes:
            self.fail(f"{tensor.dtype} in '{tensor.name}'", " or ".join(dtypes))
        values = tensor.array()
        if tensor.dtype == "float32" and not np.all(np.isfinite(values)):
            self.fail(f"an infinite or undefined number in '{tensor.name}'", "finite numbers")
        return values

    def option(self, name: str) -> int:
        """Return an integer option by its name in the TFLite schema."""
        return int(self._option(name))

    def float_option(self, name: str) -> float:
        """Return a real option by its name in the TFLite schema."""
        return float(self._option(name))

    def _option(self, name: str) -> int | float | bool:
        options = self.operator.options
        if options is None or name not in options:
            self.fail(f"the missing option {name}", "all options stored")
        return options[name]

    def options_flag(self, name: str) -> bool:
        """Return a yes-or-no option that older files do not have."""
        return bool((self.operator.options or {}).get(name, False))

    def positive(self, name: str, limit: int = 1 << 16) -> int:
        """Return an option that must lie in 1..limit, such as a stride."""
        value = self.option(name)
        if not 1 <= value <= limit:
            self.fail(f"{name} {value}", f"1 to {limit}")
        return value

    def activation(self) -> str:
        """Return the fused activation's name."""
        code = self.option("FusedActivationFunction")
        if code not in _ACTIVATIONS:
            self.fail(f"fused activation {code}", ", ".join(_ACTIVATIONS.values()))
        return _ACTIVATIONS[code]

    def dtype(self, tensor: Tensor, allowed: Sequence[str] = ("int8", "float32")) -> str:
        """Return the type of an activation, checked, with the quantisation that int8 needs."""
        if tensor.dtype not in allowed:
            self.fail(f"type {tensor.dtype} of '{tensor.name}'", " or ".join(allowed))
        if tensor.dtype == "int8":
            self.quantised(tensor)
        return tensor.dtype

    def same_dtype(self, *tensors: Tensor) -> str:
        """Return the one type of all these activations."""
        first = self.dtype(tensors[0])
        for tensor in tensors[1:]:
            if self.dtype(tensor) != first:
                self.fail(f"'{tensor.name}' of type {tensor.dtype} with {first}", "one type for all (no hybrid layers)")
        return first

    def quantised(self, tensor: Tensor) -> None:
        """Check that an int8 tensor has one usable scale and zero point."""
        self.quantised_in(tensor, quant.INT8_MIN, quant.INT8_MAX)

    def quantised_in(self, tensor: Tensor, low: int, high: int) -> None:
        """Check that a tensor has one usable scale, and a zero point in its type's range."""
        quantisation = tensor.quantisation
        if quantisation is None:
            self.fail(f"{tensor.dtype} without a scale in '{tensor.name}'", "a quantised tensor")
        if len(quantisation.scales) != 1:
            self.fail(f"{len(quantisation.scales)} scales for '{tensor.name}'", "1 for what is computed at run time")
        if quantisation.scales[0] <= 0.0:
            self.fail(f"scale {quantisation.scales[0]} of '{tensor.name}'", "a positive scale")
        if not low <= quantisation.zero_points[0] <= high:
            self.fail(f"zero point {quantisation.zero_points[0]} of '{tensor.name}'", f"{low} to {high}")

    def shape(self, tensor: Tensor, expected: Sequence[int]) -> None:
        """Check a tensor's shape."""
        if tensor.shape != tuple(expected):
            self.fail(f"shape {list(tensor.shape)} of '{tensor.name}'", f"{list(expected)} here")

    def rank(self, tensor: Tensor, *ranks: int) -> None:
        """Check a tensor's number of dimensions."""
        if len(tensor.shape) not in ranks:
            self.fail(f"{len(tensor.shape)} dimensions of '{tensor.name}'", " or ".join(str(r) for r in ranks))

    def multiplier(self, real: float) -> tuple[int, int]:
        """Return the fixed-point form of a ratio of scales, refused where TFLite's arithmetic would overflow."""
        mantissa, shift = quant.quantise_multiplier(real) if math.isfinite(real) else (0, _MAX_LEFT_SHIFT + 1)
        if shift > _MAX_LEFT_SHIFT:
            self.fail(f"a ratio of scales of {real:.3g}", "under 2^30", "calibrate the model with realistic data")
        return mantissa, shift

    def int8_range(self, activation: str, output: Tensor) -> tuple[int, int]:
        """Return the clamp of a fused activation on a quantised output."""
        try:
            return quant.activation_range(activation, output.scale, output.zero_point)
        except (OverflowError, ValueError):
            self.fail(f"output scale {output.scale:.3g} with {activation}", "scales of at least 1e-8")
