"""The ``tflm`` runtime: the .tflite file as it is, run by TFLite Micro's interpreter."""

from __future__ import annotations

from foldtiny.project.tflm.library import LIBRARIES, Library
from foldtiny.project.tflm.model import InterpretedModel, interpret
from foldtiny.project.tflm.source import SourceTree, read_tree

__all__ = ["LIBRARIES", "InterpretedModel", "Library", "SourceTree", "interpret", "read_tree"]
