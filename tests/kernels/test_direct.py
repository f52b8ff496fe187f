"""Thousands of layers of every kernel against TFLite Micro's, byte for byte, with every memory access watched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from foldtiny import reference
from tests.kernels import direct
from tests.kernels.draw import draw_cases
from tests.kernels.test_kernels import INT8

BATCHES: tuple[dict[str, int], ...] = (
    {"conv_2d": 3000, "relu": 250, "logistic": 400, "quantize": 500, "pad": 300, "transpose": 400},
    {"depthwise_conv_2d": 2400, "max_pool_2d": 1000, "relu6": 250, "quantize_from_uint8": 150, "softmax": 1000},
    {"fully_connected": 1900, "average_pool_2d": 1000, "mean": 1000, "hard_swish": 500, "strided_slice": 400},
    {"add": 1500, "sub": 700, "mul": 900, "quantize_to_uint8": 150, "transpose_conv": 900, "padv2": 300},
    {"resize_nearest_neighbor": 400},
)
"""Cases of each kernel; the batches take about as long as each other, but for the small one."""


@pytest.mark.parametrize("batch", range(len(BATCHES)))
def test_every_layer_equals_the_reference(batch: int, tmp_path: Path, count_cases: Callable[[str, int], None]) -> None:
    cases = [case for name, number in BATCHES[batch].items() for case in draw_cases(INT8[name][0], number, seed=1)]
    results = direct.run(cases, tmp_path)
    expected = reference.run_batch([(case.tflite, case.samples) for case in cases])
    wrong = [
        (len(found), case.label)
        for case, found, want in zip(cases, results, expected, strict=True)
        if found != b"".join(array.tobytes() for sample in want for array in sample)
    ]
    assert not wrong, f"{len(wrong)} of {len(cases)} cases differ; the smallest: {min(wrong)[1]}"
    assert len({case.tflite for case in cases}) > 0.9 * len(cases)
    count_cases("host", len(cases))
