"""Import and run TensorFlow without its chatter, and without losing what it says when it fails."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from typing import Any

_SETTINGS = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    # A converter needs no GPU; looking for one costs time and warnings.
    "CUDA_VISIBLE_DEVICES": "-1",
    # One order of summation, so that the same network gives the same file on every machine of a kind.
    "TF_ENABLE_ONEDNN_OPTS": "0",
}


def tensorflow() -> Any:
    """Return the tensorflow module, imported quietly. Settings that the user made in the environment win."""
    if "tensorflow" not in sys.modules:
        missing = {name: value for name, value in _SETTINGS.items() if name not in os.environ}
        os.environ.update(missing)
        try:
            with native_silence():
                import tensorflow  # noqa: F401
        finally:
            for name in missing:
                os.environ.pop(name, None)
        logging.getLogger("tensorflow").setLevel(logging.ERROR)
        import absl.logging

        absl.logging.set_verbosity(absl.logging.ERROR)
    return sys.modules["tensorflow"]


@contextlib.contextmanager
def native_silence() -> Iterator[io.StringIO]:
    """Collect what native code writes to file descriptor 2, and yield where it is found after an error.

    Python's own ``sys.stderr`` keeps going to the terminal: a progress bar may be drawing there from another thread.
    """
    said = io.StringIO()
    try:
        real = os.dup(2)
    except OSError:  # started without a stderr
        yield said
        return
    shown = sys.stderr
    with tempfile.TemporaryFile() as sink:
        bypass = None
        try:
            if _is_native(shown):
                bypass = os.fdopen(os.dup(real), "w", buffering=1, encoding="utf-8", errors="backslashreplace")
                shown.flush()
                sys.stderr = bypass
            os.dup2(sink.fileno(), 2)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield said
        finally:
            os.dup2(real, 2)
            os.close(real)
            if bypass is not None:
                sys.stderr = shown
                bypass.close()
            sink.seek(0)
            said.write(sink.read().decode("utf-8", "replace"))


def _is_native(stream: Any) -> bool:
    try:
        return bool(stream.fileno() == 2)
    except (AttributeError, OSError, ValueError):
        return False
