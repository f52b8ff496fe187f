"""The results of a conversion."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ConvertReport:
    """What was checked while converting.

    Attributes
    ----------
    calibration : str
        Which images set the int8 ranges and served for the checks.
    operators : tuple[str, ...]
        The operators of the .tflite file, each once, in the order of first use.
    max_abs_difference : float
        Largest absolute difference between an output of torch and of the float32 .tflite file.
    relative_difference : float
        The same, divided by the largest absolute output of torch.
    agreement : float
        Fraction of the images whose top-1 class is the same in torch and in the .tflite file handed out.
    images : int
        How many images these figures come from.
    """

    calibration: str
    operators: tuple[str, ...]
    max_abs_difference: float
    relative_difference: float
    agreement: float
    images: int

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain JSON types."""
        return {**asdict(self), "operators": list(self.operators)}


@dataclass(frozen=True, slots=True)
class TfliteModel:
    """A .tflite file that passed its checks.

    Attributes
    ----------
    data : bytes
        The file. Batch 1; feature maps are channels last (NHWC).
    precision : str
        ``int8`` (int8 input and output) or ``float32``.
    report : ConvertReport
        What was checked.
    """

    data: bytes
    precision: str
    report: ConvertReport
