"""How far an output may reach into an input that is still being read.

A kernel that reads and writes forward has left behind the start of its input when it comes to the end of its output:
the two may share memory if the input starts far enough after the output. The distance is exact, not estimated: it
follows from which byte each step reads first and which it writes last. A kernel that declares it (``Kernel.overlap``)
promises that order.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from foldtiny.aot.ops._window import Window

Bytes = NDArray[np.int64]

NOTHING = np.iinfo(np.int64).max >> 2
"""First byte read by a step that reads none."""

MAX_STEPS = 1 << 20
"""Layers of more steps are not examined: no microcontroller has memory for them anyway."""


def distance(first_read: Bytes, written: Bytes, *, early: Bytes | None = None) -> int:
    """Return the bytes by which the input must start after the output.

    Parameters
    ----------
    first_read : array [steps]
        Offset of the lowest byte of the input that each step reads; ``NOTHING`` if it reads none.
    written : array [steps]
        Offset in the output of the end of what each step writes.
    early : array [steps], optional
        Offset in the output of the end of what each step has written when it still reads its lowest byte. Without it,
        a step has read what its output overwrites by the time it writes: everything first, or byte i before byte i.

    Returns
    -------
    int
        The smallest distance, 0 or more, at which nothing is overwritten before it is read.
    """
    pending = np.minimum.accumulate(first_read[::-1])[::-1]
    done = np.maximum.accumulate(written)
    apart = int((done[:-1] - pending[1:]).max(initial=0))
    if early is not None:
        apart = max(apart, int((early - first_read).max(initial=0)))
    return max(0, apart)


def _first_taps(outputs: int, size: int, kernel: int, stride: int, dilation: int, pad: int) -> Bytes:
    """Return the first position inside the image that each output's window covers, along one axis."""
    start = np.arange(outputs, dtype=np.int64) * stride - pad
    # The first tap that is not before the image.
    skipped = np.maximum(0, -(start // dilation))
    first = start + skipped * dilation
    return np.where((skipped < kernel) & (first < size), first, NOTHING)


def _pooled(first: Bytes, outputs: int, kernel: int, stride: int, pad: int) -> Bytes:
    """Return the first position that each output of a pooling after the convolution needs."""
    result = np.full(outputs, NOTHING, dtype=np.int64)
    for tap in range(kernel):
        at = np.arange(outputs) * stride - pad + tap
        inside = (at >= 0) & (at < len(first))
        result = np.where(inside, np.minimum(result, first[np.where(inside, at, 0)]), result)
    return result


def window_reads(
    batches: int,
    image: tuple[int, int],
    pixel_bytes: int,
    output: tuple[int, int],
    window: Window,
    pool: tuple[Window, tuple[int, int]] | None = None,
) -> Bytes | None:
    """Return the first byte that each output pixel of a sliding window reads, row by row.

    Parameters
    ----------
    batches : int
        Images, one after the other.
    image, output : (height, width)
        Sizes of the input and of the output (before pooling).
    pixel_bytes : int
        Size of one pixel of the input.
    window : Window
        The window.
    pool : (Window, (height, width)), optional
        A pooling fused in, and the size of its output.
    """
    final = pool[1] if pool else output
    if batches * final[0] * final[1] > MAX_STEPS:
        return None
    rows = _first_taps(output[0], image[0], window.k_h, window.stride_h, window.dilation_h, window.pad_top)
    columns = _first_taps(output[1], image[1], window.k_w, window.stride_w, window.dilation_w, window.pad_left)
    if pool:
        area = pool[0]
        rows = _pooled(rows, final[0], area.k_h, area.stride_h, area.pad_top)
        columns = _pooled(columns, final[1], area.k_w, area.stride_w, area.pad_left)
    nothing = (rows[:, None] == NOTHING) | (columns[None, :] == NOTHING)
    one = np.where(nothing, NOTHING, np.where(nothing, 0, rows[:, None] * image[1] + columns) * pixel_bytes).reshape(-1)
    starts = np.arange(batches, dtype=np.int64) * (image[0] * image[1] * pixel_bytes)
    return np.where(one == NOTHING, NOTHING, starts[:, None] + one).reshape(-1)


def by_pixels(reads: Bytes | None, pixel_bytes: int, early_bytes: int | None = None) -> dict[int, int]:
    """Return ``Kernel.overlap`` of a kernel whose steps write one output pixel each, in order.

    ``early_bytes`` of a pixel are written before the last time that its window is read; ``None`` where a pixel is
    written when it has been read, or byte i when byte i has been read.
    """
    if reads is None:
        return {}
    written = np.arange(1, len(reads) + 1, dtype=np.int64) * pixel_bytes
    early = None if early_bytes is None else written - (pixel_bytes - early_bytes)
    return {0: distance(reads, written, early=early)}


def strided(sizes: Sequence[int], steps: Sequence[int], start: int = 0) -> Bytes | None:
    """Return the offset that each turn of nested loops reads, in elements."""
    if int(np.prod(sizes, dtype=object)) > MAX_STEPS:
        return None
    offsets = np.array(start, dtype=np.int64)
    for size, step in zip(sizes, steps, strict=True):
        offsets = offsets[..., None] + np.arange(size, dtype=np.int64) * step
    return offsets.reshape(-1)


def by_elements(reads: Bytes | None, read_bytes: int, write_bytes: int) -> dict[int, int]:
    """Return ``Kernel.overlap`` of a kernel that reads at these elements and writes one element after the other.

    ``read_bytes`` and ``write_bytes`` are the sizes of one element of the input and of the output.
    """
    if reads is None:
        return {}
    written = np.arange(1, len(reads) + 1, dtype=np.int64) * write_bytes
    return {0: distance(reads * read_bytes, written)}
