"""Instructions of the ways to compute a convolution, as counted on the simulated core."""

from __future__ import annotations

from foldtiny.aot.ops.conv_2d import Conv2D


def _pixels(layer: Conv2D) -> int:
    return layer.batches * layer.out_h * layer.out_w


def _window(layer: Conv2D) -> int:
    return layer.window.k_h * layer.window.k_w * layer.in_c


def bytes_tile(layer: Conv2D) -> float:
    """Return those of four channels x two pixels with weights of one byte (``xt_conv_2d.h``)."""
    window = _window(layer)
    groups = -(-layer.out_c // 4)
    return _pixels(layer) * (groups * (11.5 * window + 25) + 6 * window + 40 * layer.out_c)


def pairs(layer: Conv2D, fixes: int) -> float:
    """Return those of two products in one multiplication (``xt_pairs_conv_2d.h``)."""
    window = _window(layer)
    chunks, channels = -(-window // 4), -(-layer.out_c // 2)
    copy = (2.8 if layer.in_c % 4 == 0 else 6) * window + 50
    return _pixels(layer) * (channels * (16.2 * chunks + 9) + copy + 8 * fixes + 14 * layer.out_c)


def winograd(layer: Conv2D, side: int) -> float:
    """Return those of Winograd's method for ``side`` x ``side`` outputs (``xt_winograd.h``)."""
    groups = -(-layer.out_c // 4)
    tiles = layer.batches * -(-layer.out_h // side) * -(-layer.out_w // side)
    taps = -(-layer.in_c // 2) * 2
    sums = 36 * groups * (11.5 * taps + 25)
    return tiles * (sums + 450 * layer.in_c + layer.out_c * (60 + 15 * side * side))


def pairs_pay(products: int, fixes: int) -> bool:
    """Tell whether two products in one multiplication need fewer instructions in FULLY_CONNECTED."""
    return 2.6 * products + 12 * fixes < 3.35 * products
