"""A folder with the user's own networks, made the current one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

NETS = """
import torch
from torch import nn

text = "not a function"

def small():
    torch.manual_seed(5)
    return nn.Sequential(nn.Flatten(), nn.Linear(12, 3))

class Known(nn.Module):
    input_shape = (3, 2, 2)
    def __init__(self):
        super().__init__()
        self.layers = small()
    def forward(self, images):
        return self.layers(images)

def half():
    return small().half()

def grouped():
    return nn.Sequential(nn.Conv2d(1, 8, 1), nn.Conv2d(8, 8, 1, groups=2), nn.Flatten(), nn.Linear(32, 3))

def needs(argument):
    return argument

def number():
    return 3

def images():
    return nn.Conv2d(3, 4, 1)

def leaves():
    raise SystemExit(3)

def lazy():
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(3))

ready = small()
"""


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Keep torch to one thread: these networks gain nothing from more, and other tests run at the same time."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def factories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "user"
    folder.mkdir()
    (folder / "nets.py").write_text(NETS)
    (folder / "broken.py").write_text("1 +\n")
    (folder / "leaving.py").write_text("raise SystemExit(3)\n")
    (folder / "needy.py").write_text("import no_such_package_at_all\n")
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield folder
    for name in ("nets", "broken", "leaving", "needy"):
        sys.modules.pop(name, None)
