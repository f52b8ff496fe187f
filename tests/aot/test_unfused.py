"""Compiled without fusion: every operator a layer of its own, every tensor whole, the same results."""

from __future__ import annotations

import numpy as np
import pytest

from foldtiny import reference
from foldtiny.aot import compile_tflite, host
from tests.aot import networks

NETWORKS = {"lenet5": networks.lenet5, "residual": networks.residual, "separable": networks.separable}
# Another name for the same bytes: nothing to compute, fused or not.
NO_LAYER = ("RESHAPE",)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_the_outputs_are_those_of_the_reference(name: str, dtype: str) -> None:
    data = NETWORKS[name](dtype)
    samples = reference.random_inputs(data, 8, seed=3)
    found = host.run(compile_tflite(data, fuse=False), samples)
    for got, wanted in zip(found, reference.outputs(data, samples, "litert-ref"), strict=True):
        for one, other in zip(got, wanted, strict=True):
            if dtype == "int8":
                np.testing.assert_array_equal(one, other)
            else:
                np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_each_operator_is_a_layer_and_no_tensor_lies_over_another(name: str) -> None:
    model = compile_tflite(NETWORKS[name](), fuse=False)
    operators = [operator for operator in model.operators if operator not in NO_LAYER]
    assert [layer.operators for layer in model.layers] == [(operator,) for operator in operators]
    assert model.plan.reuses == ()
    places = model.plan.tensors
    for i, one in enumerate(places):
        assert not any(one.meets(other) and one.touches(other) for other in places[i + 1 :])


def test_the_peak_is_the_first_convolution_and_its_pooled_copy() -> None:
    """The poster's Table 2: a channel costs its unpooled and its pooled map in RAM."""
    model = compile_tflite(networks.lenet5("float32"), fuse=False)
    # 28 x 28 input, SAME padding, 4 channels, pooled by 2: the first convolution of networks.lenet5.
    unpooled, pooled = 28 * 28 * 4 * 4, 14 * 14 * 4 * 4
    assert model.plan.arena_bytes == model.plan.lower_bound_bytes == unpooled + pooled
    assert compile_tflite(networks.lenet5("float32")).plan.arena_bytes < model.plan.arena_bytes
