"""The conversion as a whole: repeatable, quiet, interruptible, and never wrong without saying so."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from foldtiny.convert import ConvertReport, convert, layout
from foldtiny.errors import ConvertError
from tests.convert.helpers import Functional, randomised, reference_outputs, torch_results

SHAPE = (2, 9, 9)

_SCRIPT = """
import hashlib, torch
from torch import nn
from foldtiny.convert import convert
torch.manual_seed(0)
net = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 3))
print(hashlib.sha256(convert(net, (2, 9, 9)).data).hexdigest())
"""


def _network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 3)
    )


def test_same_network_same_bytes() -> None:
    """Twice in one process, with another network between, in both precisions."""
    first = [convert(_network(), SHAPE, precision=precision).data for precision in ("int8", "float32")]
    convert(nn.Sequential(nn.Conv2d(2, 4, 3)), SHAPE)
    assert [convert(_network(), SHAPE, precision=precision).data for precision in ("int8", "float32")] == first


@pytest.mark.slow
def test_other_process_same_bytes_and_no_chatter() -> None:
    """A fresh process gives the same bytes, and TensorFlow leaves nothing on the terminal."""
    import hashlib

    environment = {**os.environ, "PYTHONHASHSEED": "7", "OMP_NUM_THREADS": "1"}
    environment.pop("TF_CPP_MIN_LOG_LEVEL", None)
    done = subprocess.run([sys.executable, "-c", _SCRIPT], capture_output=True, text=True, env=environment, check=True)
    assert done.stderr == ""
    assert done.stdout.split() == [hashlib.sha256(convert(_network(), SHAPE).data).hexdigest()]


def test_report() -> None:
    """The report tells the images, the operators and the checks; synthetic images where none are given."""
    model = convert(_network(), SHAPE, seed=4)
    report = model.report
    assert report.calibration == "synthetic: 64 images of smooth noise in [0, 1], seed 4"
    assert report.operators == ("CONV_2D", "MAX_POOL_2D", "RESHAPE", "FULLY_CONNECTED")
    assert 0 < report.max_abs_difference < 1e-5
    assert report.images == 64
    assert 0.8 < report.agreement <= 1
    assert json.loads(json.dumps(report.to_dict()))["operators"] == list(report.operators)
    assert isinstance(report, ConvertReport)


def test_module_is_left_alone() -> None:
    """A network in training mode stays so, with the same weights and statistics."""
    network = _network().train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    convert(network, SHAPE, precision="float32")
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_given_images_set_the_ranges() -> None:
    """The input's int8 step follows the calibration images."""
    from ai_edge_litert.interpreter import Interpreter

    random = np.random.default_rng(0)
    scales = []
    for reach in (1.0, 4.0):
        images = (random.random((8, *SHAPE)) * reach).astype(np.float32)
        model = convert(_network(), SHAPE, calibration=images)
        assert model.report.calibration == "8 images given"
        scales.append(Interpreter(model_content=model.data).get_input_details()[0]["quantization"][0])
    assert scales[1] / scales[0] == pytest.approx(4.0, rel=0.05)


def test_wrong_conversion_is_not_handed_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Were the columns after a flatten not permuted, the check against torch would stop the conversion."""
    monkeypatch.setitem(layout._RULES, layout.ir.Linear, lambda _node, _sources, _orders: ({}, None))
    with pytest.raises(ConvertError, match=r"outputs differ from torch's by .*, relatively .* \(allowed: 0\.001\)"):
        convert(_network(), SHAPE, precision="float32")


def test_in_place_results_that_nobody_takes() -> None:
    """An in-place ReLU changes the tensor under every name it has, but no copy of it."""

    def forward(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
        features = self.get_submodule("conv")(x)
        kept = features.clone()
        same = self.get_submodule("drop")(features)
        torch.relu_(same)
        return features - 0.5 * kept

    torch.manual_seed(0)
    network = randomised(Functional(forward, conv=nn.Conv2d(2, 4, 3), drop=nn.Dropout()))
    images = np.random.default_rng(0).normal(size=(2, *SHAPE)).astype(np.float32)
    model = convert(network, SHAPE, precision="float32", calibration=images)
    for found, wanted in zip(reference_outputs(model.data, images), torch_results(network, images), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


def _interrupting(stage: str) -> Callable[[str, float], None]:
    def progress(label: str, _fraction: float) -> None:
        if label == stage:
            signal.raise_signal(signal.SIGINT)

    return progress


@pytest.mark.parametrize(
    "stage", ["tracing the network", "converting to float32", "comparing with torch", "calibrating"]
)
def test_interrupt(stage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends the conversion, also inside TensorFlow's calibration, and leaves no temporary file."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    signal.signal(signal.SIGINT, signal.default_int_handler)  # Started in the background, Python ignores it.
    with pytest.raises(KeyboardInterrupt):
        convert(_network(), SHAPE, progress=_interrupting(stage))
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith("torchinductor_")] == []
    assert convert(_network(), SHAPE).report.images == 64


def test_progress_rises_to_one() -> None:
    """Labels come with fractions that never fall."""
    seen: list[tuple[str, float]] = []
    convert(_network(), SHAPE, progress=lambda label, fraction: seen.append((label, fraction)))
    fractions = [fraction for _, fraction in seen]
    assert fractions == sorted(fractions) and fractions[0] == 0 and fractions[-1] == 1
    assert "calibrating" in {label for label, _ in seen}


def test_errors_reach_the_terminal_again(capfd: pytest.CaptureFixture[str]) -> None:
    """Silence ends with its block, and what was said is kept."""
    from foldtiny.convert.quiet import native_silence

    with native_silence() as said:
        os.write(2, b"chatter")
    os.write(2, b"shown")
    assert said.getvalue() == "chatter"
    assert capfd.readouterr().err == "shown"
