"""Several products in one multiplication, and rescaling by a line: what is proved when compiling holds at the edges."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from foldtiny.aot.ops._weights import Rescale
from foldtiny.aot.ops.conv_2d import NO_POOL, Conv2D
from foldtiny.aot.xtensa import depthwise_planes, linear, pairs

Ints = NDArray[np.int64]


def _wrapped(values: Ints) -> Ints:
    return (values + (1 << 31)) % (1 << 32) - (1 << 31)


def _extremes(weights: Ints, least: int, most: int) -> Ints:
    """Return inputs that make a sum with these weights as large, and as small, as it can be, and others at the ends."""
    random = np.random.default_rng(1).choice([least, most], (6, *weights.shape))
    return np.concatenate([[np.where(weights > 0, most, least), np.where(weights > 0, least, most)], random])


weight = st.one_of(st.integers(-128, 127), st.sampled_from((-128, -127, 127, 63, 64, -64)))


@given(st.lists(weight, min_size=1, max_size=13))
@example([127, 127, 127, 127])
@example([-127, -127, -127, -127])
@example([127, 0, -128, 0])
@example([64, 64, 64, 63])
@example([64, 64, 64, 64])
@settings(max_examples=300, deadline=None)
def test_a_chunk_never_leaves_its_16_bits_and_nothing_is_lost(values: list[int]) -> None:
    weights = np.array([values], dtype=np.int64)
    packed = pairs.pack(weights)
    if packed is None:
        assert sum(value <= -127 for value in values) >= 2
        return
    padded = np.zeros(4 * packed.chunks, dtype=np.int64)
    padded[: len(values)] = values
    for x in _extremes(padded, -128, 127):
        quads = x.reshape(-1, 2, 2)
        words = (quads[:, 1] << 16) + quads[:, 0]
        sums = _wrapped((words * packed.words[0]).sum(axis=1))
        total = int((_wrapped(sums - 0x8000) >> 16).sum()) + packed.chunks
        total += sum(int(quads[chunk, 0, word]) * taken for _, chunk, word, taken in packed.fixes)
        assert total == int((x * padded).sum())


def test_words_change_places_so_that_fewer_weights_are_too_large() -> None:
    random = np.random.default_rng(4)
    weights = np.clip(np.round(random.normal(0, 45, (24, 32))), -127, 127).astype(np.int64)
    weights[:, ::4] *= 2
    weights = np.clip(weights, -127, 127)
    packed, straight = pairs.pack(weights, reorder=True), pairs.pack(weights)
    assert packed is not None
    assert straight is not None
    assert packed.places is not None
    assert len(packed.fixes) < 0.8 * len(straight.fixes)
    x = random.integers(-128, 128, 32)
    quads = x.reshape(-1, 2, 2)
    column = np.empty(16, dtype=np.int64)
    column[packed.places] = ((quads[:, 1] << 16) + quads[:, 0]).reshape(-1)
    for channel in range(24):
        sums = _wrapped((column.reshape(-1, 2) * packed.words[channel]).sum(axis=1))
        total = int((_wrapped(sums - 0x8000) >> 16).sum()) + packed.chunks
        for of, chunk, word, taken in packed.fixes:
            first = (int(column[2 * chunk + word]) + 0x8000) % 0x10000 - 0x8000
            total += first * taken if of == channel else 0
        assert total == int((x * weights[channel]).sum())


def test_two_weights_that_do_not_fit_are_refused() -> None:
    assert pairs.pack(np.array([[1, 2, -128, -128]])) is None
    assert pairs.pack(np.array([[-128, -128, 127, -128]])) is not None


def _plane(taps: Ints, x: Ints, stride: int) -> list[int]:
    """Return what ``xt_planes.h`` computes of rows [3, 4] of inputs (two outputs at a stride of 1, else one)."""
    result = [0, 0]
    words = [(x[:, 1] << 16) + x[:, 0], (x[:, 3] << 16) + x[:, 2]]
    if stride == 1:
        words[0] = (x[:, 0] << 16) + x[:, 1]
    groups = dict(depthwise_planes._GROUPS)[int(taps[0])]
    order = [row for group in groups for row in group]
    for number, group in enumerate(groups):
        t, u = (
            _wrapped(
                sum(int(words[k][row]) * int(taps[1 + 2 * order.index(row) + k]) for row in group)
                + int(taps[7 + 2 * number + k])
            )
            for k in range(2)
        )
        if stride == 1:
            result = [result[0] + (t >> 16) + (u & 0xFFFF), result[1] + (u >> 16) + (t & 0xFFFF)]
        else:
            result = [result[0] + (t >> 16) + (u >> 16), 0]
    return result[: 2 if stride == 1 else 1]


@given(st.lists(weight, min_size=9, max_size=9), st.sampled_from((1, 2)))
@example([127] * 9, 1)
@example([-128] * 9, 1)
@example([-128] * 9, 2)
@example([43, 43, 42] * 3, 1)
@example([42, 43, 43] * 3, 1)
@example([43, 43, 43] * 3, 1)
@settings(max_examples=300, deadline=None)
def test_the_sums_of_a_plane_never_mix(values: list[int], stride: int) -> None:
    weights = np.array(values, dtype=np.int64).reshape(1, 3, 3)
    taps, added = depthwise_planes._taps(weights, stride)
    spread = np.concatenate([weights[0], weights[0][:, :1]], axis=1)
    for x in [*_extremes(spread, 0, 255), *_extremes(np.roll(spread, 1, axis=1), 0, 255)]:
        outputs = [int((x[:, at : at + 3] * weights[0]).sum()) for at in range(2 if stride == 1 else 1)]
        assert _plane(taps[0], x, stride) == [y + int(added[0]) for y in outputs]


def test_as_many_rows_are_taken_together_as_fit() -> None:
    rows = [
        [[42] * 3] * 3,
        [[43] * 3] * 3,
        [[127] * 3, [1] * 3, [2] * 3],
        [[2] * 3, [2] * 3, [-127] * 3],
        [[65] * 3] * 3,
    ]
    weights = np.array(rows, dtype=np.int64)
    assert depthwise_planes._taps(weights, 1)[0][:, 0].tolist() == [0, 2, 2, 4, 1]


def _layer(multipliers: Ints, shifts: Ints, bias: Ints, zero: int, clamp: tuple[int, int]) -> Conv2D:
    channels = len(bias)
    return Conv2D(
        name="layer", operators=("CONV_2D",), inputs=(0,), outputs=(1,), dtype="int8", batches=1, in_h=1, in_w=1,
        in_c=1, out_h=1, out_w=1, window=NO_POOL, weights=np.zeros((channels, 1, 1, 1), np.int8), bias=bias,
        rescale=Rescale(multipliers.astype(np.int32), shifts.astype(np.int8)), in_zero=0, out_zero=zero, clamp=clamp,
    )  # fmt: skip


def _reference(sums: Ints, multiplier: int, shift: int, zero: int, clamp: tuple[int, int]) -> Ints:
    """Return TFLite's outputs."""
    doubled = (sums * multiplier + (1 << 30)) >> 31
    places = -shift
    rounded = (doubled - (doubled < 0) + (1 << (places - 1))) >> places
    return np.clip(rounded + zero, *clamp)


