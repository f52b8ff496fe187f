"""The five functions are where the documentation says, and its example runs as it stands."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import foldtiny

PAGE = Path(__file__).resolve().parents[1] / "docs" / "api.md"


def test_the_five_functions_can_be_called() -> None:
    for name in ("fold", "convert", "compile", "deploy", "bench"):
        assert callable(getattr(foldtiny, name)), name
    with pytest.raises(AttributeError, match="no attribute 'flash'"):
        _ = foldtiny.flash


@pytest.mark.slow
def test_the_example_runs(tmp_path: Path) -> None:
    (example,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", example], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "-> 489,522 parameters" in done.stdout
    assert "simulated: flash" in done.stdout
    assert re.search(r"^ok \d+$", done.stdout, re.MULTILINE)
