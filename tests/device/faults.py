"""A serial line that damages what passes: flips, drops, duplicates and inserts bytes in both directions."""

from __future__ import annotations

import random

from foldtiny.device.ports import Port


class FaultyPort:
    """Wraps an open port; ``rate`` is the chance of each byte to be hit, each kind of damage being equally likely."""

    def __init__(self, inner: Port, rate: float, seed: int) -> None:
        self._inner = inner
        self._rate = rate
        self._random = random.Random(seed)
        self.faults = 0

    @property
    def in_waiting(self) -> int:
        return self._inner.in_waiting

    def read(self, size: int = 1) -> bytes:
        return self._damage(self._inner.read(size))

    def write(self, data: bytes) -> int | None:
        self._inner.write(self._damage(data))
        return len(data)

    def close(self) -> None:
        self._inner.close()

    def _damage(self, data: bytes) -> bytes:
        passed = bytearray()
        for byte in data:
            if self._random.random() >= self._rate:
                passed.append(byte)
                continue
            self.faults += 1
            kind = self._random.randrange(4)
            if kind == 0:
                passed.append(byte ^ (1 << self._random.randrange(8)))
            elif kind == 1:
                passed += bytes((byte, byte))
            elif kind == 2:
                passed += bytes((byte, self._random.randrange(256)))
        return bytes(passed)
