"""Every packed constant matters: a few flipped bits in any word of any stream must show in the outputs.

Without this, a wrong low-order constant could hide behind rounding in all the random tests.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from foldtiny.aot.cortex_m4 import (
    colour_3x3,
    conv_2d,
    depthwise_conv_2d,
    eight_channels,
    four_pixels,
    fully_connected,
    strassen,
    three_pixels,
    winograd,
    winograd_5x5,
)
from foldtiny.aot.layer import Kernel
from foldtiny.aot.ops._weights import Rescale
from foldtiny.aot.ops._window import Window
from foldtiny.aot.ops.conv_2d import NO_POOL
from tests.cortex_m4 import arithmetic, batch, draw, draw_conv, simulator

pytestmark = pytest.mark.skipif(not simulator.AVAILABLE, reason="needs gcc-arm-none-eabi and qemu-system-arm")

MASK = 0x04040404
"""Bit 2 of each byte: 4 in each int8 weight, and bits of every size in the other constants."""


_SQUARES_PAIR = 7 * (2 + 6 * 2 * 3) + 2 * 3 + 1
"""Words of a pair of channels in the stream of the 5x5 layer below: biases and weights, rescaling, step."""


def _numbers(rng: np.random.Generator, channels: int, taps: int, zero: int) -> dict[str, Any]:
    """Return constants under which sums spread over the whole output range, with some halves to round."""
    factors = rng.uniform(0.7, 1.4, channels) * 60 / (38 * 74 * taps**0.5)
    mantissa, shift = np.frexp(factors)
    return {
        "bias": rng.integers(-3000, 3000, channels).astype(np.int32),
        "rescale": Rescale(np.round(mantissa * (1 << 31)).astype(np.int32), shift.astype(np.int8)),
        "in_zero": -3,
        "out_zero": zero,
        "clamp": (-128.0, 127.0),
    }


Layers = Iterator[tuple[str, Kernel | None, Any, Any]]
_AREA = Window(3, 3, 1, 1, 1, 1, 1, 1, "SAME")


def _layers(rng: np.random.Generator) -> Layers:
    """Yield layers whose windows have no padding of their own, so that every packed weight is multiplied."""
    yield from _convolutions(rng)
    yield from _pointwise(rng)
    yield from _colour(rng)
    yield from _transformed(rng)
    yield from _dense(rng)
    yield from _depthwise(rng)


def _convolution(
    rng: np.random.Generator,
    drawn: Callable[[np.random.Generator], Any],
    zero: int,
    filters: tuple[int, int, int, int],
    size: tuple[int, int],
    seed: int = 1,
    **others: Any,
) -> Any:
    """Return a layer as one kernel's tests draw it, with filters and sizes (of its input and output) of our own."""
    height, width = size
    own = {"in_h": height, "in_w": width, "out_h": height, "out_w": width, "in_c": filters[3], "batches": 1}
    weights = draw.weights(np.random.default_rng(seed), filters)
    layer = drawn(rng)
    numbers = _numbers(rng, filters[0], math.prod(filters[1:]), zero)
    return replace(layer, **{**own, "weights": weights, **numbers, **others})


def _convolutions(rng: np.random.Generator) -> Layers:
    pool = Window(2, 2, 2, 2, 1, 1, 0, 0, "VALID")
    for zero, pooled in ((-128, False), (5, False), (5, True)):
        half = 3 if pooled else 0
        layer = _convolution(
            rng, draw_conv.conv_2d, zero, (3, 3, 3, 8), (6, 6),
            window=_AREA, pool=pool if pooled else NO_POOL, pooled_h=half, pooled_w=half,
        )  # fmt: skip
        # Maxima tend to be positive; sums of both signs are wanted.
        layer = replace(layer, bias=layer.bias - (25_000 if pooled else 0))
        for optimize in ("size", "speed"):
            yield f"conv {zero} {pooled} {optimize}", conv_2d.specialise(layer, optimize), layer, arithmetic.conv_2d


def _pointwise(rng: np.random.Generator) -> Layers:
    for name, drawn, module, zero, filters, optimize in (
        ("eight", draw_conv.conv_eight, eight_channels, -128, (3, 1, 1, 8), "speed"),
        ("four", draw_conv.conv_pointwise, four_pixels, -128, (8, 1, 1, 16), "speed"),
        ("strassen", draw_conv.conv_strassen, strassen, -128, (8, 1, 1, 16), "speed"),
        ("three -128", draw_conv.conv_three, three_pixels, -128, (3, 1, 1, 16), "size"),
        ("three 5", draw_conv.conv_three, three_pixels, 5, (3, 1, 1, 16), "size"),
    ):
        layer = _convolution(rng, drawn, zero, filters, (8, 9))
        yield name, module.specialise(layer, optimize), layer, arithmetic.conv_2d


