"""ADD of two tensors of the same shape (``xt_add.h``)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from foldtiny.aot import quant
from foldtiny.aot.layer import Constant, Kernel, Layer, Params
from foldtiny.aot.ops._elementwise import HEADROOM, Elementwise
from foldtiny.aot.xtensa import rescaling


def specialise(layer: Layer, optimize: str) -> Kernel | None:
    """Return the kernel of an int8 ADD without broadcasting."""
    if not isinstance(layer, Elementwise) or layer.function != "add" or layer.dtype != "int8":
        return None
    if layer.sizes[-1] != layer.count or any(steps[-1] != 1 for steps in layer.strides):
        return None
    factors = layer.arithmetic
    tables = [_table(factors[f"zero{n}"], factors[f"multiplier{n}"], factors[f"shift{n}"]) for n in (1, 2)]
    bound = sum(int(np.abs(table).max()) for table in tables)
    output = rescaling.channel(factors["out_multiplier"], factors["out_shift"], factors["out_zero"], 0)
    if output is None or bound >= rescaling.LARGEST_SUM:
        return None
    return Kernel(
        title="inputs by table, 32-bit rescaling",
        headers=("xt_add.h",),
        call="ft_xt_add_s8($params, $table1, $table2, $in0, $in1, $out0);",
        params=Params(
            "ft_xt_add",
            {
                "count": layer.count,
                "out_min": int(layer.clamp[0]),
                "out_max": int(layer.clamp[1]),
                "output": tuple(output),
            },
        ),
        constants={f"table{n}": Constant("int32_t", table, table=True) for n, table in enumerate(tables, start=1)},
        in_place=layer.in_place,
        overlap=dict.fromkeys(layer.in_place, 0),
    )


def _table(zero: int, multiplier: int, shift: int) -> NDArray[np.int64]:
    """Return each input's value on the common scale, in the order of the bytes 0, 1 ... 127, -128 ... -1."""
    stored = [*range(quant.INT8_MAX + 1), *range(quant.INT8_MIN, 0)]
    return np.array([quant.requantise((v - zero) << HEADROOM, multiplier, shift) for v in stored], dtype=np.int64)
