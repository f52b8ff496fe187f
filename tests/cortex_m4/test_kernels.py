"""The Cortex-M4 kernels on the simulated board: random layers, many to an image, against TFLite's definitions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from foldtiny.aot.cortex_m4 import (
    add,
    colour_3x3,
    conv_2d,
    depthwise_conv_2d,
    eight_channels,
    four_pixels,
    fully_connected,
    pool_2d,
    strassen,
    three_pixels,
    winograd,
    winograd_5x5,
)
from foldtiny.aot.ops._elementwise import Elementwise
from foldtiny.aot.ops._pool import Pool2D
from foldtiny.aot.ops.fully_connected import FullyConnected
from foldtiny.aot.ops.mean import Mean
from tests.cortex_m4 import arithmetic, batch, draw, draw_conv, simulator

pytestmark = pytest.mark.skipif(not simulator.AVAILABLE, reason="needs gcc-arm-none-eabi and qemu-system-arm")

COUNTS: Counter[str] = Counter()
PER_IMAGE = 250


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return batch.build(tmp_path_factory.mktemp("kernels"))


def _cases(name: str, rng: np.random.Generator, count: int) -> list[batch.Case]:
    layer_of, specialise, expected_of = KINDS[name]
    cases = []
    for number in range(count):
        layer = layer_of(rng)
        kernel = specialise(layer, "speed" if number % 2 else "size")
        COUNTS[f"{name}, {'special' if kernel else 'left to the plain kernel'}"] += 1
        if kernel is not None:
            COUNTS["vectors in parts"] += "long_vectors" in kernel.call
            COUNTS["vectors in stretches"] += (
                "rows_" in kernel.call and layer.weights.shape[1] > fully_connected.STRETCH
            )
            sources = tuple(draw.values(rng, (size,)) for size in _sizes(layer))
            cases.append(batch.Case(f"{name} {number}: {layer}", kernel, sources, expected_of(layer, *sources)))
    return cases


def _sizes(layer: Any) -> tuple[int, ...]:
    """Return the number of values of each input."""
    match layer:
        case FullyConnected():
            return (layer.rows * layer.weights.shape[1],)
        case Elementwise():
            return layer.count, layer.count
        case Pool2D():
            return (layer.batches * layer.in_h * layer.in_w * layer.channels,)
        case Mean():
            return (prod(layer.kept) * prod(layer.over),)
    return (layer.batches * layer.in_h * layer.in_w * layer.in_c,)


KINDS: dict[str, tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]] = {
    "conv_2d": (draw_conv.conv_2d, conv_2d.specialise, arithmetic.conv_2d),
    "conv_2d, 1x1": (draw_conv.conv_three, conv_2d.specialise, arithmetic.conv_2d),
    "eight_channels": (draw_conv.conv_eight, eight_channels.specialise, arithmetic.conv_2d),
    "three_pixels": (draw_conv.conv_three, three_pixels.specialise, arithmetic.conv_2d),
    "four_pixels": (
        draw_conv.conv_pointwise,
        lambda layer, _: four_pixels.specialise(layer, "speed"),
        arithmetic.conv_2d,
    ),
    "strassen": (draw_conv.conv_strassen, lambda layer, _: strassen.specialise(layer, "speed"), arithmetic.conv_2d),
    "colour_3x3": (draw_conv.conv_colour, lambda layer, _: colour_3x3.specialise(layer, "speed"), arithmetic.conv_2d),
    "winograd": (draw_conv.conv_3x3, lambda layer, _: winograd.specialise(layer, "speed"), arithmetic.conv_2d),
    "winograd_5x5": (draw_conv.conv_5x5, lambda layer, _: winograd_5x5.specialise(layer, "speed"), arithmetic.conv_2d),
    "depthwise_conv_2d": (draw.depthwise_conv_2d, depthwise_conv_2d.specialise, arithmetic.depthwise_conv_2d),
    "fully_connected": (draw.fully_connected, fully_connected.specialise, arithmetic.fully_connected),
    "add": (draw.add, add.specialise, arithmetic.add),
    "pool_2d": (draw.pool_2d, pool_2d.specialise, arithmetic.pool_2d),
    "mean": (draw.mean, pool_2d.specialise, arithmetic.mean),
}


@pytest.mark.parametrize("name", KINDS)
# Shrinking a seed means nothing: the failing layers are printed whole.
@settings(
    max_examples=3, deadline=None, derandomize=True, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)
@given(seed=st.integers(0, 2**32 - 1))
def test_random_layers_are_exact(image: Path, name: str, seed: int) -> None:
    cases = _cases(name, np.random.default_rng(seed), PER_IMAGE)
    failed = batch.failures(cases, batch.run(image, cases))
    assert not failed, f"seed {seed}: {len(failed)} of {len(cases)} fail\n" + "\n".join(failed[:5])


def test_most_layers_are_specialised(record_property: Callable[[str, object], None]) -> None:
    """Runs after the tests above: enough cases, few of them left to the plain kernel."""
    special = sum(count for what, count in COUNTS.items() if what.endswith(", special"))
    record_property("kernel_cases", ("simulated Cortex-M4 with its own kernels", special))
    assert COUNTS["vectors in parts"] >= 10
    assert COUNTS["vectors in stretches"] >= 20
    for name in KINDS:
        special, plain = COUNTS[f"{name}, special"], COUNTS[f"{name}, left to the plain kernel"]
        assert special >= 2 * PER_IMAGE
        assert plain < special / 2  # for size, small fully connected layers go to the plain kernel
