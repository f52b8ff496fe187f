"""Whole networks on the simulated board, byte for byte against TFLite Micro."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from foldtiny import reference
from foldtiny.aot.compile import compile_tflite
from tests.cortex_m4 import generated, networks, simulator

pytestmark = pytest.mark.skipif(not simulator.AVAILABLE, reason="needs gcc-arm-none-eabi and qemu-system-arm")


@pytest.mark.parametrize("optimize", ["size", "speed"])
@pytest.mark.parametrize("name", networks.NAMES)
def test_networks_equal_tflite_micro(tmp_path: Path, name: str, optimize: str) -> None:
    data = networks.load(name)
    if data is None:
        pytest.skip(f"{name} is not on this machine")
    samples = reference.random_inputs(data, 2, seed=3)
    expected = reference.outputs(data, samples)
    compiled = compile_tflite(data, target="cortex-m4", optimize=optimize)
    found = simulator.infer(tmp_path, compiled, samples)
    assert [r.outputs for r in found] == [[np.asarray(a).tobytes() for a in sample] for sample in expected]


@pytest.mark.parametrize("channels", [(8, 31, 253, 127), (8, 32, 256, 129)])
def test_fully_connected_layers_share_code_for_size(tmp_path: Path, channels: tuple[int, int, int, int]) -> None:
    """Each of these has a layer that only the kernel for parts can take, and one that it need not."""
    data = networks.lenet5(channels=channels)
    samples = reference.random_inputs(data, 1, seed=4)
    compiled = compile_tflite(data, target="cortex-m4", optimize="size")
    found = simulator.infer(tmp_path, compiled, samples)[0].outputs
    assert found == [np.asarray(a).tobytes() for a in reference.outputs(data, samples)[0]]
    kernels = {layer.kernel for layer in compiled.layers if "FULLY_CONNECTED" in layer.operators}
    assert kernels == {"SMLAD, four rows of int8 weights at a time, vectors in parts"}
    # Where no layer needs parts, none takes them.
    alone = compile_tflite(networks.autoencoder(), target="cortex-m4", optimize="size")
    assert not any("parts" in layer.kernel for layer in alone.layers)


def test_odd_images_may_overlap_what_is_computed_from_them(tmp_path: Path) -> None:
    """Kernels declare how far an output may reach into its input; rows and groups of pixels that are not whole, too."""
    chosen = set()
    for seed in range(6):
        data = generated.separable(seed)
        samples = reference.random_inputs(data, 1, seed=seed)
        expected = [np.asarray(a).tobytes() for a in reference.outputs(data, samples)[0]]
        compiled = compile_tflite(data, target="cortex-m4", optimize="speed")
        assert simulator.infer(tmp_path, compiled, samples)[0].outputs == expected
        chosen |= {layer.kernel for layer in compiled.layers}
    assert any("Strassen" in kernel for kernel in chosen)
    assert any("4 pixels" in kernel for kernel in chosen)
    assert any("FPU" in kernel for kernel in chosen)
