"""One cell of the poster's Table 2, with real builds and the simulated board."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .conftest import Run

pytestmark = pytest.mark.slow


def test_one_cell_agrees_with_the_poster(run: Run, tmp_path: Path) -> None:
    command = ("table2", "--boards", "nano33ble", "--sparsity", "70%", "--port", "sim", "--data", "subset")
    done = run(*command, "-o", tmp_path, "--json")
    assert done.code == 0, done.err
    (cell,) = done.json()["cells"]
    assert json.loads((tmp_path / "table2.json").read_text()) == done.json()
    assert cell["paper"] == {"ms": 2969, "ram_k": 36.5, "flash_m": 1.2, "source": "paper"}
    poster, ours = cell["poster_config"], cell["deployed"]
    assert abs(poster["ram_k"] - 36.5) <= 0.2 and abs(poster["flash_m"] - 1.2) <= 0.1
    # The first convolution's output and its pooled copy: 9 channels of 28 * 28 and 14 * 14 real numbers.
    assert poster["ram_tensors_k"] == 9 * 3920 / 1024
    assert (poster["fits"], poster["misfit"]) == (False, "does not fit: 1.1 M > 0.94 M")
    assert poster["source"] == ours["source"] == "estimated" and "flash enlarged" in poster["sources"]["ms"]
    assert (ours["fits"], ours["exact"]) == (True, "8/8 bit-exact")
    assert ours["accuracy"] > 0.9 and cell["factors"]["paper"]["ram"] > 5 and cell["factors"]["paper"]["flash"] > 3
    again = run(*command, "-o", tmp_path)
    assert again.code == 0 and again.err.count("reused") == 4
    assert "does not fit:" in again.out and "Arduino Nano 33 BLE Sense" in again.out