def _colour(rng: np.random.Generator) -> Layers:
    window = Window(3, 3, 2, 2, 1, 1, 1, 1, "SAME")
    layer = _convolution(rng, draw_conv.conv_colour, -128, (4, 3, 3, 3), (17, 17), window=window, out_h=9, out_w=9)
    yield "colour", colour_3x3.specialise(layer, "speed"), layer, arithmetic.conv_2d


def _transformed(rng: np.random.Generator) -> Layers:
    for zero in (-128, 5):
        tiled = _convolution(rng, draw_conv.conv_3x3, zero, (4, 3, 3, 4), (7, 7), seed=2, window=_AREA)
        yield f"winograd {zero}", winograd.specialise(tiled, "speed"), tiled, arithmetic.conv_2d
    window = Window(5, 5, 1, 1, 1, 1, 2, 2, "SAME")
    for zero in (-128, 5):
        squares = _convolution(
            rng, draw_conv.conv_5x5, zero, (4, 5, 5, 6), (20, 20), seed=2, window=window, pooled_h=10, pooled_w=10
        )
        squares = replace(squares, bias=squares.bias - 40_000)
        yield f"squares {zero}", winograd_5x5.specialise(squares, "speed"), squares, arithmetic.conv_2d


def _dense(rng: np.random.Generator) -> Layers:
    dense = replace(
        draw.fully_connected(rng),
        rows=16,
        weights=draw.weights(np.random.default_rng(1), (7, 40)),
        **_numbers(rng, 7, 40, 5),
    )
    long = replace(dense, weights=draw.weights(np.random.default_rng(1), (4, 136)), **_numbers(rng, 4, 136, 5))
    for optimize in ("size", "speed"):
        for name, layer in (("dense", dense), ("stretches", long)):
            kernel = fully_connected.specialise(layer, optimize)
            yield f"{name} {optimize}", kernel, layer, arithmetic.fully_connected


def _depthwise(rng: np.random.Generator) -> Layers:
    # Padding on all sides, as usual, and none.
    for zero, size in ((-128, 9), (5, 9), (-128, 7)):
        depthwise = replace(
            draw.depthwise_conv_2d(rng),
            in_h=9,
            in_w=9,
            in_c=4,
            out_h=size,
            out_w=size,
            window=_AREA if size == 9 else Window(3, 3, 1, 1, 1, 1, 0, 0, "VALID"),
            weights=draw.weights(np.random.default_rng(1), (3, 3, 4)),
            **_numbers(rng, 4, 9, zero),
        )
        for optimize in ("size", "speed"):
            kernel = depthwise_conv_2d.specialise(depthwise, optimize)
            yield f"depthwise {zero} {size} {optimize}", kernel, depthwise, arithmetic.depthwise_conv_2d


def _mutants(kernel: Kernel) -> Iterator[tuple[str, Kernel]]:
    for key, constant in kernel.constants.items():
        words = np.ascontiguousarray(constant.values).reshape(-1).view(np.uint32)
        for index in range(words.size):
            if "winograd_5x5" in kernel.call and index % _SQUARES_PAIR == _SQUARES_PAIR - 1:
                continue  # the step to the next pair: a wrong one leaves the output's memory
            changed = words.copy()
            changed[index] ^= MASK
            values = changed.view(constant.values.dtype)
            yield (
                f"{key}[{index}]",
                replace(kernel, constants={**kernel.constants, key: replace(constant, values=values)}),
            )


def _size(layer: Any) -> int:
    return layer.rows * layer.weights.shape[1] if hasattr(layer, "rows") else layer.in_h * layer.in_w * layer.in_c


def test_every_word_of_constants_is_used(tmp_path: Path) -> None:
    rng = np.random.default_rng(11)
    elf = batch.build(tmp_path)
    cases, kinds = [], 0
    for label, kernel, layer, expected_of in _layers(rng):
        assert kernel is not None
        source = rng.integers(-128, 128, _size(layer)).astype(np.int8)
        expected = expected_of(layer, source)
        cases.append(batch.Case(f"{label}, intact", kernel, (source,), expected))
        kinds += 1
        cases += [batch.Case(f"{label}, {name}", m, (source,), expected) for name, m in _mutants(kernel)]
    results = batch.run(elf, cases)
    wrong = {line.split(", pass")[0] for line in batch.failures(cases, results)}
    unseen = [case.label for case in cases if case.label not in wrong and not case.label.endswith(", intact")]
    print(f"\n{len(cases) - kinds} mutants of {kinds} kernels")
    assert not [label for label in wrong if label.endswith(", intact")]
    assert not unseen
    assert len(cases) - kinds > 400
