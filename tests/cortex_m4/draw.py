"""Random layers for the kernel tests: odd shapes, every zero point, rescaling from too weak to too strong."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from foldtiny.aot import quant
from foldtiny.aot.ops._elementwise import Elementwise
from foldtiny.aot.ops._pool import Pool2D
from foldtiny.aot.ops._weights import Rescale
from foldtiny.aot.ops._window import Window
from foldtiny.aot.ops.average_pool_2d import AveragePool2D
from foldtiny.aot.ops.conv_2d import NO_POOL, Conv2D
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


def _bias(rng: Rng, channels: int, taps: int) -> NDArray[np.int32]:
    reach = int(2000 * taps**0.5)
    return rng.integers(-reach, reach, channels).astype(np.int32)


def window(rng: Rng, k_h: int, k_w: int, strides: tuple[int, int], padded: bool) -> Window:
    """Return a window, with any padding smaller than the kernel."""
    top, left = (int(rng.integers(k_h)), int(rng.integers(k_w))) if padded else (0, 0)
    return Window(k_h, k_w, *strides, 1, 1, top, left, "SAME" if padded else "VALID")


def conv_2d(rng: Rng) -> Conv2D:
    """Return a convolution of up to 5x5 (sometimes 10x4), pooled or not."""
    pointwise = rng.integers(4) == 0
    k_h, k_w = (1, 1) if pointwise else (int(rng.integers(1, 6)), int(rng.integers(1, 6)))
    if rng.integers(12) == 0:
        k_h, k_w = 10, 4
    in_c = int(rng.choice([1, 2, 3, 4, 5, 7, 8, 12, 14, 16, 20, 24]))
    if rng.integers(12) == 0:
        k_h, k_w, in_c = 3, 3, 3  # first layers of colour images
    out_c = int(rng.choice([1, 2, 3, 4, 5, 8, 9, 16]))
    strides = (1, 1) if rng.integers(2) else (int(rng.integers(1, 4)), int(rng.integers(1, 4)))
    area = window(rng, k_h, k_w, strides, bool(rng.integers(2)))
    in_h, in_w = k_h + int(rng.integers(0, 8)), k_w + int(rng.integers(0, 8))
    extra_h, extra_w = (int(rng.integers(k_h)), int(rng.integers(k_w))) if area.padding == "SAME" else (0, 0)
    out_h = (in_h + area.pad_top + extra_h - k_h) // strides[0] + 1
    out_w = (in_w + area.pad_left + extra_w - k_w) // strides[1] + 1
    pool, pooled = NO_POOL, (0, 0)
    if rng.integers(3) == 0:
        pool, pooled = _pool(rng, out_h, out_w)
    taps = k_h * k_w * in_c
    zero = zero_point(rng)
    return Conv2D(
        name="conv",
        operators=("CONV_2D",),
        inputs=(0,),
        outputs=(1,),
        dtype="int8",
        batches=int(rng.choice([1, 1, 1, 2])),
        in_h=in_h,
        in_w=in_w,
        in_c=in_c,
        out_h=out_h,
        out_w=out_w,
        window=area,
        weights=weights(rng, (out_c, k_h, k_w, in_c)),
        bias=_bias(rng, out_c, taps),
        rescale=rescale(rng, out_c, taps),
        in_zero=zero_point(rng),
        out_zero=zero,
        clamp=clamp(rng, zero),
        pool=pool,
        pooled_h=pooled[0],
        pooled_w=pooled[1],
    )


def conv_three(rng: Rng) -> Conv2D:
    """Return a 1x1 convolution of channels in eights."""
    layer, in_c = conv_eight(rng), 8 * int(rng.integers(1, 20))
    zero = zero_point(rng)
    return replace(
        layer,
        in_c=in_c,
        in_h=max(3, layer.in_h),
        out_h=max(3, layer.out_h),
        weights=weights(rng, (layer.out_c, 1, 1, in_c)),
        bias=_bias(rng, layer.out_c, in_c),
        rescale=rescale(rng, layer.out_c, in_c),
        out_zero=zero,
        clamp=clamp(rng, zero),
    )


def conv_pointwise(rng: Rng) -> Conv2D:
    """Return a 1x1 convolution with a ReLU, channels in fours, rescaled as networks are: often of the usual numbers."""
    layer, in_c = conv_eight(rng), int(rng.choice([16, 32, 64, 128, 4 * int(rng.integers(1, 36))]))
    out_c, zero = 2 * int(rng.integers(1, 9)), zero_point(rng)
    return replace(
        layer,
        in_c=in_c,
        weights=weights(rng, (out_c, 1, 1, in_c)),
        bias=_bias(rng, out_c, in_c),
        rescale=rescale(rng, out_c, in_c),
        out_zero=zero,
        clamp=(float(zero), float(int(rng.integers(zero, 128)))),
    )


def conv_strassen(rng: Rng) -> Conv2D:
    """Return the same of channels in eights, out in fours."""
    layer = conv_pointwise(rng)
    in_c, out_c = int(rng.choice([64, 128, 8 * int(rng.integers(1, 17))])), 4 * int(rng.integers(1, 6))
    return replace(
        layer,
        in_c=in_c,
        weights=weights(rng, (out_c, 1, 1, in_c)),
        bias=_bias(rng, out_c, in_c),
        rescale=rescale(rng, out_c, in_c),
    )


def conv_eight(rng: Rng) -> Conv2D:
    """Return a 1x1 convolution of eight channels, rescaled as networks are."""
    size = (int(rng.integers(1, 9)), int(rng.integers(1, 13)))
    out_c, zero = int(rng.integers(1, 20)), zero_point(rng)
    layer = replace(
        conv_2d(rng),
        in_h=size[0],
        in_w=size[1],
        in_c=8,
        out_h=size[0],
        out_w=size[1],
        window=Window(1, 1, 1, 1, 1, 1, 0, 0, "VALID"),
        weights=weights(rng, (out_c, 1, 1, 8)),
        bias=_bias(rng, out_c, 8),
        in_zero=zero_point(rng),
        out_zero=zero,
        clamp=(float(zero), float(int(rng.integers(zero, 128)))),
        pool=NO_POOL,
        pooled_h=0,
        pooled_w=0,
    )
    return replace(layer, rescale=rescale(rng, out_c, 8))


def conv_colour(rng: Rng) -> Conv2D:
    """Return a 3x3 convolution with stride 2 on three channels, any padding and a ReLU."""
    area = window(rng, 3, 3, (2, 2), bool(rng.integers(4)))
    in_h, in_w, out_c = 3 + int(rng.integers(0, 12)), 3 + int(rng.integers(0, 40)), int(rng.integers(2, 10))
    extra_h, extra_w = (int(rng.integers(3)), int(rng.integers(3))) if area.padding == "SAME" else (0, 0)
    layer, zero = _square(rng, 3, 3, out_c), zero_point(rng)
    return replace(
        layer,
        in_h=in_h,
        in_w=in_w,
        out_h=(in_h + area.pad_top + extra_h - 3) // 2 + 1,
        out_w=(in_w + area.pad_left + extra_w - 3) // 2 + 1,
        window=area,
        out_zero=zero,
        clamp=(float(zero), float(int(rng.integers(zero, 128)))),
    )


def conv_3x3(rng: Rng) -> Conv2D:
    """Return a 3x3 convolution with stride 1, some channels and any padding."""
    in_c, out_c = int(rng.choice([4, 8, 9, 12, 14, 16, 23, 32, 64])), int(rng.integers(2, 9))
    return _square(rng, 3, in_c, out_c)


def conv_5x5(rng: Rng) -> Conv2D:
    """Return a 5x5 convolution with stride 1, channels in twos, any padding and a 2x2 maximum."""
    in_c, out_c = int(rng.choice([2, 4, 6, 8, 10, 14, 20, 32])), int(rng.integers(2, 8))
    layer = _square(rng, 5, in_c, out_c)
    pool = Window(2, 2, 2, 2, 1, 1, 0, 0, "VALID")
    return replace(layer, pool=pool, pooled_h=layer.out_h // 2, pooled_w=layer.out_w // 2)


def _square(rng: Rng, k: int, in_c: int, out_c: int) -> Conv2D:
    area = window(rng, k, k, (1, 1), bool(rng.integers(4)))
    in_h, in_w = k + 1 + int(rng.integers(0, 8)), k + 3 + int(rng.integers(0, 8))
    extra_h, extra_w = (int(rng.integers(k)), int(rng.integers(k))) if area.padding == "SAME" else (0, 0)
    zero = zero_point(rng)
    return replace(
        conv_2d(rng),
        batches=1,
        in_h=in_h,
        in_w=in_w,
        in_c=in_c,
        out_h=in_h + area.pad_top + extra_h - k + 1,
        out_w=in_w + area.pad_left + extra_w - k + 1,
        window=area,
        weights=weights(rng, (out_c, k, k, in_c)),
        bias=_bias(rng, out_c, k * k * in_c),
        rescale=rescale(rng, out_c, k * k * in_c),
        in_zero=zero_point(rng),
        out_zero=zero,
        clamp=clamp(rng, zero),
        pool=NO_POOL,
        pooled_h=0,
        pooled_w=0,
    )


def _pool(rng: Rng, out_h: int, out_w: int) -> tuple[Window, tuple[int, int]]:
    p_h, p_w = min(int(rng.integers(1, 4)), out_h), min(int(rng.integers(1, 4)), out_w)
    if p_h == p_w == 1:
        return NO_POOL, (0, 0)
    s_h, s_w = p_h + int(rng.integers(2)), p_w + int(rng.integers(2))
    if rng.integers(2):
        sizes = ((out_h - p_h) // s_h + 1, (out_w - p_w) // s_w + 1)
        return Window(p_h, p_w, s_h, s_w, 1, 1, 0, 0, "VALID"), sizes
    size_h, size_w = -(-out_h // s_h), -(-out_w // s_w)
    top = max(0, (size_h - 1) * s_h + p_h - out_h) // 2
    left = max(0, (size_w - 1) * s_w + p_w - out_w) // 2
    return Window(p_h, p_w, s_h, s_w, 1, 1, top, left, "SAME"), (size_h, size_w)


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
        bias=_bias(rng, outputs, depth),
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
        bias=_bias(rng, channels, 9),
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
