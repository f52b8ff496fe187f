"""CONV_2D by SMLAD, two channels times two pixels at a time (``cm4_conv_2d.h``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foldtiny.aot.cortex_m4 import packing, rescaling
from foldtiny.aot.layer import Constant, Kernel, Layer, Params
from foldtiny.aot.ops.conv_2d import NO_POOL, Conv2D
from foldtiny.aot.overlap import NOTHING, by_pixels, distance

MAX_ROWS = 16
"""FT_CM4_MAX_ROWS of ``cm4_conv_2d.h``."""

DIRECT, BYTES, WORDS = 0, 1, 2
"""Where a window's rows come from; see ``cm4_conv_2d.h``."""

_WIDE_FIELDS = frozenset(("in_bytes", "out_w", "conv_w", "row_bytes"))

FEW_WEIGHTS = 1024
"""Layers with no more weights than this may be widened for size too: a kilobyte that pays."""

_ODD_WIDTH = 32
"""Rows of fewer pixels than this are computed two together where their number is odd."""

_NINES = (3, 2, 1)
"""Rows, whole groups and bytes left over of windows of 3x3 pixels of three channels."""

SHIFTS = (12, 10, 14, 8, 16)
"""Final shifts, the usual ones first, for which ``cm4_gemm.h`` has routines that rescale in two instructions."""

_SHARED_STEPS, _EXACT_STEPS = (8, 16, 32), (4, 7, 8, 16, 32)
"""Steps in the unrolled loops of these routines, and of those that can do no fewer."""

_HALF_STEPS, _HALF_STEP_BYTES = 8, 92
_WIDE_STEPS, _WIDE_STEP_BYTES = 16, 40


