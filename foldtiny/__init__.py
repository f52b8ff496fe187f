"""foldtiny: fold a trained network, quantise it, compile it to C and run it on a microcontroller."""

from __future__ import annotations

__version__ = "0.1.0"
