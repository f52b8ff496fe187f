"""How much of the flash the application's partition takes, where the board has a partition table."""

from __future__ import annotations

_START = 0x10000
"""Where the application starts: behind the bootloader, the table and the settings (NVS)."""
_STEP = 0x10000
"""Applications are aligned to 64 KiB, because that is what the processor maps at a time."""
# What the framework, the kernels and a program around the network take; a bare Arduino core has about 300 KB.
_FRAMEWORK_BYTES = 1 << 20


def application_bytes(constants: int, flash_bytes: int) -> int:
    """Return the size of the application's partition.

    Parameters
    ----------
    constants : int
        Bytes of the network in flash.
    flash_bytes : int
        From the application's start to the end of the flash.

    Returns
    -------
    int
        The network and an eighth more, the framework's share, rounded up to 64 KiB; all there is where that is more.
    """
    wanted = _FRAMEWORK_BYTES + constants + constants // 8
    return min(-(-wanted // _STEP) * _STEP, flash_bytes)


def rows(constants: int, flash_bytes: int) -> list[tuple[str, str, str, int, int]]:
    """Return the table: name, type, subtype, offset and size of each partition.

    What the application leaves is one partition for files of the user's own.
    """
    size = application_bytes(constants, flash_bytes)
    table = [("nvs", "data", "nvs", 0x9000, 0x5000), ("app0", "app", "factory", _START, size)]
    if size < flash_bytes:
        table.append(("storage", "data", "spiffs", _START + size, flash_bytes - size))
    return table
