"""The single steps, chained by hand: fold, convert, compile, then deploy the file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .conftest import Run

pytestmark = pytest.mark.slow


def test_fold_convert_compile_deploy(run: Run, tmp_path: Path) -> None:
    folded = run(
        "fold", "lenet5", "--sparsity", 0.5, "--method", "ward", "--data", "subset", "-o", "f.pt", cwd=tmp_path
    )
    assert folded.code == 0, folded.err
    assert "classifier.0" in folded.out and "979,690" in folded.out
    converted = run("convert", "f.pt", "--data", "subset", "-o", "m.tflite", "--json", cwd=tmp_path)
    assert converted.code == 0, converted.err
    assert converted.json()["agreement"] > 0.97
    assert converted.json()["max_abs_difference"] < 1e-4
    compiled = run("compile", "m.tflite", "--board", "esp-eye", "-o", "project", "--json", cwd=tmp_path)
    assert compiled.code == 0, compiled.err
    assert compiled.json()["environments"] == {"hardware": "esp-eye", "simulated": "esp-eye-sim"}
    assert (tmp_path / "project" / "src" / "model" / "model.c").is_file()
    deployed = run("deploy", "--board", "esp-eye", "--tflite", "m.tflite", "--port", "sim", "--json", cwd=tmp_path)
    assert deployed.code == 0, deployed.err
    result = deployed.json()
    assert (result["bit_exact"]["checked"], result["bit_exact"]["matching"]) == (32, 32)
    assert result["sparsity"] is None
    assert json.loads((tmp_path / result["artefacts"]["result"]).read_text())["board"] == "esp-eye"
