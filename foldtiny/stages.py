"""Stages whose results are kept on disk and reused while nothing they depend on has changed.

A stage's key covers its inputs and the source code that computes it. Its record, ``<name>.json``, is written last and
atomically, with the hash of each file that the stage wrote: a stage that was killed half-way has no record and simply
runs again, and a file that somebody edited or deleted is noticed.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from foldtiny import __version__
from foldtiny.errors import FoldtinyError, reason
from foldtiny.progress import ProgressFn, Reporter
from foldtiny.resources import make_dir, root, write_atomic

_PACKAGE = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True)
class StageOutput:
    """What a stage hands back: numbers (JSON), the files it wrote, and one line for the user."""

    result: dict[str, Any]
    summary: str
    files: Sequence[Path] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class StageRecord:
    """A finished stage: its result, how long it took, and whether it was reused."""

    name: str
    result: dict[str, Any]
    summary: str
    seconds: float
    reused: bool


class Workspace:
    """A folder of stage results.

    Parameters
    ----------
    directory : Path
        Where records and files go; created if needed.
    reporter : Reporter
        Told about each stage.
    reuse : bool
        Whether earlier results may be reused.

    Raises
    ------
    FoldtinyError
        If the folder cannot be created.
    """

    def __init__(self, directory: Path, reporter: Reporter, *, reuse: bool = True) -> None:
        make_dir(directory)
        self.directory = directory
        self._reporter = reporter
        self._reuse = reuse

    def run(
        self,
        name: str,
        action: Callable[[ProgressFn], StageOutput],
        *,
        inputs: Mapping[str, Any],
        code: Sequence[str] = (),
    ) -> StageRecord:
        """Run a stage, or reuse its earlier result.

        Parameters
        ----------
        name : str
            Name of the stage and of its record.
        action : callable
            Does the work; gets a progress function.
        inputs : mapping
            Everything the result depends on, as JSON values (hashes for large things).
        code : sequence of str
            Modules, packages and shipped folders whose source the result depends on.
        """
        path = self.directory / f"{name}.json"
        key = _key(inputs, code)
        self._reporter.start(name)
        if self._reuse and (record := _reusable(path, key, name, self.directory)):
            self._reporter.done(name, record.summary, record.seconds, True)
            return record
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
        began = time.monotonic()
        output = action(self._reporter.progress)
        seconds = time.monotonic() - began
        content = {
            "stage": name,
            "key": key,
            "foldtiny": __version__,
            "inputs": dict(inputs),
            "result": output.result,
            "summary": output.summary,
            "seconds": round(seconds, 3),
            "files": {str(file.relative_to(self.directory)): file_hash(file) for file in output.files},
        }
        write_atomic(path, json.dumps(content, indent=2, sort_keys=True) + "\n")
        self._reporter.done(name, output.summary, seconds, False)
        return StageRecord(name, output.result, output.summary, seconds, False)


@contextlib.contextmanager
def exclusive(directory: Path) -> Iterator[None]:
    """Keep a second foldtiny out of a folder while one is at work in it.

    Raises
    ------
    FoldtinyError
        If another process holds the folder.
    """
    make_dir(directory)
    try:
        import fcntl
    except ImportError:  # no advisory locks on this system: go on without
        yield
        return
    try:
        handle = os.open(directory / ".lock", os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise FoldtinyError(
            f"cannot write in {directory}: {reason(error)}",
            "choose another folder with --output",
        ) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise FoldtinyError(
                f"another foldtiny is at work in {directory}", "wait for it or choose another folder with --output"
            ) from error
        yield
    finally:
        os.close(handle)


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file as hex."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def tree_hash(directory: Path) -> str:
    """Return one SHA-256 over the names and contents of all files under a folder, build outputs (``.pio``) aside."""
    digest = hashlib.sha256()
    for path in sorted(directory.rglob("*")):
        relative = path.relative_to(directory)
        if path.is_file() and not {".pio", "__pycache__"} & set(relative.parts):
            digest.update(str(relative).encode() + b"\0" + file_hash(path).encode())
    return digest.hexdigest()


def _key(inputs: Mapping[str, Any], code: Sequence[str]) -> str:
    content = {"inputs": dict(inputs), "code": {name: _code_hash(name) for name in code}, "foldtiny": __version__}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@functools.cache
def _code_hash(name: str) -> str:
    """Hash a module (``aot``, ``data``) of the package or a shipped folder (``firmware``, ``templates``)."""
    for candidate in (_PACKAGE / name, _PACKAGE / f"{name}.py", root(name)):
        if candidate.is_file():
            return file_hash(candidate)
        if candidate.is_dir():
            return tree_hash(candidate)
    raise ValueError(f"no source named {name}")


def _reusable(path: Path, key: str, name: str, directory: Path) -> StageRecord | None:
    try:
        content = json.loads(path.read_text("utf-8"))
        if content["key"] != key:
            return None
        for relative, digest in content["files"].items():
            if file_hash(directory / relative) != digest:
                return None
        return StageRecord(name, content["result"], content["summary"], float(content["seconds"]), True)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        # A missing or damaged record only means that the stage runs again.
        return None
