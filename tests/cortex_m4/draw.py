"""Random layers for the kernel tests: odd shapes, every zero point, rescaling from too weak to too strong."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from foldtiny.aot import quant
from foldtiny.aot.ops._elementwise import Elementwise
from foldtiny.aot.ops._pool import Pool2D
from foldtiny.aot.ops._weights import Rescale
from foldtiny.aot.ops._window import Window
from foldtiny.aot.ops.average_pool_2d import AveragePool2D
from foldtiny.aot.ops.depthwise_conv_2d import DepthwiseConv2D
from foldtiny.aot.ops.fully_connected import FullyConnected
from foldtiny.aot.ops.max_pool_2d import MaxPool2D
from foldtiny.aot.ops.mean import Mean

Rng = np.random.Generator


def values(rng: Rng, shape: tuple[int, ...]) -> NDArray[np.int8]:
    """Return activations: all over int8, small, or at the ends."""
    kind = rng.integers(5)
    if kind == 0:
        return rng.choice(np.array([-128, 127], np.int8), shape)
    if kind == 1:
        return np.full(shape, rng.choice([-128, 127]), np.int8)
    spread = 20 if kind == 2 else 128
    return rng.integers(-spread, spread, shape).astype(np.int8)


def weights(rng: Rng, shape: tuple[int, ...]) -> NDArray[np.int8]:
    """Return weights; now and then with -128, which int8 packing by pairs cannot always hold."""
    kind = rng.integers(6)
    if kind == 0:
        return rng.choice(np.array([-127, 127], np.int8), shape)
    if kind == 1:
        return rng.integers(-128, 128, shape).astype(np.int8)
    return np.clip(np.round(rng.normal(0, 38, shape)), -127, 127).astype(np.int8)


def zero_point(rng: Rng) -> int:
    """Return a zero point, often one of the ends."""
    return int(rng.choice([-128, -128, 127, 0, int(rng.integers(-128, 128))]))


def rescale(rng: Rng, channels: int, taps: int) -> Rescale:
    """Return factors under which most sums land inside int8, and now and then any others, left shifts too."""
    count = channels if rng.integers(4) else 1
    spread = 30.0 * 74.0 * taps**0.5
    reals = rng.uniform(0.3, 3.0, count) * 50 / spread
    if rng.integers(8) == 0:
        reals = 2.0 ** rng.uniform(-16, 3, count)
    mantissa, shift = np.frexp(reals)
    multipliers = np.minimum(np.round(mantissa * (1 << 31)), (1 << 31) - 1).astype(np.int32)
    if rng.integers(6) == 0:
        multipliers[:] = rng.choice([1 << 30, (1 << 31) - 1, (1 << 30) + 1])
    return Rescale(multipliers, shift.astype(np.int8))


def clamp(rng: Rng, zero: int) -> tuple[float, float]:
    """Return the clamp of no activation, ReLU, or one inside int8's range."""
    kind = rng.integers(4)
    low = -128 if kind < 2 else zero
    return float(low), float(int(rng.integers(low, 128)) if kind == 3 else 127)


def bias(rng: Rng, channels: int, taps: int) -> NDArray[np.int32]:
    reach = int(2000 * taps**0.5)
    return rng.integers(-reach, reach, channels).astype(np.int32)


def window(rng: Rng, k_h: int, k_w: int, strides: tuple[int, int], padded: bool) -> Window:
    """Return a window, with any padding smaller than the kernel."""
    top, left = (int(rng.integers(k_h)), int(rng.integers(k_w))) if padded else (0, 0)
    return Window(k_h, k_w, *strides, 1, 1, top, left, "SAME" if padded else "VALID")


