"""Puts a folder of files in place as a whole, without losing what a user did there."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from foldtiny import resources
from foldtiny.errors import ProjectError

# Lists the files that foldtiny wrote, so that changes by hand are noticed.
MARKER = ".foldtiny.json"


def replace_tree(out: Path, files: Mapping[str, bytes]) -> None:
    """Write ``files`` (relative path to content) as the folder ``out``.

    The new folder is made under a temporary name beside it and renamed. Files that the user added to an earlier
    version, and PlatformIO's build folder, move into the new one.

    Raises
    ------
    ProjectError
        If ``out`` is not a folder that foldtiny wrote, was changed by hand, or cannot be written.
    """
    digests = {path: hashlib.sha256(content).hexdigest() for path, content in files.items()}
    previous = _previous(out)
    if previous == digests and all((out / path).is_file() for path in files) and not _changed(out, previous):
        return
    if previous is not None:
        changed = _changed(out, previous)
        if changed:
            raise ProjectError(
                f"the project {out} was changed by hand ({changed[0]}{', …' if len(changed) > 1 else ''})",
                "choose another output folder, or remove this one",
            )
    resources.make_dir(out.parent)
    staging = None
    try:
        staging = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
        new = staging / "new"
        for path, content in files.items():
            target = new / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        (new / MARKER).write_text(json.dumps({"files": digests}, indent=1) + "\n", encoding="utf-8")
        _swap(out, new, staging / "old", previous or {})
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ProjectError(
            f"cannot write the project {out}: {reason}", "free some space or choose another folder"
        ) from error
    finally:
        if staging is not None:
            shutil.rmtree(staging, ignore_errors=True)


def _swap(out: Path, new: Path, old: Path, previous: Mapping[str, str]) -> None:
    if not out.exists():
        new.rename(out)
        return
    _keep_extras(out, new, previous)
    out.rename(old)
    try:
        new.rename(out)
    except BaseException:
        with contextlib.suppress(OSError):
            old.rename(out)
        raise


def _keep_extras(out: Path, new: Path, previous: Mapping[str, str]) -> None:
    """Copy what foldtiny did not write into the new folder; links make that cheap."""
    for path in sorted(out.rglob("*")):
        relative = path.relative_to(out)
        name = relative.as_posix()
        if name in previous or name == MARKER or "__pycache__" in relative.parts or not path.is_file():
            continue
        target = new / relative
        if target.exists():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(path, target)
        except OSError:
            shutil.copy2(path, target)


def _previous(out: Path) -> dict[str, str] | None:
    """Return the digests of an earlier project, or ``None`` where there is nothing yet."""
    if not out.exists():
        return None
    if not out.is_dir():
        raise ProjectError(f"{out} is a file", "choose another output folder")
    try:
        digests = json.loads((out / MARKER).read_text(encoding="utf-8"))["files"]
        return {str(path): str(digest) for path, digest in digests.items()}
    except FileNotFoundError:
        if not any(out.iterdir()):
            return {}
        raise ProjectError(
            f"the folder {out} holds files that foldtiny did not write", "choose another output folder"
        ) from None
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise ProjectError(
            f"the list {out / MARKER} of the project's files cannot be read", "remove the folder and try again"
        ) from error


def _changed(out: Path, previous: Mapping[str, str]) -> list[str]:
    """Return the files that exist with another content than foldtiny wrote; removed ones are simply made again."""
    changed = []
    for path, digest in previous.items():
        target = out / path
        with contextlib.suppress(FileNotFoundError):
            if hashlib.sha256(target.read_bytes()).hexdigest() != digest:
                changed.append(path)
    return changed
