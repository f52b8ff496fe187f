"""Which kernel computes a layer on which processor.

``choose`` asks the target's specialists in order; the first that answers wins, and the plain C kernel serves whatever
none of them takes. A specialist is a function ``(layer, optimize) -> Kernel | None``: it looks at the layer's type
(``isinstance(layer, Conv2D)``), checks at compile time that its tricks are exact for this layer's numbers, packs the
constants and returns a ``Kernel``; or returns ``None``. Register it in ``SPECIALISTS``; nothing else changes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from foldtiny.aot import aarch64, cortex_m4, xtensa
from foldtiny.aot.layer import Kernel, Layer
from foldtiny.errors import UsageError

Specialist = Callable[[Layer, str], Kernel | None]

SPECIALISTS: Mapping[str, tuple[Specialist, ...]] = {
    "portable": (),
    "cortex-m4": cortex_m4.SPECIALISTS,
    "xtensa": xtensa.SPECIALISTS,
    "aarch64": aarch64.SPECIALISTS,
}
"""The specialists of each target, the best first."""

OPTIMIZE = ("speed", "size")


def check(target: str, optimize: str) -> None:
    """Check the names of a target and of what to optimise for."""
    for what, value, allowed in (("target", target, tuple(SPECIALISTS)), ("optimize", optimize, OPTIMIZE)):
        if value not in allowed:
            raise UsageError(f"{what} '{value}' is not known (allowed: {', '.join(allowed)})", f"choose another {what}")


def choose_all(layers: Sequence[Layer], target: str, optimize: str) -> tuple[Kernel, ...]:
    """Return the kernels for a network's layers, which share code where a kernel names another one for that."""
    kernels = [choose(layer, target, optimize) for layer in layers]
    there = {header for kernel in kernels if kernel.instead is None for header in kernel.headers}

    def sharing(kernel: Kernel) -> Kernel:
        other = kernel.instead
        if other is None or not there.issuperset(other.headers) or not there.isdisjoint(kernel.headers):
            return kernel
        return other

    return tuple(map(sharing, kernels))


def choose(layer: Layer, target: str, optimize: str) -> Kernel:
    """Return the kernel for a layer."""
    for specialist in SPECIALISTS[target]:
        kernel = specialist(layer, optimize)
        if kernel is not None:
            return kernel
    return layer.plain()
