"""A serial line that damages what passes: flips, drops, duplicates, inserts and delays bytes in both directions."""

from __future__ import annotations

import random
import time
from collections import Counter

from foldtiny.device.ports import Port

KINDS = ("flipped", "doubled", "inserted", "dropped")


class FaultyPort:
    """Wraps an open port.

    Parameters
    ----------
    inner : Port
    rate : float
        The chance of each byte to be hit, each kind of damage being equally likely.
    seed : int
    delay_rate, delay_s : float
        The chance of a piece of data to be held up, and for how long at most.
    """

    def __init__(self, inner: Port, rate: float, seed: int, *, delay_rate: float = 0.0, delay_s: float = 0.0) -> None:
        self._inner = inner
        self._rate = rate
        self._random = random.Random(seed)
        self._delay_rate = delay_rate
        self._delay_s = delay_s
        self.counts: Counter[str] = Counter()

    @property
    def faults(self) -> int:
        """How many bytes were damaged."""
        return sum(self.counts[kind] for kind in KINDS)

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
        if data and self._random.random() < self._delay_rate:
            self.counts["delayed"] += 1
            time.sleep(self._random.random() * self._delay_s)
        passed = bytearray()
        for byte in data:
            if self._random.random() >= self._rate:
                passed.append(byte)
                continue
            kind = self._random.choice(KINDS)
            self.counts[kind] += 1
            if kind == "flipped":
                passed.append(byte ^ (1 << self._random.randrange(8)))
            elif kind == "doubled":
                passed += bytes((byte, byte))
            elif kind == "inserted":
                passed += bytes((byte, self._random.randrange(256)))
        return bytes(passed)
