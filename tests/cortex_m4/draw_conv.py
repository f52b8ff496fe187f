"""Random convolutions for the kernel tests, some for each kernel: see ``draw.py``."""

from __future__ import annotations

from dataclasses import replace

from foldtiny.aot.ops._window import Window
from foldtiny.aot.ops.conv_2d import NO_POOL, Conv2D
from tests.cortex_m4 import draw
from tests.cortex_m4.draw import Rng


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
    area = draw.window(rng, k_h, k_w, strides, bool(rng.integers(2)))
    in_h, in_w = k_h + int(rng.integers(0, 8)), k_w + int(rng.integers(0, 8))
    extra_h, extra_w = (int(rng.integers(k_h)), int(rng.integers(k_w))) if area.padding == "SAME" else (0, 0)
    out_h = (in_h + area.pad_top + extra_h - k_h) // strides[0] + 1
    out_w = (in_w + area.pad_left + extra_w - k_w) // strides[1] + 1
    pool, pooled = NO_POOL, (0, 0)
    if rng.integers(3) == 0:
        pool, pooled = _pool(rng, out_h, out_w)
    taps = k_h * k_w * in_c
    zero = draw.zero_point(rng)
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
        weights=draw.weights(rng, (out_c, k_h, k_w, in_c)),
        bias=draw.bias(rng, out_c, taps),
        rescale=draw.rescale(rng, out_c, taps),
        in_zero=draw.zero_point(rng),
        out_zero=zero,
        clamp=draw.clamp(rng, zero),
        pool=pool,
        pooled_h=pooled[0],
        pooled_w=pooled[1],
    )


def conv_three(rng: Rng) -> Conv2D:
    """Return a 1x1 convolution of channels in eights."""
    layer, in_c = conv_eight(rng), 8 * int(rng.integers(1, 20))
    zero = draw.zero_point(rng)
    return replace(
        layer,
        in_c=in_c,
        in_h=max(3, layer.in_h),
        out_h=max(3, layer.out_h),
        weights=draw.weights(rng, (layer.out_c, 1, 1, in_c)),
        bias=draw.bias(rng, layer.out_c, in_c),
        rescale=draw.rescale(rng, layer.out_c, in_c),
        out_zero=zero,
        clamp=draw.clamp(rng, zero),
    )


def conv_pointwise(rng: Rng) -> Conv2D:
    """Return a 1x1 convolution with a ReLU, channels in fours, rescaled as networks are: often of the usual numbers."""
    layer, in_c = conv_eight(rng), int(rng.choice([16, 32, 64, 128, 4 * int(rng.integers(1, 36))]))
    out_c, zero = 2 * int(rng.integers(1, 9)), draw.zero_point(rng)
    return replace(
        layer,
        in_c=in_c,
        weights=draw.weights(rng, (out_c, 1, 1, in_c)),
        bias=draw.bias(rng, out_c, in_c),
        rescale=draw.rescale(rng, out_c, in_c),
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
        weights=draw.weights(rng, (out_c, 1, 1, in_c)),
        bias=draw.bias(rng, out_c, in_c),
        rescale=draw.rescale(rng, out_c, in_c),
    )


def conv_eight(rng: Rng) -> Conv2D:
    """Return a 1x1 convolution of eight channels, rescaled as networks are."""
    size = (int(rng.integers(1, 9)), int(rng.integers(1, 13)))
    out_c, zero = int(rng.integers(1, 20)), draw.zero_point(rng)
    layer = replace(
        conv_2d(rng),
        in_h=size[0],
        in_w=size[1],
        in_c=8,
        out_h=size[0],
        out_w=size[1],
        window=Window(1, 1, 1, 1, 1, 1, 0, 0, "VALID"),
        weights=draw.weights(rng, (out_c, 1, 1, 8)),
        bias=draw.bias(rng, out_c, 8),
        in_zero=draw.zero_point(rng),
        out_zero=zero,
        clamp=(float(zero), float(int(rng.integers(zero, 128)))),
        pool=NO_POOL,
        pooled_h=0,
        pooled_w=0,
    )
    return replace(layer, rescale=draw.rescale(rng, out_c, 8))


def conv_colour(rng: Rng) -> Conv2D:
    """Return a 3x3 convolution with stride 2 on three channels, any padding and a ReLU."""
    area = draw.window(rng, 3, 3, (2, 2), bool(rng.integers(4)))
    in_h, in_w, out_c = 3 + int(rng.integers(0, 12)), 3 + int(rng.integers(0, 40)), int(rng.integers(2, 10))
    extra_h, extra_w = (int(rng.integers(3)), int(rng.integers(3))) if area.padding == "SAME" else (0, 0)
    layer, zero = _square(rng, 3, 3, out_c), draw.zero_point(rng)
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
    area = draw.window(rng, k, k, (1, 1), bool(rng.integers(4)))
    in_h, in_w = k + 1 + int(rng.integers(0, 8)), k + 3 + int(rng.integers(0, 8))
    extra_h, extra_w = (int(rng.integers(k)), int(rng.integers(k))) if area.padding == "SAME" else (0, 0)
    zero = draw.zero_point(rng)
    return replace(
        conv_2d(rng),
        batches=1,
        in_h=in_h,
        in_w=in_w,
        in_c=in_c,
        out_h=in_h + area.pad_top + extra_h - k + 1,
        out_w=in_w + area.pad_left + extra_w - k + 1,
        window=area,
        weights=draw.weights(rng, (out_c, k, k, in_c)),
        bias=draw.bias(rng, out_c, k * k * in_c),
        rescale=draw.rescale(rng, out_c, k * k * in_c),
        in_zero=draw.zero_point(rng),
        out_zero=zero,
        clamp=draw.clamp(rng, zero),
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
