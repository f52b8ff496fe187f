"""NEON kernels for aarch64 without dot product instructions (Cortex-A57 of the Jetson Nano).

Each module answers for one operator and gives ``None`` for layers that its kernel does not serve.
"""

from __future__ import annotations

from foldtiny.aot.aarch64 import add, conv_2d, depthwise_conv_2d, fully_connected

SPECIALISTS = (
    conv_2d.specialise,
    depthwise_conv_2d.specialise,
    fully_connected.specialise,
    add.specialise,
)
"""Asked in order; see ``foldtiny.aot.targets``."""
