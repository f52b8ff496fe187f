"""Walking several arrays at once: numpy's broadcasting, with as few loops as the shapes allow."""

from __future__ import annotations

from collections.abc import Sequence

LOOPS = 6
"""Nested loops of the kernels that walk strided arrays (``FT_LOOPS`` in strided.h)."""


def row_major(shape: Sequence[int]) -> list[int]:
    """Return the distance in elements between neighbours along each axis."""
    strides: list[int] = []
    step = 1
    for size in reversed(shape):
        strides.insert(0, step)
        step *= size
    return strides


def broadcast_strides(shape: Sequence[int], output: Sequence[int]) -> list[int] | None:
    """Return an operand's strides along the output's axes (0: repeated), or ``None`` where it does not fit."""
    if len(shape) > len(output):
        return None
    padded = [1] * (len(output) - len(shape)) + list(shape)
    if any(size not in (1, full) for size, full in zip(padded, output, strict=True)):
        return None
    return [0 if size == 1 else step for size, step in zip(padded, row_major(padded), strict=True)]


def merge(sizes: Sequence[int], *strides: Sequence[int]) -> tuple[tuple[int, ...], tuple[tuple[int, ...], ...]]:
    """Join axes that every operand walks without a gap; returns exactly ``LOOPS`` axes, ones first."""
    axes: list[tuple[int, list[int]]] = []
    for axis, size in enumerate(sizes):
        steps = [s[axis] for s in strides]
        if size == 1:
            continue
        if axes and all(outer == size * inner for outer, inner in zip(axes[-1][1], steps, strict=True)):
            axes[-1] = (axes[-1][0] * size, steps)
        else:
            axes.append((size, steps))
    axes = [(1, [0] * len(strides))] * (LOOPS - len(axes)) + axes
    return tuple(size for size, _ in axes), tuple(tuple(steps[i] for _, steps in axes) for i in range(len(strides)))
