"""What a network may take, as an embedded user has it: a chip's flash, its RAM, and a time."""

from __future__ import annotations

import math
import re
from dataclasses import asdict, dataclass

from foldtiny.errors import UsageError

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kKmM]?)(?:i?[bB])?")
_UNITS = {"": 1, "k": 1024, "m": 1024 * 1024}


@dataclass(frozen=True, slots=True)
class Limits:
    """Upper limits, in place of a sparsity; None where there is none.

    Attributes
    ----------
    flash_bytes : int, optional
        Of the whole firmware image: the ``flash_bytes.total`` of a deployment.
    ram_bytes : int, optional
        Static RAM and the stack that was used: the ``ram_bytes.total`` of a deployment.
    ms : float, optional
        Of one inference: measured on a board; on a twin the upper end of the estimated cycles, or, where there is no
        estimate, the instructions at the board's clock and one a cycle.
    """

    flash_bytes: int | None = None
    ram_bytes: int | None = None
    ms: float | None = None

    def __bool__(self) -> bool:
        return any(limit is not None for limit in (self.flash_bytes, self.ram_bytes, self.ms))

    @property
    def slug(self) -> str:
        """What a folder's name says of the limits, such as ``flash256k-ram32k-50ms``."""
        names = [f"flash{_short(self.flash_bytes)}"] if self.flash_bytes is not None else []
        names += [f"ram{_short(self.ram_bytes)}"] if self.ram_bytes is not None else []
        names += [f"{self.ms:g}ms"] if self.ms is not None else []
        return "-".join(names)

    def check(self) -> None:
        """Raise a UsageError for a limit that nothing could satisfy."""
        for name, value in (("flash", self.flash_bytes), ("ram", self.ram_bytes), ("ms", self.ms)):
            if value is not None and not (math.isfinite(value) and value > 0):
                raise UsageError(f"--max-{name} is {value:g} (allowed: more than 0)", _EXAMPLES[name])

    def to_dict(self) -> dict[str, int | float | None]:
        """Return the limits as plain JSON values."""
        return asdict(self)


_EXAMPLES = {
    "flash": "write it like --max-flash 256k",
    "ram": "write it like --max-ram 32k",
    "ms": "write it like --max-ms 50",
}


def parse(flash: str | None = None, ram: str | None = None, ms: float | None = None) -> Limits:
    """Return limits as the command line gives them: sizes as text, a time in milliseconds.

    Raises
    ------
    UsageError
        If a size cannot be read.
    """
    return Limits(
        None if flash is None else parse_size(flash, "flash"), None if ram is None else parse_size(ram, "ram"), ms
    )


def parse_size(text: str, memory: str) -> int:
    """Return a size in bytes: ``262144``, ``256k``, ``256K``, ``256kB``, ``256KB``, ``256KiB``, ``1M`` (1 k is 1,024).

    Parameters
    ----------
    text : str
    memory : str
        ``flash`` or ``ram``, for the message.

    Raises
    ------
    UsageError
        If it is anything else, or no byte.
    """
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise UsageError(
            f"--max-{memory} is '{text}' (allowed: bytes, or a number with k, kB, KB, KiB, M, MB or MiB; 1 k is 1,024)",
            _EXAMPLES[memory],
        )
    return int(float(found[1]) * _UNITS[found[2].lower()])


def _short(size: int) -> str:
    for unit, letter in ((1024 * 1024, "M"), (1024, "k")):
        if size % unit == 0:
            return f"{size // unit}{letter}"
    return str(size)
