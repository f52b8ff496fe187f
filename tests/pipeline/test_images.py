"""Labels that the network cannot give are refused: the accuracy would be silently wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from foldtiny.errors import DataError
from foldtiny.pipeline import steps


def test_labels_beyond_the_classes(tmp_path: Path) -> None:
    file = tmp_path / "images.npz"
    np.savez(file, x=np.zeros((3, 1, 8, 8), np.uint8), y=np.array([0, 4, 98]))
    with pytest.raises(DataError, match=r"has labels from 0 to 98; the network has 5 classes \(allowed: 0 to 4\)"):
        steps.test_images(f"npz:{file}", (1, 8, 8), 5)
    found = steps.test_images(f"npz:{file}", (1, 8, 8), 99)
    assert found is not None and found.labels is not None
    assert found.labels.tolist() == [0, 4, 98]


def test_no_data_is_no_images() -> None:
    assert steps.test_images(None, (1, 8, 8), 5) is None
