"""Files are written whole or not at all, with a plain sentence where they cannot be written."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from foldtiny.errors import FoldtinyError
from foldtiny.resources import make_dir, write_atomic


def test_content_arrives_and_nothing_else_stays(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "file.txt"
    write_atomic(target, "één")
    write_atomic(target, "twee")
    assert target.read_text("utf-8") == "twee"
    assert [p.name for p in target.parent.iterdir()] == ["file.txt"]


def test_a_folder_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").mkdir()
    with pytest.raises(FoldtinyError) as caught:
        write_atomic(tmp_path / "file", b"x")
    assert str(caught.value) == (
        f"cannot write {tmp_path / 'file'}: is a directory; free some space or choose another folder"
    )
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_file_where_a_folder_should_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(FoldtinyError, match=r"cannot create the folder .*/file/sub: not a directory"):
        make_dir(tmp_path / "file" / "sub")


@pytest.fixture
def full_disk(tmp_path: Path):  # type: ignore[no-untyped-def]
    """A 1 MiB file system of its own."""
    mount = tmp_path / "small"
    mount.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(mount)], capture_output=True, text=True, check=False
    )
    if made.returncode:
        pytest.skip(f"mounting needs root: {made.stderr.strip()}")
    yield mount
    subprocess.run(["umount", str(mount)], check=True)


@pytest.mark.skipif(os.name != "posix", reason="needs mount")
def test_a_full_disk_keeps_the_old_file(full_disk: Path) -> None:
    target = full_disk / "file"
    write_atomic(target, b"old")
    with pytest.raises(FoldtinyError, match=r"cannot write .*file: no space left on device; free some space"):
        write_atomic(target, b"x" * (2 << 20))
    assert target.read_bytes() == b"old"
    assert [p.name for p in full_disk.iterdir()] == ["file"]
