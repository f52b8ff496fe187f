"""Giving a network the widths of stored weights, so that a folded network can be loaded again.

A checkpoint stores which network it is and the weights. The code of the network knows only the dense widths; the stored
shapes say what folding made of them.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d)
_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


def resize(model: nn.Module, state: Mapping[str, torch.Tensor]) -> None:
    """Give every convolution, linear layer and BatchNorm of ``model`` the shapes in ``state``, in place.

    A convolution or linear layer gains or loses its bias as stored. A BatchNorm of which nothing is stored was fused
    into its convolution, and becomes the identity. The values are not copied; anything else is left alone, for
    ``load_state_dict`` to complain about.

    Parameters
    ----------
    model : nn.Module
        The dense network.
    state : Mapping[str, torch.Tensor]
        What ``state_dict`` returned for the folded one.
    """
    for name, module in list(model.named_modules()):
        prefix = f"{name}." if name else ""
        stored = {key: state.get(prefix + key) for key in ("weight", "bias", "running_mean", "running_var")}
        if isinstance(module, _BATCH_NORMS):
            if all(tensor is None for tensor in stored.values()):
                if name:
                    model.set_submodule(name, nn.Identity())
                continue
            _resize_batch_norm(module, stored)
        elif isinstance(module, _CONVOLUTIONS):
            _resize_convolution(module, stored)
        elif isinstance(module, nn.Linear):
            _resize_linear(module, stored)


def _resize_convolution(module: nn.Conv1d | nn.Conv2d, stored: Mapping[str, torch.Tensor | None]) -> None:
    weight = stored["weight"]
    if weight is None or weight.ndim != module.weight.ndim:
        return
    outputs, inputs = weight.shape[:2]
    if module.groups > 1 and module.groups == module.in_channels:
        # Depthwise: each group is one channel, so folding changes the number of groups.
        multiplier = module.out_channels // module.in_channels
        module.groups = module.in_channels = max(1, outputs // multiplier)
    else:
        module.in_channels = inputs * module.groups
    module.out_channels = outputs
    _replace_weight_and_bias(module, weight, stored["bias"])


def _resize_linear(module: nn.Linear, stored: Mapping[str, torch.Tensor | None]) -> None:
    weight = stored["weight"]
    if weight is None or weight.ndim != 2:
        return
    module.out_features, module.in_features = weight.shape
    _replace_weight_and_bias(module, weight, stored["bias"])


def _replace_weight_and_bias(
    module: nn.Conv1d | nn.Conv2d | nn.Linear, weight: torch.Tensor, bias: torch.Tensor | None
) -> None:
    module.weight = nn.Parameter(torch.empty_like(weight, device=module.weight.device))
    module.bias = None if bias is None else nn.Parameter(torch.empty_like(bias, device=module.weight.device))


def _resize_batch_norm(module: nn.BatchNorm1d | nn.BatchNorm2d, stored: Mapping[str, torch.Tensor | None]) -> None:
    for key, tensor in stored.items():
        current = getattr(module, key)
        if tensor is None or current is None or tensor.ndim != 1:
            continue
        module.num_features = len(tensor)
        fresh = torch.empty_like(tensor, device=current.device)
        setattr(module, key, nn.Parameter(fresh) if isinstance(current, nn.Parameter) else fresh)
