from __future__ import annotations

import pytest
import torch

from foldtiny.fold import synthetic

# One thread: the machine is shared, and these networks are small.
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def few_synthetic_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """What these tests state holds for any number of synthetic images."""
    monkeypatch.setattr(synthetic, "_MOST", 16)
    monkeypatch.setattr(synthetic, "_MOST_TWICE", 16)
