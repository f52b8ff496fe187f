"""Kernels for the Cortex-M4 (nRF52840): SMLAD, packed constants, register tiles.

Each module answers for one operator: it checks when compiling that its transformations are exact for the layer's own
numbers, and gives ``None`` where they are not, so that the plain kernel takes over.
"""

from __future__ import annotations

from foldtiny.aot.cortex_m4 import add, convolution, depthwise_conv_2d, fully_connected, pool_2d

SPECIALISTS = (
    convolution.specialise,
    depthwise_conv_2d.specialise,
    fully_connected.specialise,
    add.specialise,
    pool_2d.specialise,
)
"""Asked in order; see ``foldtiny.aot.targets``."""
