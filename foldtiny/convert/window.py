"""How torch's window positions along one axis compare with TensorFlow's SAME and VALID."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Axis:
    """A sliding window along one axis, as torch places it.

    Attributes
    ----------
    size : int
        Length of the axis.
    kernel : int
        Length of the window, dilation included.
    stride : int
        Step between windows.
    before : int
        Padding before the first element; torch pads as much after the last.
    outputs : int
        Number of windows.
    """

    size: int
    kernel: int
    stride: int
    before: int
    outputs: int

    @property
    def after(self) -> int:
        """Padding after the last element that a window really reaches."""
        return max((self.outputs - 1) * self.stride + self.kernel - self.size - self.before, 0)

    @property
    def valid(self) -> bool:
        """Whether TensorFlow's VALID places the windows exactly so."""
        return self.before == 0 and self.after == 0

    @property
    def same(self) -> bool:
        """Whether TensorFlow's SAME places the windows exactly so."""
        outputs = -(-self.size // self.stride)
        total = max((outputs - 1) * self.stride + self.kernel - self.size, 0)
        return outputs == self.outputs and self.before == total // 2

    @property
    def centred(self) -> bool:
        """Whether window i is centred on element ``i * stride``."""
        return self.kernel % 2 == 1 and self.before == self.kernel // 2

    def counts(self, padding: bool) -> npt.NDArray[np.int64]:
        """Return how many cells torch counts in each window: those inside, with or without the padding."""
        start = np.arange(self.outputs) * self.stride - self.before
        end = np.minimum(start + self.kernel, self.size + self.before)
        if not padding:
            start, end = np.maximum(start, 0), np.minimum(end, self.size)
        return np.asarray(end - start, np.int64)


def all_valid(axes: Iterable[Axis]) -> bool:
    """Tell whether VALID is exact on every axis."""
    return all(axis.valid for axis in axes)


def all_same(axes: Iterable[Axis]) -> bool:
    """Tell whether SAME is exact on every axis."""
    return all(axis.same for axis in axes)
