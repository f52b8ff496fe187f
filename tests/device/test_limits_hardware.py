"""Limits on a board on a port: what is tried is flashed and measured there, not on the twin."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from foldtiny.errors import UsageError
from foldtiny.pipeline import DeployRequest, FoldOptions, Limits, deploy, hardware
from tests.device.hardware import Desk, FakeBoard

pytestmark = pytest.mark.slow


def network() -> object:
    """Return a small network: about 15,000 weights."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 200), nn.ReLU(), nn.Linear(200, 10))


def _request(folder: Path, **more: object) -> DeployRequest:
    limits = Limits(flash_bytes=16_384, ram_bytes=262_144, ms=10_000.0)
    return DeployRequest(
        board="esp-eye", model="tests.device.test_limits_hardware:network", input_shape=(1, 8, 8),
        folding=FoldOptions(method="l1", limits=limits), output=folder / "build", runs=2, optimize="size", **more,  # type: ignore[arg-type]
    )  # fmt: skip


def _flash_to_the_end(board: FakeBoard, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let flashing last until the new firmware runs, as on a real board; the fake one starts it a little later."""
    flash = hardware.flash

    def patient(*arguments: Any) -> Any:
        before = board._process
        done = flash(*arguments)
        deadline = time.monotonic() + 60
        while board._process is before and time.monotonic() < deadline:
            time.sleep(0.01)
        return done

    monkeypatch.setattr(hardware, "flash", patient)


def test_the_search_flashes_what_it_tries(
    desk: Desk, fake_board: FakeBoard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _flash_to_the_end(fake_board, monkeypatch)
    result = deploy(_request(tmp_path))
    assert result is not None and result.search is not None
    assert (result.source, result.search.basis) == ("hardware", "measured on the board")
    assert 0.9 * 16_384 < result.flash_bytes.total <= 16_384
    flashed = [call for call in desk.calls if "-t upload" in call]
    measured = [one for one in result.search.candidates if one.ms is not None]
    # What was small enough was flashed, and only that; the last of the candidates is the deployment.
    assert len(flashed) == len(measured) >= 2
    assert all(one.ram_bytes is not None and one.fits for one in measured)
    assert any(one.flash_bytes is not None and one.flash_bytes > 16_384 for one in result.search.candidates)


def test_a_dry_run_leaves_the_board_alone(desk: Desk, fake_board: FakeBoard, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        deploy(_request(tmp_path, dry_run=True))
    assert str(caught.value) == (
        "--max-ram and --max-ms are measured on the board, and --dry-run leaves it alone; "
        "leave out --dry-run, or search on the simulated twin with --port sim"
    )
    assert not desk.calls