def fully_connected(rng: Rng) -> FullyConnected:
    """Return a fully connected layer of one vector or a few."""
    rows = int(rng.choice([1, 1, 2, 3]))
    depth, outputs = int(rng.integers(4, 150)), int(rng.integers(1, 80))
    if rows > 1 and rng.integers(4):
        depth = -(-depth // 4) * 4
    if rng.integers(8) == 0:
        rows, depth, outputs = 1, int(rng.integers(500, 1500)), int(rng.integers(1, 9))  # sums that come in parts
    elif rng.integers(6) == 0:
        depth, outputs = 4 * int(rng.integers(32, 110)), 4 * int(rng.integers(1, 30))  # vectors in stretches
    zero = zero_point(rng)
    return FullyConnected(
        name="fc",
        operators=("FULLY_CONNECTED",),
        inputs=(0,),
        outputs=(1,),
        dtype="int8",
        rows=rows,
        weights=weights(rng, (outputs, depth)),
        bias=bias(rng, outputs, depth),
        rescale=rescale(rng, outputs, depth),
        in_zero=zero_point(rng),
        out_zero=zero,
        clamp=clamp(rng, zero),
    )


def depthwise_conv_2d(rng: Rng) -> DepthwiseConv2D:
    """Return a 3x3 depthwise convolution with stride 1 or 2 and any padding."""
    channels = int(rng.choice([4, 4, 5, 7, 8, 12, 18, 20]))
    stride = int(rng.choice([1, 1, 2]))
    area = window(rng, 3, 3, (stride, stride), bool(rng.integers(4)))
    in_h, in_w = 3 + int(rng.integers(0, 14)), 3 + int(rng.integers(0, 14))
    extra_h, extra_w = (int(rng.integers(3)), int(rng.integers(3))) if area.padding == "SAME" else (0, 0)
    if rng.integers(4) == 0:
        area, extra_h, extra_w = Window(3, 3, stride, stride, 1, 1, 1, 1, "SAME"), 1, 1  # as in most networks
    zero = zero_point(rng)
    return DepthwiseConv2D(
        name="depthwise",
        operators=("DEPTHWISE_CONV_2D",),
        inputs=(0,),
        outputs=(1,),
        dtype="int8",
        batches=1,
        in_h=in_h,
        in_w=in_w,
        in_c=channels,
        out_h=(in_h + area.pad_top + extra_h - 3) // stride + 1,
        out_w=(in_w + area.pad_left + extra_w - 3) // stride + 1,
        window=area,
        weights=weights(rng, (3, 3, channels)),
        bias=bias(rng, channels, 9),
        rescale=rescale(rng, channels, 9),
        in_zero=zero_point(rng),
        out_zero=zero,
        clamp=clamp(rng, zero),
    )


def add(rng: Rng) -> Elementwise:
    """Return an addition of two tensors of the same size, with TFLite's own factors for random scales."""
    count = int(rng.integers(1, 400))
    scales = rng.uniform(0.001, 0.3, 3).astype(np.float32).astype(float)
    if rng.integers(4) == 0:
        scales[1] = scales[0]
    largest = 2 * max(scales[:2])
    ratios = (scales[0] / largest, scales[1] / largest, largest / ((1 << 20) * scales[2]))
    factors = [quant.quantise_multiplier(r) for r in ratios]
    zero = zero_point(rng)
    names = ("multiplier1", "shift1", "multiplier2", "shift2", "out_multiplier", "out_shift")
    numbers = dict(zip(names, (n for pair in factors for n in pair), strict=True))
    return Elementwise(
        name="add",
        operators=("ADD",),
        inputs=(0, 1),
        outputs=(2,),
        function="add",
        dtype="int8",
        sizes=(1, 1, 1, 1, count),
        strides=((0, 0, 0, 0, 1), (0, 0, 0, 0, 1)),
        count=count,
        in_place=(0, 1),
        clamp=clamp(rng, zero),
        arithmetic={"zero1": zero_point(rng), "zero2": zero_point(rng), "out_zero": zero, **numbers},
    )


def pool_2d(rng: Rng) -> Pool2D:
    """Return a maximum or an average over any window."""
    kind = AveragePool2D if rng.integers(2) else MaxPool2D
    k_h, k_w = int(rng.integers(1, 5)), int(rng.integers(1, 5))
    strides = (int(rng.integers(1, 4)), int(rng.integers(1, 4)))
    in_h, in_w = k_h + int(rng.integers(0, 7)), k_w + int(rng.integers(0, 7))
    if rng.integers(4) == 0:
        k_h, k_w = in_h, in_w = int(rng.integers(1, 20)), int(rng.integers(1, 20))
    same = bool(rng.integers(2))
    out_h = -(-in_h // strides[0]) if same else (in_h - k_h) // strides[0] + 1
    out_w = -(-in_w // strides[1]) if same else (in_w - k_w) // strides[1] + 1
    top = max(0, (out_h - 1) * strides[0] + k_h - in_h) // 2
    left = max(0, (out_w - 1) * strides[1] + k_w - in_w) // 2
    low, high = clamp(rng, int(rng.integers(-128, 128)))
    return kind(
        name="pool",
        operators=("POOL",),
        inputs=(0,),
        outputs=(1,),
        dtype="int8",
        batches=int(rng.integers(1, 3)),
        in_h=in_h,
        in_w=in_w,
        channels=int(rng.choice([4, 8, 12])),
        out_h=out_h,
        out_w=out_w,
        window=Window(k_h, k_w, *strides, 1, 1, top, left, "SAME" if same else "VALID"),
        clamp=(low, high),
    )


def mean(rng: Rng) -> Mean:
    """Return a mean over the pixels of one image or two."""
    pixels, channels = int(rng.integers(1, 600)), int(rng.choice([4, 8, 12]))
    images = int(rng.integers(1, 3))
    multiplier, shift = quant.quantise_multiplier(float(rng.uniform(0.2, 4)))
    places = min(pixels.bit_length() - 1, 32, 31 + shift)
    return Mean(
        name="mean",
        operators=("MEAN",),
        inputs=(0,),
        outputs=(1,),
        dtype="int8",
        kept=(1, 1, 1, images, channels),
        kept_steps=(0, 0, 0, pixels * channels, 1),
        over=(1, 1, 1, 1, pixels),
        over_steps=(0, 0, 0, 0, channels),
        in_zero=zero_point(rng),
        out_zero=zero_point(rng),
        multiplier=(multiplier << places) // pixels,
        shift=shift - places,
    )
