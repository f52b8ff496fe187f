"""Instruction counts and planned RAM do not rise unnoticed: they are compared with the committed baseline."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cortex_m4 import networks, simulator
from tests.cortex_m4.measure import measure

pytestmark = pytest.mark.skipif(not simulator.AVAILABLE, reason="needs gcc-arm-none-eabi and qemu-system-arm")

BASELINE = Path(__file__).parents[2] / "benchmarks" / "baseline_cortex_m4.json"
ALLOWED = 1.02


@pytest.mark.parametrize("optimize", ["size", "speed"])
@pytest.mark.parametrize("name", networks.NAMES)
def test_no_network_got_slower_or_larger(tmp_path: Path, name: str, optimize: str) -> None:
    figures = measure(tmp_path, name, optimize)
    if figures is None:
        pytest.skip(f"{name} is not on this machine")
    known = json.loads(BASELINE.read_text(encoding="utf-8"))[f"{name} {optimize}"]
    assert figures.exact
    assert figures.instructions <= known["instructions"] * ALLOWED, "update with benchmarks/cortex_m4.py --update"
    assert figures.ram_bytes <= known["ram_bytes"]