@dataclass(frozen=True, slots=True)
class Geometry:
    """How a layer's windows are read.

    ``step``, ``left`` and ``row_bytes`` are bytes as they lie in the ring; ``rows`` counts the input rows that
    ``together`` rows of outputs need. A window is ``k_h`` runs of ``whole`` groups of four values and ``last`` more
    values, which make ``tail`` groups when all runs are done.
    """

    batches: int
    in_h: int
    in_w: int
    conv_h: int
    conv_w: int
    out_h: int
    out_w: int
    rows: int
    together: int
    source: int
    left: int
    row_bytes: int
    step: int
    whole: int
    last: int
    tail: int
    groups: int
    shared: int
    left_bytes: int

    def scratch_bytes(self, out_c: int, pooled: bool) -> int:
        """Return the working memory: windows, pooling's sums, the bytes left over, ring."""
        ring_rows = 1 if self.source == DIRECT else self.rows
        sums = -(-out_c // 4) * 16 if pooled else 0
        windows = (self.groups + self.shared * self.whole) * 16
        return windows + sums + 2 * self.left_bytes + ring_rows * self.row_bytes


def specialise(layer: Layer, optimize: str) -> Kernel | None:
    """Return the kernel of an int8 convolution: ``size`` keeps its weights int8, ``speed`` widens them."""
    if not isinstance(layer, Conv2D):
        return None
    # Of small layers those that share a routine with first layers: the others would bring one of their own.
    small = layer.in_c <= 4 or (layer.pool is NO_POOL and int(layer.clamp[0]) >= layer.out_zero)
    few = small and layer.weights.size <= FEW_WEIGHTS
    packings = (False, True) if optimize == "size" and not few else (True, False)
    return next((k for wide in packings if (k := packed(layer, wide=wide, exact=optimize == "speed"))), None)


def packed(layer: Conv2D, *, wide: bool, exact: bool = True) -> Kernel | None:
    """Return the kernel with int16 or with int8 weights; ``exact`` allows routines for windows of one length only."""
    return _kernel(layer, wide, exact) if layer.rescale is not None and _supported(layer) else None


def _supported(layer: Conv2D) -> bool:
    window, pool = layer.window, layer.pool
    return (
        (window.dilation_h, window.dilation_w) == (1, 1)
        and layer.group_c == layer.in_c
        and _rows(layer) <= MAX_ROWS
        and pool.stride_h >= pool.k_h
        and pool.stride_w >= pool.k_w
        and (pool.dilation_h, pool.dilation_w) == (1, 1)
    )


def _rows(layer: Conv2D) -> int:
    """Return the input rows that one row of outputs needs."""
    return layer.window.k_h + (layer.pool.k_h - 1) * layer.window.stride_h


def geometry(layer: Conv2D, wide: bool) -> Geometry:
    """Choose how the layer's windows are read."""
    window, c = layer.window, layer.in_c
    reach = (layer.out_w - 1) * window.stride_w + window.k_w
    pooled = layer.pool is not NO_POOL
    shape = (layer.batches, layer.in_h, layer.in_w, layer.out_h, layer.out_w)
    padded_rows = window.pad_top > 0 or (layer.out_h - 1) * window.stride_h + window.k_h - window.pad_top > layer.in_h
    padded = window.pad_left > 0 or reach - window.pad_left > layer.in_w
    pointwise = window.k_h == window.k_w == window.stride_h == window.stride_w == 1 and not (padded or padded_rows)
    if pointwise and not pooled:
        # All pixels are neighbours: one row of them.
        pixels = layer.batches * layer.in_h * layer.in_w
        shape = (1, 1, pixels, 1, pixels)
    source = DIRECT if not padded else WORDS if c % 4 == 0 and window.k_w * c >= 8 else BYTES
    scale = 2 if source == WORDS else 1
    ring_bytes = max(window.pad_left + layer.in_w, reach) * c * scale
    if source == DIRECT:
        ring_bytes = layer.in_w * c if padded_rows else 0
    # With an odd number of pixels in a row, two rows together waste none.
    both = not pooled and shape[4] % 2 == 1 and 1 < shape[4] < _ODD_WIDTH and shape[3] > 1
    rows = _rows(layer) + (window.stride_h if both else 0)
    together = 2 if both and rows <= MAX_ROWS else 1
    whole, last = divmod(window.k_w * c, 4)
    tail = -(-window.k_h * last // 4)
    groups = window.k_h * whole + tail
    # Rows of windows under one maximum overlap.
    shared = (layer.pool.k_h - 1) * window.stride_h if pooled and window.stride_h < window.k_h else 0
    left_bytes = -(-(window.k_h + shared) * last // 4) * 4 + 4 if last else 0
    return Geometry(
        batches=shape[0],
        in_h=shape[1],
        in_w=shape[2],
        conv_h=shape[3],
        conv_w=shape[4],
        out_h=layer.pooled_h if pooled else shape[3],
        out_w=layer.pooled_w if pooled else shape[4],
        rows=rows if together == 2 else _rows(layer),
        together=together,
        source=source,
        left=window.pad_left * c * scale if source != DIRECT else 0,
        row_bytes=-(-ring_bytes // 8) * 8,
        step=window.stride_w * c * scale,
        whole=whole,
        last=last,
        tail=tail,
        # The half packing takes two groups at a time.
        groups=groups if wide else -(-groups // 2) * 2,
        shared=shared,
        left_bytes=left_bytes,
    )


def in_place(layer: Conv2D, shape: Geometry) -> bool:
    """Tell whether outputs never overwrite input that is still to be read, both starting at one address."""
    if shape.batches > 1:
        return False
    if shape.source == DIRECT:
        # Both pixels of a pair are widened before their outputs are stored.
        pointwise = shape.rows == layer.window.k_h == layer.window.k_w == 1
        return pointwise and layer.out_c <= layer.in_c and shape.in_h == 1
    step = layer.pool.stride_h * layer.window.stride_h
    first = -layer.pool.pad_top * layer.window.stride_h - layer.window.pad_top
    out_row, in_row = shape.out_w * layer.out_c, shape.in_w * layer.in_c
    for y in range(0, shape.out_h, shape.together):
        taken_in = min(shape.in_h, first + y * step + shape.rows)
        if taken_in < shape.in_h and (y + shape.together) * out_row > taken_in * in_row:
            return False
    return True


def overlap(layer: Conv2D, shape: Geometry) -> dict[int, int]:
    """Return how far the input has to start after an output that overwrites it (``Kernel.overlap``)."""
    if shape.source != DIRECT:
        return _ring_overlap(layer, shape)
    reads = layer.reads()
    if reads is None or layer.pool is not NO_POOL:
        return by_pixels(reads, layer.out_c)
    # Two pixels are widened, then both written; odd last ones of two rows together when these are done.
    blocks = [np.arange(len(reads)).reshape(shape.batches * shape.out_h, shape.out_w)]
    if shape.together == 2:
        images = blocks[0].reshape(shape.batches, shape.out_h, shape.out_w)
        blocks = [image[y : y + 2] for image in images for y in range(0, shape.out_h, 2)]
    even = shape.out_w - shape.out_w % 2
    first, second = [], []
    for block in blocks:
        lasts = block[:, even:].reshape(-1) if shape.together == 2 else block[:, :0].reshape(-1)
        pairs = block[:, :even] if shape.together == 2 else np.pad(block, ((0, 0), (0, shape.out_w % 2)), mode="edge")
        first += [*pairs[:, 0::2].reshape(-1), *lasts[:1]]
        second += [*pairs[:, 1::2].reshape(-1), *lasts[-1:]]
    a, b = np.array(first), np.array(second)
    return {0: distance(np.minimum(reads[a], reads[b]), (np.maximum(a, b) + 1) * layer.out_c)}


def _ring_overlap(layer: Conv2D, shape: Geometry) -> dict[int, int]:
    """Return the same for a ring, which takes rows in before the outputs that need them are written."""
    step = layer.pool.stride_h * layer.window.stride_h
    first = -layer.pool.pad_top * layer.window.stride_h - layer.window.pad_top
    in_row, out_row = shape.in_w * layer.in_c, shape.out_w * layer.out_c
    reads, written = [], []
    for image in range(shape.batches):
        loaded = 0
        for y in range(0, shape.out_h, shape.together):
            reads.append((image * shape.in_h + loaded) * in_row if loaded < shape.in_h else NOTHING)
            loaded = max(loaded, min(shape.in_h, first + y * step + shape.rows))
            written.append((image * shape.out_h + min(shape.out_h, y + shape.together)) * out_row)
    return {0: distance(np.array(reads), np.array(written))}


def _taps(layer: Conv2D, shape: Geometry) -> NDArray[np.int64]:
    """Return the weights in the order of the window's groups: [channels, groups, 4]."""
    runs = layer.weights.astype(np.int64).reshape(layer.out_c, layer.window.k_h, -1)
    whole = runs[:, :, : shape.whole * 4].reshape(layer.out_c, -1)
    left = runs[:, :, shape.whole * 4 :].reshape(layer.out_c, -1)
    result = np.zeros((layer.out_c, shape.groups * 4), dtype=np.int64)
    result[:, : left.shape[1]] = left
    result[:, shape.tail * 4 : shape.tail * 4 + whole.shape[1]] = whole
    return result.reshape(layer.out_c, shape.groups, 4)


def narrow(fields: Mapping[str, int | float | tuple[int, ...]]) -> bool:
    """Tell whether the parameters fit the struct, which has 16 bits for all but a few."""
    return all(name in _WIDE_FIELDS or (isinstance(v, int) and abs(v) < 1 << 15) for name, v in fields.items())


def _kernel(layer: Conv2D, wide: bool, exact: bool) -> Kernel | None:
    assert layer.rescale is not None
    pooled = layer.pool is not NO_POOL
    shape = geometry(layer, wide)
    flat, bias = packing.folded(layer)
    bounds = rescaling.sum_bounds(flat, bias)
    constants = rescaling.channels(layer.rescale, layer.out_zero, bounds, None if wide else rescaling.HALF_BITS)
    grouped = _taps(layer, shape)
    parameters = fields(layer, shape, wide=wide, clamp=(int(layer.clamp[0]), int(layer.clamp[1])))
    if not narrow(parameters):
        return None
    if constants is None or not (wide or packing.half_fits(grouped)):
        return None
    tail = "max" if pooled else "relu" if int(layer.clamp[0]) >= layer.out_zero else "full"
    shared = sharing(layer, bounds) if wide and tail == "relu" else None
    if shared is not None:
        constants, tail = shared, "shared"
    if tail == "full" and not wide and not all(c.corrected for c in constants):
        return None
    stream = _stream(bias, grouped, constants, wide, tail)
    arrays = {"stream": Constant("int32_t", stream)}
    if pooled:
        arrays["rescaling"] = Constant("int32_t", np.array([c.words(d=True) for c in constants], dtype=np.int32))
    routine = f"ft_gemm_{'wide' if wide else 'half'}_{'first' if pooled else tail}"
    if shared is not None:
        routine, parameters["skip"] = _sharing_routine(shape.groups, shared[0].e, exact)
    body = "ft_cm4_pooled" if pooled else "ft_cm4_pixels"
    more, last = (routine.replace("first", "max"), "$rescaling") if pooled else ("0", "0")
    take = {DIRECT: "0", BYTES: "ft_cm4_take_bytes", WORDS: f"ft_cm4_take_{'wide' if wide else 'half'}"}[shape.source]
    return Kernel(
        title=_title(shape, wide),
        headers=("cm4_conv_2d.h",),
        call=f"ft_cm4_conv_2d_s8($params, {body}, {routine}, {more}, {_windows(layer, shape, wide)}, {take},\n"
        f"                  $stream, {last}, $in0, $out0, $scratch);",
        params=Params("ft_cm4_conv_2d", parameters),
        constants=arrays,
        scratch_bytes=shape.scratch_bytes(layer.out_c, pooled),
        in_place=(0,) if in_place(layer, shape) else (),
        overlap=overlap(layer, shape),
    )


def _windows(layer: Conv2D, shape: Geometry, wide: bool) -> str:
    """Return the name of the routine that widens the windows."""
    pooled = layer.pool is not NO_POOL
    kind = "wide" if wide else "half"
    if shape.source == WORDS:
        kind = "weave"
    elif wide and not pooled and (layer.window.k_h, shape.whole, shape.last) == _NINES:
        kind = "3x9"
    # Pixels of whole words, so that two of them are read at once.
    elif not pooled and shape.source == DIRECT and layer.window.k_h == 1 and layer.in_c % 4 == shape.whole % 2 == 0:
        kind = f"line_{kind}"
    return f"ft_cm4_windows_{kind}"


def _sharing_routine(steps: int, shift: int, exact: bool) -> tuple[str, int]:
    """Return the routine for a shared shift, and the bytes of its code to jump over."""
    if exact and steps in _EXACT_STEPS:
        return f"ft_gemm_exact_{steps}_{shift}", 0
    unrolled = next((s for s in _SHARED_STEPS if steps <= s), _SHARED_STEPS[-1])
    name = unrolled if steps <= unrolled else "loop"
    return f"ft_gemm_shared_{name}_{shift}", (-steps % unrolled) * _WIDE_STEP_BYTES


def sharing(layer: Conv2D, bounds: NDArray[np.int64]) -> list[rescaling.Channel] | None:
    """Return constants under which all channels end with one shift, where there are any."""
    assert layer.rescale is not None
    found = (rescaling.channels_sharing(layer.rescale, layer.out_zero, bounds, shift) for shift in SHIFTS)
    return next((constants for constants in found if constants is not None), None)


def _stream(
    bias: NDArray[np.int64],
    grouped: NDArray[np.int64],
    constants: list[rescaling.Channel],
    wide: bool,
    tail: str,
) -> NDArray[np.int32]:
    rescale = [] if tail == "max" else [c.words(d=wide and tail == "full", e=tail != "shared") for c in constants]
    if wide:
        words = packing.wide_words(grouped, constants).reshape(len(constants), -1)
        return packing.stream(packing.wide_bias(bias, constants), words, rescale, width=2, block=2, repeat=2)
    return packing.stream(packing.half_bias(bias, grouped), packing.half_words(grouped), rescale, width=2, block=1)


def _title(shape: Geometry, wide: bool) -> str:
    rows = {DIRECT: "the input itself", BYTES: "a ring of padded rows", WORDS: "a ring of widened rows"}[shape.source]
    return f"SMLAD, 2 channels x 2 pixels, {'int16' if wide else 'int8'} weights; windows from {rows}"


def fields(
    layer: Conv2D, shape: Geometry, *, wide: bool, clamp: tuple[int, int]
) -> dict[str, int | float | tuple[int, ...]]:
    """Return the kernel's parameters by their names in the struct."""
    steps = shape.groups if wide else shape.groups // 2
    skip = (-steps % _WIDE_STEPS) * _WIDE_STEP_BYTES if wide else (-steps % _HALF_STEPS) * _HALF_STEP_BYTES
    return {
        "batches": shape.batches,
        "in_h": shape.in_h,
        "in_bytes": shape.in_w * layer.in_c,
        "out_h": shape.out_h,
        "out_w": shape.out_w,
        "out_c": layer.out_c,
        "conv_h": shape.conv_h,
        "conv_w": shape.conv_w,
        "k_h": layer.window.k_h,
        "stride_h": layer.window.stride_h,
        "pad_top": layer.window.pad_top,
        "pool_h": layer.pool.k_h,
        "pool_w": layer.pool.k_w,
        "pool_top": layer.pool.pad_top,
        "pool_left": layer.pool.pad_left,
        "pool_step_h": layer.pool.stride_h,
        "pool_step_w": layer.pool.stride_w,
        "source": shape.source,
        "wide": int(wide),
        "rows": shape.rows,
        "row_bytes": shape.row_bytes,
        "left": shape.left,
        "together": shape.together,
        "step": shape.step,
        "whole": shape.whole,
        "last": shape.last,
        "tail": shape.tail,
        "groups": shape.groups,
        "shared": shape.shared,
        "left_bytes": shape.left_bytes,
        "relu": int(clamp[0] >= layer.out_zero),
        "skip": skip,
        "pairs": layer.out_c // 2,
        "rest": layer.out_c % 2,
        "in_zero": layer.in_zero,
        "out_min": clamp[0],
        "out_max": clamp[1],
    }
