"""The stages in order: from a trained network, or any .tflite file, to a measured board.

This package is the only place that knows the whole way. Each stage is a plain function of the stage before; what a
stage wrote is reused while nothing that it depends on has changed (see ``foldtiny.stages``).
"""

from __future__ import annotations

from foldtiny.pipeline.deploy import deploy
from foldtiny.pipeline.limits import Limits
from foldtiny.pipeline.request import PRECISIONS, RUNTIMES, DeployRequest, FoldOptions

__all__ = ["PRECISIONS", "RUNTIMES", "DeployRequest", "FoldOptions", "Limits", "deploy"]
