"""Networks and an independent evaluation for the conversion tests; one TensorFlow serves them all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

Floats = npt.NDArray[np.float32]


class Functional(nn.Module):
    """A network whose forward is a plain function of itself and the image."""

    def __init__(self, function: Callable[[Any, torch.Tensor], Any], **modules: nn.Module) -> None:
        super().__init__()
        self.function = function
        for name, module in modules.items():
            setattr(self, name, module)

    def forward(self, images: torch.Tensor) -> Any:
        return self.function(self, images)


def randomised(network: nn.Module, seed: int = 0) -> nn.Module:
    """Return the network with BatchNorm statistics and scales as training leaves them, not 0 and 1."""
    random = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) and module.running_mean is not None:
            module.running_mean.normal_(0, 0.2, generator=random)
            module.running_var.uniform_(0.5, 1.5, generator=random)
            module.weight.data.uniform_(0.5, 1.5, generator=random)
            module.bias.data.normal_(0, 0.2, generator=random)
    return network.eval()


def reference_outputs(data: bytes, images: Floats) -> list[npt.NDArray[Any]]:
    """Run a .tflite on images NCHW with LiteRT's reference kernels; float32 in and out, channels first again."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(model_content=data, experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    interpreter.allocate_tensors()
    source, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    results = []
    for image in images:
        value = np.moveaxis(image, 0, -1)[None]
        if source["dtype"] == np.int8:
            scale, zero = source["quantization"]
            value = np.clip(np.rint(value / scale) + zero, -128, 127).astype(np.int8)
        interpreter.set_tensor(source["index"], np.ascontiguousarray(value))
        interpreter.invoke()
        result = interpreter.get_tensor(target["index"])
        if target["dtype"] == np.int8:
            scale, zero = target["quantization"]
            result = (result.astype(np.float32) - zero) * scale
        results.append(np.moveaxis(result, -1, 1) if result.ndim > 2 else result)
    return results


def torch_results(network: nn.Module, images: Floats) -> list[npt.NDArray[Any]]:
    """Run a network on one image at a time."""
    with torch.no_grad():
        return [network(torch.from_numpy(image[None])).numpy() for image in images]
