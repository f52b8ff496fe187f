"""What a kernel costs on a Cortex-M4, from its inner loops and the timing table: no simulator is asked.

Cycles are those of ``foldtiny.device.cycles`` (no wait states): LDM and STM of N words take 1 + N, LDR 2, other
instructions 1, a taken branch 2 or so more. A formula counts the loops that matter and is some per cent off; the tests
compare it with what the simulator counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from foldtiny.aot.cortex_m4 import conv_2d
from foldtiny.aot.layer import Kernel
from foldtiny.aot.ops.conv_2d import NO_POOL, Conv2D
from foldtiny.aot.ops.fully_connected import FullyConnected

NEAR = 1.06
"""Estimates this close to each other say nothing about a board: there the fewer instructions decide."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Estimated cycles and instructions of one run."""

    cycles: float
    instructions: float

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.cycles + other.cycles, self.instructions + other.instructions)

    def __mul__(self, times: float) -> Cost:
        return Cost(self.cycles * times, self.instructions * times)


def best(candidates: Iterable[tuple[Kernel | None, Cost]]) -> Kernel | None:
    """Return the kernel of the fewest estimated cycles; of those near it, that of the fewest instructions."""
    found = [(kernel, cost) for kernel, cost in candidates if kernel is not None]
    if not found:
        return None
    least = min(cost.cycles for _, cost in found)
    return min((c for c in found if c[1].cycles <= least * NEAR), key=lambda c: c[1].instructions)[0]


_HALF_STEP, _WIDE_STEP = Cost(35, 23), Cost(18, 10)
"""Eight and four values of two channels and two pixels."""

_LOOP = Cost(6, 3)
"""Round the inner loop once more, or out of it."""

_TAIL, _FULL_TAIL, _MAX_TAIL = Cost(42, 22), Cost(51, 31), Cost(28, 18)
_SHARED_TAIL, _EXACT_TAIL = Cost(36, 18), Cost(32, 17)
"""From the last product of a tile to the first of the next: where shifts differ, halves are corrected, or sums go into
a maximum; where shifts are shared, in routines for any number of steps and for one."""

_PIXELS = Cost(65, 42)
"""From one pair of pixels to the next."""

_BYTES, _WEAVE, _ROW, _LEFT = Cost(1.7, 1.1), Cost(1.3, 0.2), Cost(40, 28), Cost(25, 19)
"""Widening a value, taking in one that is widened, starting a row of a window, and the bytes left over of it."""

_NINES, _RESCALED = Cost(130, 92), Cost(16, 8)
"""The windows of two pixels of a colour image, 3x3; rescaling a largest sum."""


