"""Board-free stages (load, fold, convert, accuracy) that cells share although each works in a folder of its own.

A stage's record names the hash of each file it wrote, and a stage whose record does not match runs again. So files can
be linked from folder to folder one by one, at any time: what does not belong together is not reused.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

from foldtiny.resources import make_dir


def take(store: Path, folder: Path) -> None:
    """Link what the store has into a cell's model folder, except what is there already."""
    for source in _files(store):
        if not (folder / source.name).exists():
            _link(source, folder / source.name)


def give(folder: Path, store: Path) -> None:
    """Link a model folder's files into the store; what the store had under their names is replaced."""
    for source in _files(folder):
        target = store / source.name
        with contextlib.suppress(OSError):
            if target.exists() and target.samefile(source):
                continue
        _link(source, target)


def _files(folder: Path) -> list[Path]:
    # Records last: a record without its files is worth nothing.
    found = [path for path in folder.glob("*") if path.is_file() and not path.name.startswith(".")]
    return sorted(found, key=lambda path: (path.suffix == ".json", path.name))


def _link(source: Path, target: Path) -> None:
    """Link (or copy, where the file system cannot link) under a temporary name, then rename: never half a file."""
    make_dir(target.parent)
    temporary = Path(tempfile.mktemp(prefix=f".{target.name}.", dir=target.parent))
    with contextlib.suppress(FileNotFoundError):  # replaced or removed meanwhile: the stage runs again
        try:
            os.link(source, temporary)
        except OSError:
            shutil.copyfile(source, temporary)
        temporary.replace(target)
    temporary.unlink(missing_ok=True)
