"""Small networks of the families that users bring: bottlenecks, inverted residuals, dense blocks."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from tests.fold.nets import Residual


def norm_unit(
    inputs: int, outputs: int, kernel: int, *, groups: int = 1, act: type[nn.Module] | None = nn.ReLU
) -> nn.Module:
    layers: list[nn.Module] = [nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, groups=groups, bias=False)]
    layers.append(nn.BatchNorm2d(outputs))
    return nn.Sequential(*layers, *([act()] if act else []))


def resnet50_like() -> nn.Module:
    """Bottlenecks with projection shortcuts, as in ResNet50."""

    class Projected(nn.Module):
        def __init__(self, inputs: int, middle: int) -> None:
            super().__init__()
            self.body = bottleneck(inputs, middle)
            self.shortcut = norm_unit(inputs, 4 * middle, 1, act=None)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return F.relu(self.body(x) + self.shortcut(x))

    def bottleneck(inputs: int, middle: int) -> nn.Module:
        first, second = norm_unit(inputs, middle, 1), norm_unit(middle, middle, 3)
        return nn.Sequential(first, second, norm_unit(middle, 4 * middle, 1, act=None))

    blocks = [Projected(6, 4), Residual(bottleneck(16, 4)), Projected(16, 5), Residual(bottleneck(20, 5))]
    return nn.Sequential(norm_unit(2, 6, 3), *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(20, 3))


class _Added(nn.Module):
    """A shortcut without an activation after it (a linear bottleneck)."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.body(x)


def mobilenet_v2_like() -> nn.Module:
    """Inverted residuals: expansion, depthwise convolution, linear projection, ReLU6."""

    def inverted(inputs: int, outputs: int) -> nn.Module:
        wide = 3 * inputs
        expand, spatial = norm_unit(inputs, wide, 1, act=nn.ReLU6), norm_unit(wide, wide, 3, groups=wide, act=nn.ReLU6)
        return nn.Sequential(expand, spatial, norm_unit(wide, outputs, 1, act=None))

    body = [norm_unit(2, 6, 3, act=nn.ReLU6), inverted(6, 8), _Added(inverted(8, 8)), norm_unit(8, 12, 1, act=nn.ReLU6)]
    return nn.Sequential(*body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(12, 3))


def densenet_like() -> nn.Module:
    """Dense blocks: BatchNorm and ReLU before each convolution, every output concatenated to all before it."""

    def grow(inputs: int) -> nn.Module:
        squeeze = [nn.BatchNorm2d(inputs), nn.ReLU(), nn.Conv2d(inputs, 8, 1, bias=False)]
        return nn.Sequential(*squeeze, nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 4, 3, padding=1, bias=False))

    transition = [nn.BatchNorm2d(14), nn.ReLU(), nn.Conv2d(14, 7, 1, bias=False), nn.AvgPool2d(2)]
    blocks = [
        Residual(grow(6), concat=True),
        Residual(grow(10), concat=True),
        *transition,
        Residual(grow(7), concat=True),
    ]
    head = [nn.BatchNorm2d(11), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(11, 3)]
    return nn.Sequential(nn.Conv2d(2, 6, 3, padding=1, bias=False), *blocks, *head)


FAMILIES = {"resnet50": resnet50_like, "mobilenet-v2": mobilenet_v2_like, "densenet": densenet_like}
