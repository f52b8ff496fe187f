"""Functions of one int8 value: 256 results, tabulated when compiling."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from foldtiny.aot.layer import Constant, Kernel, Params


def lookup_kernel(table: NDArray[np.int8], count: int, *, cast: bool = False) -> Kernel:
    """Return the kernel that replaces each of ``count`` values by its entry (entry 0 belongs to -128).

    With ``cast``, input and output may be uint8 too: their bytes are read as int8.
    """
    places = "(const int8_t *)$in0, (int8_t *)$out0" if cast else "$in0, $out0"
    return Kernel(
        title="table of all 256 results",
        headers=("lookup.h",),
        call=f"ft_lookup_s8($params, $table, {places});",
        params=Params("ft_lookup", {"count": count}),
        constants={"table": Constant("int8_t", table, table=True)},
        in_place=(0,),
        overlap={0: 0},
    )
