"""Pooling, with torch's symmetric padding expressed exactly in TensorFlow's terms."""

from __future__ import annotations

import numpy as np

from foldtiny.convert.ir import Mean, Pad, Pool, nonnegative
from foldtiny.convert.registry import Call, Ref, register
from foldtiny.convert.window import Axis, all_same, all_valid


@register("aten.max_pool2d.default")
def max_pool2d(call: Call) -> Ref:
    """Max pooling; padding counts as minus infinity."""
    value, axes = _window(call)
    if call.pair("dilation") != (1, 1):
        raise call.refuse(f"has dilation {call.pair('dilation')} (allowed: 1)", "use a window without dilation")
    if all_valid(axes) or all_same(axes):
        return _pool(call, value, "max", axes, same=not all_valid(axes))
    if nonnegative(call.nodes, value.name):
        # A zero never exceeds the largest of the values, none of which is below zero.
        return _pool(call, _padded(call, value, axes), "max", axes, same=False)
    if all(axis.centred and axis.outputs == -(-axis.size // axis.stride) for axis in axes):
        dense = call.emit(Pool, (value,), value.shape, kind="max", kernel=_kernel(axes), stride=(1, 1), same=True)
        stride = (axes[0].stride, axes[1].stride)
        return call.emit(Pool, (dense,), kind="max", kernel=(1, 1), stride=stride, same=False)
    raise call.refuse(
        f"pads values that may be negative by {tuple(axis.before for axis in axes)} "
        f"(allowed: half of an odd window, here {_kernel(axes)}, or values after a ReLU)",
        "put a ReLU before the pooling or choose another padding",
    )


@register("aten.avg_pool2d.default")
def avg_pool2d(call: Call) -> Ref:
    """Average pooling; padding counts or does not, as the module says."""
    value, axes = _window(call)
    override = call.arguments["divisor_override"]
    if override or not (all_valid(axes) or all_same(axes)) or (axes[0].before or axes[1].before):
        return _corrected_average(call, value, axes)
    return _pool(call, value, "avg", axes, same=not all_valid(axes))


def _corrected_average(call: Call, value: Ref, axes: tuple[Axis, Axis]) -> Ref:
    """Average over zero padding, then mend the divisor where torch's is another."""
    counts_padding, override = bool(call.arguments["count_include_pad"]), call.arguments["divisor_override"]
    divisor = np.outer(axes[0].counts(counts_padding), axes[1].counts(counts_padding)).astype(np.float64)
    if override:
        divisor[:] = override
    inside = np.outer(axes[0].counts(False), axes[1].counts(False))
    if all_same(axes) and (divisor == inside).all():
        return _pool(call, value, "avg", axes, same=True)
    average = _pool(call, _padded(call, value, axes), "avg", axes, same=False)
    cells = axes[0].kernel * axes[1].kernel
    if (divisor == cells).all():
        return average
    factor = (cells / divisor).astype(np.float32)
    if (factor == factor.flat[0]).all():
        return call.affine(average, float(factor.flat[0]), 0.0)
    return call.binary("mul", average, call.literal(factor[None, None]))


@register("aten.adaptive_avg_pool2d.default")
def adaptive_avg_pool2d(call: Call) -> Ref:
    """The mean over the map, or equal windows where the sizes divide."""
    value = call.ref("self")
    if call.shape[2:] == (1, 1) and len(value.shape) == 4:
        return call.emit(Mean, (value,), axes=(2, 3))
    return _adaptive(call, value, "avg")


@register("aten.adaptive_max_pool2d.default")
def adaptive_max_pool2d(call: Call) -> Ref:
    """Equal windows where the sizes divide."""
    return _adaptive(call, call.ref("self"), "max")


def _adaptive(call: Call, value: Ref, kind: str) -> Ref:
    sizes, wanted = value.shape[2:], call.shape[2:]
    if sizes == wanted:
        return value
    if len(sizes) != 2 or any(size % want for size, want in zip(sizes, wanted, strict=True)):
        raise call.refuse(
            f"pools {list(sizes)} to {list(wanted)} (allowed: sizes that divide evenly)",
            "choose an output size that divides the map's",
        )
    kernel = (sizes[0] // wanted[0], sizes[1] // wanted[1])
    return call.emit(Pool, (value,), kind=kind, kernel=kernel, stride=kernel, same=False)


@register("aten.mean.dim")
def mean(call: Call) -> Ref:
    """The mean over any axes but the batch."""
    value = call.ref("self")
    rank = len(value.shape)
    listed = call.arguments["dim"]
    axes = tuple(sorted({int(axis) % rank for axis in (listed or range(rank))}))
    if 0 in axes:
        raise call.refuse("averages over the batch axis (allowed: axis 1 and above)", "name the axes, such as (2, 3)")
    return call.emit(Mean, (value,), axes=axes)


def _window(call: Call) -> tuple[Ref, tuple[Axis, Axis]]:
    value = call.ref("self")
    if len(value.shape) != 4:
        raise call.refuse(f"works on shape {list(value.shape)} (allowed: [N, C, H, W])", "pool images of two axes")
    kernel, padding = call.pair("kernel_size"), call.pair("padding")
    stride = call.pair("stride") if call.arguments["stride"] else kernel
    axes = [Axis(value.shape[2 + i], kernel[i], stride[i], padding[i], call.shape[2 + i]) for i in range(2)]
    return value, (axes[0], axes[1])


def _kernel(axes: tuple[Axis, Axis]) -> tuple[int, int]:
    return (axes[0].kernel, axes[1].kernel)


def _padded(call: Call, value: Ref, axes: tuple[Axis, Axis]) -> Ref:
    amounts = ((0, 0), (0, 0), *((axis.before, axis.after) for axis in axes))
    shape = tuple(size + sum(amount) for size, amount in zip(value.shape, amounts, strict=True))
    return call.emit(Pad, (value,), shape, amounts=amounts) if shape != value.shape else value


def _pool(call: Call, value: Ref, kind: str, axes: tuple[Axis, Axis], *, same: bool) -> Ref:
    stride = (axes[0].stride, axes[1].stride)
    return call.emit(Pool, (value,), kind=kind, kernel=_kernel(axes), stride=stride, same=same)
