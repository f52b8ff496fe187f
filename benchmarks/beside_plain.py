"""What the benchmarks of the Xtensa and aarch64 kernels share: whole networks, beside the plain kernels."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.cortex_m4 import networks
from tests.kernels.inference import Figures


class Measure(Protocol):
    """``measure`` of ``tests/xtensa`` and ``tests/aarch64``."""

    def __call__(self, folder: Path, name: str, optimize: str, target: str = ..., /) -> Figures | None:
        """Compile, run and compare one network."""


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One target's benchmark; ``goal`` is how many times fewer instructions than the plain kernels it aims at."""

    description: str
    baseline: Path
    measure: Measure
    goal: float | None = None

    def main(self, arguments: Sequence[str] | None = None) -> int:
        """Measure, print, and update the baseline on request; ``arguments`` default to the command line's."""
        parser = argparse.ArgumentParser(
            description=self.description, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        parser.add_argument("--layers", action="store_true", help="print every layer")
        parser.add_argument("--update", action="store_true", help=f"write {self.baseline.name}")
        options = parser.parse_args(arguments)
        found = {}
        print(
            "network      optimize  instructions        plain  fewer  goal  i/MAC  RAM bytes  constants  "
            "equals TFLite Micro"
        )
        for name in networks.NAMES:
            for optimize in ("size", "speed"):
                with tempfile.TemporaryDirectory(prefix="foldtiny-bench-") as folder:
                    figures = self.measure(Path(folder) / "own", name, optimize)
                    plain = self.measure(Path(folder) / "plain", name, optimize, "portable")
                if figures is None or plain is None:
                    print(f"{name:12} {optimize:8}  (file missing; set FOLDTINY_MODELS to the folder that holds it)")
                    continue
                self._print(name, optimize, figures, plain, options.layers)
                found[f"{name} {optimize}"] = {"instructions": figures.instructions, "ram_bytes": figures.ram_bytes}
        if options.update:
            self.baseline.write_text(json.dumps(found, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        return 0

    def _print(self, name: str, optimize: str, f: Figures, plain: Figures, layers: bool) -> None:
        goal = "" if self.goal is None else f"{self.goal:.1f}x"
        print(
            f"{name:12} {optimize:8} {f.instructions:13,} {plain.instructions:12,} "
            f"{plain.instructions / f.instructions:5.2f}x {goal:>5} "
            f"{f.instructions / f.macs:6.2f} {f.ram_bytes:10,} {f.constant_bytes:10,}"
            f"  {'yes' if f.exact else 'NO'}"
        )
        if layers:
            for operators, kernel, macs, count in f.layers:
                per_mac = f"{count / macs:6.2f}" if macs else "      "
                print(f"    {operators:28} {count:10,} {per_mac}  {kernel}")
