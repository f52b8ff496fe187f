"""Whole networks on the simulated Xtensa core: byte for byte against TFLite Micro, and not slower than the baseline."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cortex_m4 import networks
from tests.xtensa import twin
from tests.xtensa.measure import measure

pytestmark = pytest.mark.skipif(not twin.AVAILABLE, reason="needs gcc-xtensa-lx106 and qemu-system-xtensa")

BASELINE = Path(__file__).parents[2] / "benchmarks" / "baseline_xtensa.json"
ALLOWED = 1.02


@pytest.mark.parametrize("optimize", ["size", "speed"])
@pytest.mark.parametrize("name", networks.NAMES)
def test_networks_equal_tflite_micro_and_no_network_got_slower_or_larger(
    tmp_path: Path, name: str, optimize: str
) -> None:
    figures = measure(tmp_path, name, optimize)
    if figures is None:
        pytest.skip(f"{name} is not on this machine")
    known = json.loads(BASELINE.read_text(encoding="utf-8"))[f"{name} {optimize}"]
    assert figures.exact
    assert figures.instructions <= known["instructions"] * ALLOWED, "update with benchmarks/xtensa.py --update"
    assert figures.ram_bytes <= known["ram_bytes"]
