"""The file of records: one JSON object per line, appended so that no crash loses more than the cell in progress."""

from __future__ import annotations

import contextlib
import json
import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from foldtiny.errors import DataError, FoldtinyError, UsageError, reason
from foldtiny.resources import make_dir, write_atomic

SCHEMA = 1
Record = dict[str, Any]


class RecordFile:
    """An open file of records that nobody else appends to.

    Each record is one write of a whole line, on disk before :meth:`append` returns. What a killed run left of a line is
    dropped when the file is opened again.

    Parameters
    ----------
    path : Path
    resume : bool
        Go on with a file that holds records; otherwise such a file is refused.

    Raises
    ------
    UsageError
        If the file has records and ``resume`` is false.
    DataError
        If it is not a file of records.
    FoldtinyError
        If it cannot be written, or another run appends to it.
    """

    def __init__(self, path: Path, *, resume: bool = False) -> None:
        self.path = path
        make_dir(path.parent)
        try:
            new = not path.exists()
            self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o666)
            if new:
                _sync_folder(path.parent)
        except OSError as error:
            raise _unwritable(path, error) from error
        try:
            self._lock()
            self.found = self._recover(resume)
        except BaseException:
            os.close(self._handle)
            raise

    def __enter__(self) -> RecordFile:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._handle)

    def append(self, record: Record) -> None:
        """Write one record; it is on disk when this returns, or not there at all.

        Raises
        ------
        FoldtinyError
            If the disk is full or the file cannot be written.
        """
        line = json.dumps(_finite(record), allow_nan=False, separators=(",", ":")).encode("ascii") + b"\n"
        size = os.fstat(self._handle).st_size
        try:
            if os.write(self._handle, line) != len(line):
                raise OSError(None, "only a part could be written")
            os.fsync(self._handle)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(self._handle, size)
            raise _unwritable(self.path, error) from error

    def compact(self) -> None:
        """Drop records that a later one of the same cell replaced, such as a failure that was mended since."""
        records, _ = _parse(self.path, self.path.read_bytes())
        kept = latest(records)
        if len(kept) < len(records):
            write_atomic(self.path, "".join(json.dumps(record, separators=(",", ":")) + "\n" for record in kept))

    def _lock(self) -> None:
        try:
            import fcntl
        except ImportError:  # no advisory locks on this system: go on without
            return
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever held it may have put another file in its place meanwhile.
            same = os.fstat(self._handle).st_ino == self.path.stat().st_ino
        except OSError:
            same = False
        if not same:
            raise FoldtinyError(
                f"another foldtiny bench is writing {self.path}", "wait for it, or choose another file with --records"
            )

    def _recover(self, resume: bool) -> list[Record]:
        content = self.path.read_bytes()
        if content and not resume:
            raise UsageError(
                f"{self.path} already holds records", "go on with it with --resume, or choose another with --records"
            )
        records, whole = _parse(self.path, content)
        if whole < len(content):
            os.ftruncate(self._handle, whole)
        elif content and not content.endswith(b"\n"):
            os.write(self._handle, b"\n")
        os.fsync(self._handle)
        return records


def read(path: Path) -> list[Record]:
    """Return the records of a file in the order in which they were written; half a last line is left out.

    Raises
    ------
    DataError
        If the file cannot be read or a line is not a record.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {path}: {reason(error)}", "give a file that `foldtiny bench` wrote") from error
    return _parse(path, content)[0]


def latest(records: Iterable[Record]) -> list[Record]:
    """Return the last record of each cell, in the order in which the cells first appear."""
    last: dict[str, Record] = {}
    for record in records:
        last[record["id"]] = record
    return list(last.values())


def _parse(path: Path, content: bytes) -> tuple[list[Record], int]:
    """Return the records and how many bytes of the content are whole."""
    records: list[Record] = []
    at = 0
    lines = content.split(b"\n")
    for number, line in enumerate(lines, start=1):
        torn = number == len(lines)  # nothing ended this line
        record = _record(line)
        if record is not None:
            if record["schema"] != SCHEMA:
                raise DataError(
                    f"line {number} of {path} has schema {record['schema']!r}; this foldtiny reads schema {SCHEMA}",
                    "use the foldtiny that wrote it, or another file",
                )
            records.append(record)
        elif torn:
            return records, at
        elif line.strip():
            raise DataError(
                f"line {number} of {path} is not a record",
                "remove the line, or give a file that `foldtiny bench` wrote",
            )
        at += len(line) + (not torn)
    return records, at


def _record(line: bytes) -> Record | None:
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) and isinstance(value.get("id"), str) and "schema" in value else None


def _finite(value: Any) -> Any:
    """Replace numbers that JSON cannot write (NaN, infinite) by None."""
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _unwritable(path: Path, error: OSError) -> FoldtinyError:
    return FoldtinyError(
        f"cannot write {path}: {reason(error)}", "free some space or choose another file with --records"
    )


def _sync_folder(folder: Path) -> None:
    """Make a new file's name durable."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
