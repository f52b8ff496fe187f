"""One thread for torch: the machine's other cores may be busy, and sums keep their order."""

from __future__ import annotations

import pytest
import torch


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)
