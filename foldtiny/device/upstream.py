"""PlatformIO's own platforms for real boards: whether they are installed, or can be downloaded."""

from __future__ import annotations

import os
import re
import socket
import urllib.request
from pathlib import Path

from foldtiny.boards import Board
from foldtiny.errors import BuildError

_CONNECT_LIMIT_S = 4.0
# What PlatformIO prints when its package server does not answer, or does not have what was asked for.
_FAILED = re.compile(
    r"^(?:HTTPClientError|InternetConnectionError|Error: Could not (?:find|install)|UnknownPackage\w*)", re.M
)

# The same for an archive that a project depends on: no connection, or an answer that is no file.
_NO_ARCHIVE = re.compile(
    r"HTTPS?ConnectionPool\(host='(?P<host>[^']+)'.*?with url: (?P<path>\S+/archive/\S+)"
    r"|status code '(?P<code>\d+)' when downloaded (?P<url>\S+/archive/\S+)"
)


def core_dir() -> Path:
    """Return the user's own PlatformIO folder, which holds compilers and cores for real boards."""
    return Path(os.environ.get("PLATFORMIO_CORE_DIR") or Path.home() / ".platformio")


def is_installed(board: Board) -> bool:
    """Say whether the platform that a real board needs has been downloaded, in the pinned version."""
    if board.hardware is None:
        return False
    name, _, version = board.hardware.platform.partition("@")
    short = name.rpartition("/")[2]
    platforms = Path(os.environ.get("PLATFORMIO_PLATFORMS_DIR") or core_dir() / "platforms")
    for folder in platforms.glob(f"{short}*"):
        try:
            if re.search(rf'"version"\s*:\s*"{re.escape(version)}"', (folder / "platform.json").read_text("utf-8")):
                return True
        except OSError:
            continue
    return False


def require(board: Board) -> None:
    """Make sure that a real board can be built for: its platform is installed, or can be downloaded.

    PlatformIO itself tries for a minute before it gives up without a word about the reason.

    Raises
    ------
    BuildError
        If it is neither.
    """
    if not is_installed(board) and not reachable():
        raise unreachable(board)


def reachable() -> bool:
    """Say whether PlatformIO's package server takes connections (behind a proxy: assume so)."""
    from platformio import __registry_mirror_hosts__ as hosts

    if urllib.request.getproxies():
        return True
    for host in hosts:
        try:
            socket.create_connection((host, 443), timeout=_CONNECT_LIMIT_S).close()
            return True
        except OSError:
            continue
    return False


def download_failed(text: str) -> bool:
    """Say whether a log of PlatformIO tells of a failed download."""
    return _FAILED.search(text) is not None


def archive_failed(board: Board, text: str) -> BuildError | None:
    """Return the error for an archive of TFLite Micro that a log tells could not be downloaded, or None."""
    found = _NO_ARCHIVE.search(text)
    if found is None:
        return None
    url = found["url"] or f"https://{found['host']}{found['path']}"
    return BuildError(
        f"TFLite Micro for a real {board.name} cannot be downloaded from {url}"
        + (f" (status {found['code']})" if found["code"] else ""),
        "connect to the internet for the first build, or give its sources with --tflm-source",
    )


def unreachable(board: Board) -> BuildError:
    """Return the error for a platform that cannot be downloaded."""
    platform = board.hardware.platform if board.hardware else "its platform"
    return BuildError(
        f"building for a real {board.name} needs PlatformIO's {platform} (compiler and Arduino core), "
        "which is not installed and cannot be downloaded",
        "connect to the internet for the first build, or use --port sim",
    )
