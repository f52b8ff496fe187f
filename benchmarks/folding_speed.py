"""How long folding takes: LeNet5 (shipped) and the zoo's ResNet50 of 23.5 million parameters with random weights.

    python benchmarks/folding_speed.py [--threads 2]

ResNet50 is folded for the 32x32 images that it is meant for, and for 56x56, where a pass costs 4.0 billion
multiply-accumulates, as much as ImageNet's ResNet50 for 224x224. The time is that of the whole call, tracing and
checking included. The budgets are 2 s and 60 s on two idle cores; with --check, missing them is an error.
"""

from __future__ import annotations

import argparse
import sys
import time

import torch
from torch import nn

import foldtiny.fold
from foldtiny import zoo
from foldtiny.zoo import checkpoint


def main() -> int:
    """Fold both and print the times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--check", action="store_true", help="exit with 1 where a budget is missed")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    lenet5 = checkpoint.load_model("default").module
    resnet50 = zoo.create("resnet50").eval()
    cases = (
        ("LeNet5", lenet5, (1, 1, 32, 32), 2.0),
        ("ResNet50 32x32", resnet50, (1, 3, 32, 32), 60.0),
        ("ResNet50 56x56", resnet50, (1, 3, 56, 56), 60.0),
    )
    late = False
    foldtiny.fold.fold(nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2)), torch.zeros(1, 4), sparsity=0.1)  # imports
    for name, model, shape, budget in cases:
        for method in ("combination", "ward"):
            began, spent = time.perf_counter(), time.process_time()
            report = foldtiny.fold.fold(model, torch.zeros(shape), sparsity=0.5, method=method).report
            seconds, processor = time.perf_counter() - began, time.process_time() - spent
            late |= seconds > budget
            sys.stdout.write(
                f"{name:14} {method:12} {report.parameters_dense:>11,} -> {report.parameters_folded:>11,} parameters: "
                f"{seconds:6.1f} s ({processor:.1f} s of processor time; budget {budget:g} s)\n"
            )
            sys.stdout.flush()
    return int(late and options.check)


if __name__ == "__main__":
    sys.exit(main())
