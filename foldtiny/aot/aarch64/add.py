"""ADD of two tensors of the same shape (``nn_add.h``)."""

from __future__ import annotations

from dataclasses import replace

from foldtiny.aot.layer import Kernel, Layer
from foldtiny.aot.ops._elementwise import Elementwise


def specialise(layer: Layer, optimize: str) -> Kernel | None:
    """Return the kernel of an int8 ADD without broadcasting."""
    if not isinstance(layer, Elementwise) or layer.function != "add" or layer.dtype != "int8":
        return None
    if layer.sizes[-1] != layer.count or any(steps[-1] != 1 for steps in layer.strides):
        return None
    return replace(
        layer.plain(),
        title="NEON, 8 values at a time",
        headers=("nn_add.h",),
        call=f"ft_nn_add_s8($params, {layer.count}, $in0, $in1, $out0);",
    )