def direct(layer: Conv2D, kernel: Kernel | None, wide: bool) -> Cost:
    """Return the cost of ``conv_2d`` with int16 or int8 weights."""
    shape = conv_2d.geometry(layer, wide)
    pooled = layer.pool is not NO_POOL
    if wide:
        steps, step, unrolled = shape.groups, _WIDE_STEP, 16
    else:
        steps, step, unrolled = shape.groups // 2, _HALF_STEP, 8
    if kernel is not None and "_exact_" in kernel.call:
        tail, rounds = _EXACT_TAIL, 0
    elif kernel is not None and "_shared_" in kernel.call:
        tail, rounds = _SHARED_TAIL, -(-steps // 32) if steps > 32 else 0
    else:
        tail = _MAX_TAIL if pooled else _TAIL if int(layer.clamp[0]) >= layer.out_zero else _FULL_TAIL
        rounds = -(-steps // unrolled)
    tile = step * steps + _LOOP * rounds + tail
    rows, values = layer.window.k_h, layer.window.k_h * layer.window.k_w * layer.in_c
    windows = (_WEAVE if shape.source == conv_2d.WORDS else _BYTES) * (2 * values) + _ROW * rows
    if kernel is not None and "windows_3x9" in kernel.call:
        windows = _NINES
    elif shape.last:
        windows += _LEFT * rows
    if pooled:
        # Both pixels of a row of the maximum; what rows share is widened once.
        pairs = shape.out_h * shape.out_w * layer.pool.k_h * -(-layer.pool.k_w // 2)
        windows = windows * (1 - shape.shared * (1 - 1 / layer.pool.k_h) / (rows + shape.shared))
    else:
        pairs = shape.out_h * -(-shape.out_w // 2) if shape.together == 1 else -(-shape.out_h * shape.out_w // 2)
    taken = 0 if shape.source == conv_2d.DIRECT else layer.in_h * layer.in_w * layer.in_c
    rescaled = shape.out_h * shape.out_w * layer.out_c if pooled else 0
    once = _BYTES * taken + _RESCALED * rescaled
    return ((_PIXELS + windows + tile * (layer.out_c / 2)) * pairs + once) * shape.batches


def eight_channels(layer: Conv2D) -> Cost:
    """Return the cost of ``eight_channels``."""
    pixels = layer.batches * layer.in_h * layer.in_w
    once = Cost(25, 17) * (-(-pixels // 64) * layer.out_c)
    return Cost(13.4, 8.9) * (pixels * layer.out_c) + once + Cost(1.7, 1.0) * (pixels * layer.in_c)


def three_pixels(layer: Conv2D) -> Cost:
    """Return the cost of ``three_pixels``."""
    pixels, groups = layer.batches * layer.in_h * layer.in_w, layer.in_c / 4
    tile = Cost(25, 17) * groups + Cost(6, 2) * (groups / 8) + Cost(56, 36)
    once = Cost(70, 45) + Cost(20, 12.5) * groups
    return (once + tile * (layer.out_c / 2)) * (pixels // 3 + pixels % 3)


def four_pixels(layer: Conv2D) -> Cost:
    """Return the cost of ``four_pixels``: two cycles less for each step whose pixels wait in the FPU."""
    pixels, steps = layer.batches * layer.in_h * layer.in_w, layer.in_c / 2
    exact, kept = layer.in_c in (16, 32), {16: 8, 32: 4}.get(layer.in_c, 0)
    tile = Cost(17, 11) * steps + Cost(-2, 0) * kept
    tile += Cost(50, 34) if exact else Cost(58, 41) + _LOOP * -(-layer.in_c // 32)
    once = Cost(100, 55) + Cost(13, 7.5) * steps + Cost(4, 0) * kept
    return (once + tile * (layer.out_c / 2)) * -(-pixels // 4)


def strassen(layer: Conv2D) -> Cost:
    """Return the cost of ``strassen``: six pixels and four channels by seven products of half the depth."""
    pixels, steps = layer.batches * layer.in_h * layer.in_w, layer.in_c / 4
    exact = layer.in_c in (64, 128)
    tile = Cost(13, 8) * (7 * steps) + (Cost(240, 145) if exact else Cost(255, 152))
    once = Cost(150, 110) + (Cost(66, 54) if exact else Cost(130, 110)) * steps
    return (once + tile * (layer.out_c / 4)) * -(-pixels // 6)


def colour_3x3(layer: Conv2D) -> Cost:
    """Return the cost of ``colour_3x3``: tiles of two channels times three pixels."""
    tiles = -(-layer.out_w // 3)
    row = (Cost(201, 140) * tiles + Cost(110, 55)) * (-(-layer.out_c // 2) * layer.out_h)
    return row + (Cost(42, 38) * tiles + Cost(100, 90)) * layer.in_h


def winograd(layer: Conv2D) -> Cost:
    """Return the cost of ``winograd``: pairs of 2x2 tiles."""
    groups = -(-layer.in_c // 4)
    pairs = -(-layer.out_h // 2) * -(-layer.out_w // 4)
    transform = Cost(170, 140) * (groups * 2) + Cost(90, 60)
    tile = _WIDE_STEP * (16 * groups) + Cost(540, 310)
    taken = layer.in_h * layer.in_w * layer.in_c
    return (transform + tile * -(-layer.out_c // 2)) * pairs + _BYTES * taken


def winograd_5x5(layer: Conv2D) -> Cost:
    """Return the cost of ``winograd_5x5``: pairs of 2x2 tiles under one maximum each."""
    groups = layer.in_c / 4
    pairs = layer.pooled_h * -(-layer.pooled_w // 2)
    transform = Cost(850, 618) * layer.in_c + Cost(90, 60)
    tile = _WIDE_STEP * (42 * groups) + Cost(1284, 783)
    taken = layer.in_h * layer.in_w * layer.in_c
    return (transform + tile * -(-layer.out_c // 2)) * pairs + _BYTES * taken


def fully_connected(layer: FullyConnected, wide: bool) -> Cost:
    """Return the cost of ``fully_connected`` with int16 or int8 weights."""
    outputs, depth = layer.weights.shape
    step = Cost(41, 21) if wide else Cost(39, 27)
    four = step * -(-depth // 8) + Cost(46, 27)
    return (four * (outputs / 4) + Cost(1.7, 1.0) * depth) * layer.rows
