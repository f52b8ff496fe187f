"""How long folding takes: LeNet5 (shipped) and a ResNet50 of 25.6 million parameters with random weights.

    python benchmarks/folding_speed.py [--threads 2]

The time is that of the whole call, tracing and checking included. The budgets are 2 s and 60 s on two idle cores; with
--check, missing them is an error.
"""

from __future__ import annotations

import argparse
import sys
import time

import torch
from torch import nn

import foldtiny.fold
from foldtiny.zoo import checkpoint


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions with a shortcut."""

    def __init__(self, inputs: int, middle: int, stride: int) -> None:
        super().__init__()
        outputs = 4 * middle
        self.body = nn.Sequential(
            *(nn.Conv2d(inputs, middle, 1, bias=False), nn.BatchNorm2d(middle), nn.ReLU()),
            *(nn.Conv2d(middle, middle, 3, stride, 1, bias=False), nn.BatchNorm2d(middle), nn.ReLU()),
            *(nn.Conv2d(middle, outputs, 1, bias=False), nn.BatchNorm2d(outputs)),
        )
        same = inputs == outputs and stride == 1
        conv = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
        self.shortcut = nn.Identity() if same else nn.Sequential(conv, nn.BatchNorm2d(outputs))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return ``relu(body + shortcut)``."""
        return torch.relu(self.body(features) + self.shortcut(features))


def resnet50() -> nn.Sequential:
    """Return a ResNet50 for 224x224 images and 1,000 classes."""
    layers: list[nn.Module] = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU()]
    layers.append(nn.MaxPool2d(3, 2, 1))
    width = 64
    for middle, count, stride in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
        for number in range(count):
            layers.append(Bottleneck(width, middle, 1 if number else stride))
            width = 4 * middle
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 1000)).eval()


def main() -> int:
    """Fold both and print the times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--check", action="store_true", help="exit with 1 where a budget is missed")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    lenet5 = checkpoint.load_model("default").module
    cases = (("LeNet5", lenet5, (1, 1, 32, 32), 2.0), ("ResNet50", resnet50(), (1, 3, 224, 224), 60.0))
    late = False
    foldtiny.fold.fold(nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2)), torch.zeros(1, 4), sparsity=0.1)  # imports
    for name, model, shape, budget in cases:
        for method in ("combination", "ward"):
            began, spent = time.perf_counter(), time.process_time()
            report = foldtiny.fold.fold(model, torch.zeros(shape), sparsity=0.5, method=method).report
            seconds, processor = time.perf_counter() - began, time.process_time() - spent
            late |= seconds > budget
            sys.stdout.write(
                f"{name:9} {method:12} {report.parameters_dense:>11,} -> {report.parameters_folded:>11,} parameters: "
                f"{seconds:6.1f} s ({processor:.1f} s of processor time; budget {budget:g} s)\n"
            )
            sys.stdout.flush()
    return int(late and options.check)


if __name__ == "__main__":
    sys.exit(main())
