"""Where the files that travel with foldtiny lie, and how files are written."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from foldtiny.errors import FoldtinyError, reason

_PACKAGE = Path(__file__).resolve().parent


def root(name: str) -> Path:
    """Return a shipped folder: ``firmware``, ``boards`` or ``templates``.

    In a checkout these lie beside the package; a wheel carries them inside it.
    """
    shipped = _PACKAGE / "_shipped" / name
    return shipped if shipped.is_dir() else _PACKAGE.parent / name


def asset(name: str) -> Path:
    """Return the path of a file shipped in ``foldtiny/assets``."""
    return _PACKAGE / "assets" / name


def cache_dir() -> Path:
    """Return foldtiny's own cache folder (``FOLDTINY_CACHE`` overrides it), created if needed."""
    override = os.environ.get("FOLDTINY_CACHE")
    if override:
        path = Path(override).expanduser()
    else:
        import platformdirs

        path = Path(platformdirs.user_cache_dir("foldtiny"))
    make_dir(path)
    return path


def make_dir(path: Path) -> None:
    """Create a folder and its parents.

    Raises
    ------
    FoldtinyError
        If the folder cannot be created.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FoldtinyError(
            f"cannot create the folder {path}: {reason(error)}", "choose another folder or mend its permissions"
        ) from error


def write_atomic(path: Path, content: bytes | str) -> None:
    """Write a file so that it is either whole or not there.

    The content goes to a temporary name in the same folder, is flushed to disk and renamed, so a crash, a full disk
    or Ctrl-C never leaves half a file under the real name.

    Raises
    ------
    FoldtinyError
        If the folder is not writable or the disk is full.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    make_dir(path.parent)
    temporary = ""
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        # mkstemp makes private files; results are ordinary files.
        umask = os.umask(0)
        os.umask(umask)
        Path(temporary).chmod(0o666 & ~umask)
        Path(temporary).replace(path)
    except OSError as error:
        raise FoldtinyError(
            f"cannot write {path}: {reason(error)}", "free some space or choose another folder"
        ) from error
    finally:
        if temporary:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()