def _on_the_line(line: linear.Line, channel: int, sums: Ints) -> Ints:
    """Return what ``xt_line.h`` computes, with a check that nothing leaves 32 bits."""
    parts, width, shift, low, span = line.shared
    offset, first, *digits = (int(value) for value in line.values[channel])
    below = sums * digits[0]
    if parts > 2:
        assert np.abs(sums * digits[1]).max() < 1 << 31
        below += (sums * digits[1]) >> width
    if parts == linear.FRACTION:
        below += digits[2]
    value = sums * first + (below >> width)
    assert max(np.abs(below).max(), np.abs(value).max(), np.abs(value + offset).max()) < 1 << 31
    return low + np.clip((value + offset) >> shift, 0, span)


@pytest.mark.parametrize(
    ("reach", "zero", "clamp"),
    [(70_000, -128, (-128, 127)), (9_000, 5, (5, 90)), (900_000, -128, (-128, 127)), (300, -7, (-7, 127))],
)
def test_a_line_gives_every_output_that_tflite_gives(reach: int, zero: int, clamp: tuple[int, int]) -> None:
    random = np.random.default_rng(reach)
    found = 0
    for _ in range(6):
        multipliers, shifts = random.integers(1 << 30, 1 << 31, 3), np.full(3, -int(np.log2(reach) - 6))
        multipliers[0] = 1 << 30
        bias = random.integers(-reach // 4, reach // 4, 3)
        highest = random.integers(reach // 2, reach, 3)
        lowest = -random.integers(reach // 2, reach, 3)
        line = linear.line(_layer(multipliers, shifts, bias, zero, clamp), (lowest, highest), bias)
        if line is None:
            continue
        found += 1
        for c in range(3):
            sums = np.arange(lowest[c], highest[c] + 1)
            expected = _reference(sums + bias[c], int(multipliers[c]), int(shifts[c]), zero, clamp)
            assert np.array_equal(_on_the_line(line, c, sums), expected)
    assert found >= 4


def test_outputs_below_the_zero_point_have_no_line() -> None:
    one = np.array([1 << 30])
    sums = (np.array([-5000]), np.array([5000]))
    assert linear.line(_layer(one, np.array([-4]), np.array([0]), -127, (-128, 127)), sums, np.array([0])) is None
    line = linear.output(_layer(one, np.array([-4]), np.array([0]), -127, (-128, 127)), sums, np.array([0]))
    assert line is not None
    assert line.shared[0] == 0
