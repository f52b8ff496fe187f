"""What the compiler passes between its stages: a layer, and the kernel chosen for it.

A ``Layer`` says what to compute, with every constant ready; a ``Kernel`` says how: which C function, which constants
in which packing, how much scratch memory. Specialised kernels for a processor are other ``Kernel`` objects for the
same ``Layer`` (see ``targets.py``); nothing after the choice knows the difference.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Constant:
    """An array in flash: ``ctype`` is its C element type; a ``table`` is counted as engine, not as weights."""

    ctype: str
    values: NDArray[np.generic]
    table: bool = False

    @property
    def bytes(self) -> int:
        """Size in flash."""
        return self.values.size * {"int8_t": 1, "uint8_t": 1, "int16_t": 2}.get(self.ctype, 4)


@dataclass(frozen=True, slots=True)
class Params:
    """A constant C struct, written with designated initialisers in this order."""

    ctype: str
    fields: Mapping[str, int | float | tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Kernel:
    """How one layer is computed.

    Attributes
    ----------
    title : str
        For people: shown in ``model.c`` and in profiles.
    headers : tuple of str
        Files of ``firmware/kernels`` to include; what they include travels along.
    call : str
        C statements as a ``string.Template``. Names: ``$in0 $in1 ... $out0 ... $scratch`` (typed pointers), ``$params``
        (address of the struct) and each key of ``constants``.
    params : Params, optional
        The constant struct that ``$params`` points to.
    constants : mapping of str to Constant
        Arrays to emit; equal arrays of several layers are emitted once.
    scratch_bytes : int
        Working memory that the call needs, 16-byte aligned; its content is undefined before and after.
    in_place : tuple of int
        Inputs that output 0 may replace, starting at exactly the same address.
    overlap : mapping of int to int
        Inputs that output 0 may overwrite while they are read: for each the number of bytes by which it must start
        after the output, at least (0: the same address will do). It follows from the kernel's own order of reads and
        writes; ``overlap.py`` computes it.
    sources : mapping of str to str
        Whole extra files (a generated assembly source, say) by file name.
    instead : Kernel, optional
        Another one for this layer, to take where its code is there anyhow, for another layer, and this one's is not.
    """

    title: str
    headers: tuple[str, ...]
    call: str
    params: Params | None = None
    constants: Mapping[str, Constant] = field(default_factory=dict)
    scratch_bytes: int = 0
    in_place: tuple[int, ...] = ()
    overlap: Mapping[int, int] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    instead: Kernel | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer(ABC):
    """One step of the network.

    Attributes
    ----------
    name : str
        The network's own name for it, for messages and comments.
    operators : tuple of str
        The TFLite operators that it stands for, in order.
    inputs : tuple of int
        Tensors read, without the constants that the kernel packs for itself.
    outputs : tuple of int
        Tensors written.
    macs : int
        Multiply-accumulates of one run.
    """

    name: str
    operators: tuple[str, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    macs: int = 0

    def describe(self) -> str:
        """Return the parameters that a reader of ``model.c`` wants to see."""
        return ""

    @abstractmethod
    def plain(self) -> Kernel:
        """Return the portable C kernel, which serves every shape on every target."""
