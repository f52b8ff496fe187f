"""Kernels for Xtensa cores (ESP32): register tiles, unsigned bytes, 32-bit rescaling; no SIMD.

They use what the ESP32's LX6 and the LX106 of the simulated board have both. Each module answers for one operator and
gives ``None`` where its arithmetic would not be exact, so that the plain kernel takes over.
"""

from __future__ import annotations

from foldtiny.aot.xtensa import (
    add,
    conv_2d,
    depthwise_conv_2d,
    depthwise_planes,
    fully_connected,
    pairs_conv_2d,
    pairs_fully_connected,
    winograd,
)

SPECIALISTS = (
    winograd.specialise,
    pairs_conv_2d.specialise,
    conv_2d.specialise,
    depthwise_planes.specialise,
    depthwise_conv_2d.specialise,
    pairs_fully_connected.specialise,
    fully_connected.specialise,
    add.specialise,
)
"""Asked in order; see ``foldtiny.aot.targets``."""
