"""Fully connected layers and BatchNorm."""

from __future__ import annotations

import numpy as np

from foldtiny.convert.ir import Linear
from foldtiny.convert.registry import Call, Ref, register


@register("aten.linear.default")
def linear(call: Call) -> Ref:
    """``x @ weight.T + bias`` on ``[1, features]``."""
    value = call.ref("input")
    if len(value.shape) != 2:
        raise call.refuse(
            f"works on shape {list(value.shape)} (allowed: [N, features])", "flatten the features before the layer"
        )
    weight = call.parameter("weight")
    bias = call.constant("bias")
    return call.emit(
        Linear,
        (value,),
        weight=weight,
        bias=np.zeros(weight.shape[0], np.float32) if bias is None else bias,
    )


@register("aten.batch_norm.default")
def batch_norm(call: Call) -> Ref:
    """BatchNorm with its running statistics, as one multiplication and one addition per channel."""
    value = call.ref("input")
    mean, variance = call.constant("running_mean"), call.constant("running_var")
    if call.arguments["training"] or mean is None or variance is None:
        raise call.refuse(
            "takes its statistics from the batch (allowed: running statistics)",
            "build it with track_running_stats=True and train it",
        )
    weight, bias = call.constant("weight"), call.constant("bias")
    # In double precision: the product of a tiny variance and a large scale loses digits in float32.
    scale = 1.0 / np.sqrt(variance.astype(np.float64) + float(call.arguments["eps"]))
    if weight is not None:
        scale = scale * weight
    shift = -mean * scale
    if bias is not None:
        shift = shift + bias
    return call.affine(value, scale.astype(np.float32), shift.astype(np.float32))
