"""Sums, differences, products and quotients of values and constants."""

from __future__ import annotations

from typing import Any

import numpy as np

from foldtiny.convert.ir import Floats
from foldtiny.convert.registry import Call, Ref, as_floats, register


@register("aten.add.Tensor", "aten.add_.Tensor", "aten.add.Scalar", "aten.add_.Scalar")
def add(call: Call) -> Ref:
    """``self + alpha * other``."""
    alpha = float(call.arguments.get("alpha", 1))
    return _sum(call, call.arguments["self"], 1.0, call.arguments["other"], alpha)


@register("aten.sub.Tensor", "aten.sub_.Tensor", "aten.sub.Scalar", "aten.sub_.Scalar")
def sub(call: Call) -> Ref:
    """``self - alpha * other``."""
    alpha = float(call.arguments.get("alpha", 1))
    return _sum(call, call.arguments["self"], 1.0, call.arguments["other"], -alpha)


@register("aten.rsub.Scalar", "aten.rsub.Tensor")
def rsub(call: Call) -> Ref:
    """``other - alpha * self``."""
    alpha = float(call.arguments.get("alpha", 1))
    return _sum(call, call.arguments["self"], -alpha, call.arguments["other"], 1.0)


@register("aten.neg.default", "aten.neg_.default")
def neg(call: Call) -> Ref:
    """``-self``."""
    return call.affine(call.ref("self"), -1.0, 0.0)


@register("aten.mul.Tensor", "aten.mul_.Tensor", "aten.mul.Scalar", "aten.mul_.Scalar")
def mul(call: Call) -> Ref:
    """``self * other``."""
    left, right = call.arguments["self"], call.arguments["other"]
    if isinstance(left, Ref) and isinstance(right, Ref):
        return call.binary("mul", left, right)
    value, factor = (left, right) if isinstance(left, Ref) else (right, left)
    return _scaled(call, value, as_floats(factor))


@register("aten.div.Tensor", "aten.div_.Tensor", "aten.div.Scalar", "aten.div_.Scalar")
def div(call: Call) -> Ref:
    """``self / other`` with a constant divisor."""
    value, divisor = call.ref("self"), call.constant("other")
    if divisor is None or (divisor == 0).any():
        raise call.refuse("divides by zero (allowed: divisors other than 0)", "mend the divisor")
    return _scaled(call, value, (1.0 / divisor.astype(np.float64)).astype(np.float32))


def _sum(call: Call, left: Any, left_sign: float, right: Any, right_sign: float) -> Ref:
    """Return ``left_sign * left + right_sign * right``, either of which may be a constant."""
    if isinstance(left, Ref) and isinstance(right, Ref):
        if (left_sign, right_sign) == (1.0, -1.0):
            return call.binary("sub", left, right)
        parts = [
            value if sign == 1.0 else call.affine(value, sign, 0.0)
            for value, sign in ((left, left_sign), (right, right_sign))
        ]
        return call.binary("add", parts[0], parts[1])
    value, sign, constant = (
        (left, left_sign, as_floats(right) * right_sign)
        if isinstance(left, Ref)
        else (right, right_sign, as_floats(left) * left_sign)
    )
    shift = _per_channel(constant, value)
    if shift is not None:
        return call.affine(value, sign, shift)
    signed = value if sign == 1.0 else call.affine(value, sign, 0.0)
    return call.binary("add", signed, call.literal(_ranked(constant, value)))


def _scaled(call: Call, value: Ref, factor: Floats) -> Ref:
    scale = _per_channel(factor, value)
    if scale is not None:
        return call.affine(value, scale, 0.0)
    return call.binary("mul", value, call.literal(_ranked(factor, value)))


def _ranked(constant: Floats, value: Ref) -> Floats:
    """Return the constant with leading axes of 1, as torch's broadcasting adds them."""
    missing = len(value.shape) - constant.ndim
    return np.asarray(constant.reshape((1,) * max(missing, 0) + constant.shape), np.float32)


def _per_channel(constant: Floats, value: Ref) -> Floats | None:
    """Return a constant that is one number, or one per channel, as a vector; else None."""
    shape = _ranked(constant, value).shape
    if constant.size == 1 and len(shape) == len(value.shape):
        return constant.reshape(1)
    if len(shape) > 1 and shape[1] == value.shape[1] and constant.size == shape[1] and len(shape) == len(value.shape):
        return constant.reshape(-1)
    return None
