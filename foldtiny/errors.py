"""Every error a user can cause, as one tree.

An error states a fact (``message``: the subject, what was found, what is allowed) and the way out (``hint``).
The command line prints both and exits with ``exit_code``; nothing else turns exceptions into text.
"""

from __future__ import annotations


class FoldtinyError(Exception):
    """A failure that the user can understand and mend.

    Parameters
    ----------
    message : str
        What is wrong: subject, what was found, what was expected.
    hint : str, optional
        What to do about it.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}" if self.hint else self.message


class UsageError(FoldtinyError):
    """A wrong option or argument (exit code 2)."""

    exit_code = 2


class DataError(FoldtinyError):
    """Images, labels or a checkpoint that cannot be read."""


class TrainError(FoldtinyError):
    """Training cannot start or go on."""


class FoldError(FoldtinyError):
    """A network that cannot be folded as asked."""


class ConvertError(FoldtinyError):
    """A network that cannot be turned into a .tflite file."""


class CompileError(FoldtinyError):
    """A .tflite file that cannot be compiled to C."""


class ProjectError(FoldtinyError):
    """A PlatformIO project that cannot be written."""


class BuildError(FoldtinyError):
    """Firmware that does not build or does not fit."""


class FlashError(FoldtinyError):
    """Firmware that cannot be put on the board."""


class LinkError(FoldtinyError):
    """A board that does not answer, or answers wrongly."""


class MeasureError(FoldtinyError):
    """A measurement that cannot be trusted."""


def reason(error: OSError) -> str:
    """Return the system's own words for a failure, as part of a sentence."""
    return (error.strerror or str(error)).lower()
