"""Operators that move elements or change shapes."""

from __future__ import annotations

from dataclasses import replace

from foldtiny.convert.ir import Concat, Pad, Pool, Reshape
from foldtiny.convert.registry import Call, Ref, as_floats, register


@register(
    "aten.view.default",
    "aten.reshape.default",
    "aten._unsafe_view.default",
    "aten.flatten.using_ints",
    "aten.unflatten.int",
    "aten.squeeze.default",
    "aten.squeeze.dim",
    "aten.squeeze.dims",
    "aten.unsqueeze.default",
)
def reshape(call: Call) -> Ref:
    """Any change of shape that keeps the batch axis."""
    value = call.ref("self")
    if len(call.shape) < 2 or call.shape[0] != 1:
        raise call.refuse(
            f"turns shape {list(value.shape)} into {list(call.shape)} (allowed: shapes that keep the batch axis)",
            "keep the first axis for the batch, for example x.flatten(1)",
        )
    return value if call.shape == value.shape else call.emit(Reshape, (value,))


@register(
    "aten.dropout.default",
    "aten.dropout_.default",
    "aten.feature_dropout.default",
    "aten.alpha_dropout.default",
    "aten.contiguous.default",
    "aten.detach.default",
    "aten.detach_.default",
    "aten.alias.default",
    "aten.to.dtype",
)
def identity(call: Call) -> Ref:
    """Operators that do nothing when a float32 network is only evaluated."""
    value = call.arguments["self"] if "self" in call.arguments else call.arguments["input"]
    if call.arguments.get("train"):
        raise call.refuse(
            "is active (allowed: dropout that is off when the network is evaluated)", "pass self.training"
        )
    return value


@register("aten.clone.default", "aten.lift_fresh_copy.default", "aten._to_copy.default")
def copy(call: Call) -> Ref:
    """A tensor of its own, which an in-place operator on the original leaves alone."""
    return replace(call.ref("self"))


@register("aten.cat.default")
def cat(call: Call) -> Ref:
    """Concatenation along any axis but the batch."""
    values = call.arguments["tensors"]
    axis = int(call.arguments["dim"]) % len(call.shape)
    if axis == 0:
        raise call.refuse("joins along the batch axis (allowed: axis 1 and above)", "use dim=1")
    refs = tuple(value if isinstance(value, Ref) else call.literal(as_floats(value)) for value in values)
    return call.emit(Concat, refs, axis=axis)


@register("aten.pad.default", "aten.constant_pad_nd.default")
def pad(call: Call) -> Ref:
    """Zeros around any axis but the batch."""
    value = call.ref("self")
    mode, fill = call.arguments.get("mode", "constant"), call.arguments.get("value")
    if mode != "constant" or (fill or 0) != 0:
        found = f"mode {mode!r}" if mode != "constant" else f"value {fill}"
        raise call.refuse(f"pads with {found} (allowed: zeros)", "pad with zeros")
    flat = [int(amount) for amount in call.arguments["pad"]]
    pairs = [(flat[i], flat[i + 1]) for i in range(0, len(flat), 2)]
    amounts = tuple([(0, 0)] * (len(value.shape) - len(pairs)) + pairs[::-1])
    if any(amount < 0 for pair in amounts for amount in pair) or amounts[0] != (0, 0):
        raise call.refuse(f"pads by {flat} (allowed: 0 and more, not on the batch axis)", "crop the image beforehand")
    return value if not any(flat) else call.emit(Pad, (value,), amounts=amounts)


@register("aten.slice.Tensor")
def slice_(call: Call) -> Ref:
    """Every n-th row or column, from the first: a pooling window of one cell."""
    value, axis = call.ref("self"), int(call.arguments["dim"]) % len(call.shape)
    if call.shape == value.shape:
        return value
    step = int(call.arguments["step"])
    start = call.arguments["start"] or 0
    if len(value.shape) != 4 or axis < 2 or start != 0 or call.shape[axis] != -(-value.shape[axis] // step):
        raise call.refuse(
            f"cuts {list(value.shape)} to {list(call.shape)} (allowed: x[:, :, ::n, ::n])",
            "choose channels by a 1x1 convolution, rows and columns by pooling or a stride",
        )
    stride = (step, 1) if axis == 2 else (1, step)
    return call.emit(Pool, (value,), kind="max", kernel=(1, 1), stride=stride, same=False)
