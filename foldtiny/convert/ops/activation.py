"""Activations: the few that TFLite Micro has, and others written as these plus per-channel arithmetic.

Per-channel multiplications and additions cost nothing where they can be fused into a neighbouring convolution.
"""

from __future__ import annotations

from foldtiny.convert.ir import Activation
from foldtiny.convert.registry import Call, Ref, register


def _activate(call: Call, value: Ref, kind: str) -> Ref:
    return call.emit(Activation, (value,), value.shape, kind=kind)


@register("aten.relu.default", "aten.relu_.default")
def relu(call: Call) -> Ref:
    """``max(x, 0)``."""
    return _activate(call, call.ref("self"), "relu")


@register("aten.relu6.default", "aten.relu6_.default")
def relu6(call: Call) -> Ref:
    """``min(max(x, 0), 6)``."""
    return _activate(call, call.ref("self"), "relu6")


@register("aten.hardtanh.default", "aten.hardtanh_.default")
def hardtanh(call: Call) -> Ref:
    """Clamp to ``[min_val, max_val]``."""
    return _clamp(call, call.ref("self"), call.arguments["min_val"], call.arguments["max_val"])


@register("aten.clamp.default", "aten.clamp_.default")
def clamp(call: Call) -> Ref:
    """Clamp to ``[min, max]``, either of which may be absent."""
    return _clamp(call, call.ref("self"), call.arguments["min"], call.arguments["max"])


@register("aten.clamp_min.default", "aten.clamp_min_.default")
def clamp_min(call: Call) -> Ref:
    """``max(x, min)``."""
    return _clamp(call, call.ref("self"), call.arguments["min"], None)


def _clamp(call: Call, value: Ref, low: float | None, high: float | None) -> Ref:
    if low is not None and high is not None:
        if (low, high) == (0, 6):
            return _activate(call, value, "relu6")
        if not low < high:
            raise call.refuse(f"clamps to [{low}, {high}] (allowed: an interval)", "give min below max")
        unit = 6.0 / (high - low)
        clamped = _activate(call, call.affine(value, unit, -low * unit), "relu6")
        return call.affine(clamped, 1.0 / unit, low)
    if low is not None:
        return _activate(call, value, "relu") if low == 0 else _above(call, value, low)
    if high is None:
        return value
    return call.affine(_above(call, call.affine(value, -1.0, 0.0), -high), -1.0, 0.0)


def _above(call: Call, value: Ref, low: float) -> Ref:
    return call.affine(_activate(call, call.affine(value, 1.0, -low), "relu"), 1.0, low)


@register("aten.leaky_relu.default", "aten.leaky_relu_.default")
def leaky_relu(call: Call) -> Ref:
    """``slope * x + (1 - slope) * relu(x)``."""
    value, slope = call.ref("self"), float(call.arguments["negative_slope"])
    positive = call.affine(_activate(call, value, "relu"), 1.0 - slope, 0.0)
    return call.binary("add", call.affine(value, slope, 0.0), positive)


@register("aten.prelu.default")
def prelu(call: Call) -> Ref:
    """Leaky ReLU with a trained slope, one or one per channel."""
    value, slope = call.ref("self"), call.parameter("weight").reshape(-1)
    positive = call.affine(_activate(call, value, "relu"), 1.0 - slope, 0.0)
    return call.binary("add", call.affine(value, slope, 0.0), positive)


@register("aten.sigmoid.default", "aten.sigmoid_.default")
def sigmoid(call: Call) -> Ref:
    """The logistic function."""
    return _activate(call, call.ref("self"), "sigmoid")


@register("aten.tanh.default", "aten.tanh_.default")
def tanh(call: Call) -> Ref:
    """``2 * sigmoid(2 * x) - 1``."""
    doubled = call.affine(call.ref("self"), 2.0, 0.0)
    return call.affine(_activate(call, doubled, "sigmoid"), 2.0, -1.0)


@register("aten.silu.default", "aten.silu_.default")
def silu(call: Call) -> Ref:
    """``x * sigmoid(x)``."""
    value = call.ref("self")
    return call.binary("mul", value, _activate(call, value, "sigmoid"))


@register("aten.hardswish.default", "aten.hardswish_.default")
def hardswish(call: Call) -> Ref:
    """``x * relu6(x + 3) / 6``."""
    return _activate(call, call.ref("self"), "hardswish")


@register("aten.hardsigmoid.default", "aten.hardsigmoid_.default")
def hardsigmoid(call: Call) -> Ref:
    """``relu6(x + 3) / 6``."""
    clamped = _activate(call, call.affine(call.ref("self"), 1.0, 3.0), "relu6")
    return call.affine(clamped, 1.0 / 6.0, 0.0)


@register("aten.softmax.int", "aten._softmax.default")
def softmax(call: Call) -> Ref:
    """Softmax over the channels."""
    value, axis = call.ref("self"), int(call.arguments["dim"])
    if axis % len(value.shape) != 1:
        raise call.refuse(f"runs over axis {axis} of {list(value.shape)} (allowed: the channels, axis 1)", "use dim=1")
    return _activate(call, value, "softmax")
