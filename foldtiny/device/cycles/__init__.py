"""Cycles of an inference, estimated from the code that a twin runs and the processor's timing table."""

from __future__ import annotations

from foldtiny.device.cycles.estimate import CycleEstimate, estimate, supports

__all__ = ["CycleEstimate", "estimate", "supports"]
