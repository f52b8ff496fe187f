"""The reference interpreters in their child process."""

from __future__ import annotations

import numpy as np
import pytest

from foldtiny import reference
from foldtiny.errors import CompileError
from tests.aot import networks
from tests.aot.tflite_builder import Builder


def test_both_interpreters_agree_on_a_float_network() -> None:
    data = networks.separable("float32")
    inputs = reference.random_inputs(data, 2, seed=5)
    first, second = (reference.outputs(data, inputs, backend) for backend in ("tflm", "litert-ref"))
    assert len(first) == len(second) == 2
    for one, other in zip(first, second, strict=True):
        np.testing.assert_allclose(one[0], other[0], rtol=1e-5, atol=1e-6)


def test_random_inputs_repeat_and_fill_the_range() -> None:
    data = networks.lenet5()
    first, second = (reference.random_inputs(data, 3, seed=9) for _ in range(2))
    assert all((a[0] == b[0]).all() for a, b in zip(first, second, strict=True))
    assert first[0][0].shape == (1, 28, 28, 1)
    assert first[0][0].min() < -120 and first[0][0].max() > 120


def test_images_are_quantised_with_the_network_s_own_numbers() -> None:
    data = networks.lenet5()
    images = np.zeros((1, 1, 28, 28), np.float32)
    images[0, 0, 0, :3] = (0.0, 0.5, 1.0)
    stored = reference.quantise_images(data, images)[0][0]
    # Zero point -128; the scale is a little over 1/255 in single precision, so 0.5 is a little under 127.5 steps.
    assert stored[0, 0, :3, 0].tolist() == [-128, -1, 127]
    with pytest.raises(CompileError, match="do not fit the network's input"):
        reference.quantise_images(data, np.zeros((1, 3, 8, 8), np.float32))


def test_logits_are_real_numbers() -> None:
    data = networks.lenet5()
    found = reference.evaluate_tflite(data, np.random.default_rng(0).random((4, 1, 28, 28), dtype=np.float32))
    assert found.shape == (4, 10)
    # Softmax in int8: each row adds up to about 1.
    np.testing.assert_allclose(found.sum(axis=1), 1.0, atol=0.05)


def test_an_interpreter_that_cannot_go_on_becomes_an_error() -> None:
    build = Builder()
    source, output = (build.tensor((1, 4), scale=0.5) for _ in range(2))
    build.operator("ATAN2", [source, source], [output])
    with pytest.raises(CompileError, match=r"operator ATAN2 is not known to the reference interpreter \(tflm\)"):
        reference.outputs(build.build([source], [output]), [[np.zeros((1, 4), np.int8)]])
    with pytest.raises(CompileError, match="the reference interpreter"):
        reference.outputs(b"\x10\0\0\0TFL3" + b"\xff" * 40, [[np.zeros(1, np.int8)]])
    with pytest.raises(CompileError, match=r"reference 'cuda' is not known \(allowed: tflm, litert-ref\)"):
        reference.outputs(networks.lenet5(), [], "cuda")
