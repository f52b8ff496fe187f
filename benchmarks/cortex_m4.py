"""Instructions, RAM and flash of whole networks on the simulated Cortex-M4, with the goals beside them.

    python benchmarks/cortex_m4.py            print the table
    python benchmarks/cortex_m4.py --layers   and every layer
    python benchmarks/cortex_m4.py --update   and write the baseline that the tests compare with

Instructions are counted by QEMU (``-icount shift=0``) and repeat exactly for one compiler; they are not cycles.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from tests.cortex_m4.measure import Figures, measure  # noqa: E402

BASELINE = HERE / "baseline_cortex_m4.json"

GOALS = {
    ("lenet5", "size"): (2.5, 6.0),
    ("lenet5", "speed"): (2.1, None),
    ("resnet8", "size"): (10.5, 36.0),
    ("resnet8", "speed"): (9.2, None),
    ("ds-cnn", "size"): (2.9, 16.0),
    ("ds-cnn", "speed"): (2.5, None),
    ("mobilenet-v1", "size"): (7.5, 55.0),
    ("mobilenet-v1", "speed"): (6.8, None),
    ("autoencoder", "size"): (0.24, 1.2),
    ("autoencoder", "speed"): (0.20, None),
}
"""Millions of instructions and KiB of RAM for one inference."""


def main() -> int:
    """Measure, print, and update the baseline on request."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", action="store_true", help="print every layer")
    parser.add_argument("--update", action="store_true", help=f"write {BASELINE.name}")
    arguments = parser.parse_args()
    baseline = json.loads(BASELINE.read_text(encoding="utf-8")) if BASELINE.exists() else {}
    print("network  optimize  instructions    goal  i/MAC  RAM bytes   goal   weights  engine  equals TFLite Micro")
    for (name, optimize), goals in GOALS.items():
        with tempfile.TemporaryDirectory(prefix="foldtiny-bench-") as folder:
            figures = measure(Path(folder), name, optimize)
        if figures is None:
            print(f"{name:8} {optimize:8}  (file missing; set FOLDTINY_MODELS to the folder that holds it)")
            continue
        _print(name, optimize, figures, goals, arguments.layers)
        baseline[f"{name} {optimize}"] = {"instructions": figures.instructions, "ram_bytes": figures.ram_bytes}
    if arguments.update:
        BASELINE.write_text(json.dumps(baseline, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return 0


def _print(name: str, optimize: str, f: Figures, goals: tuple[float, float | None], layers: bool) -> None:
    ram_goal = f"{goals[1]:.0f} KiB" if goals[1] else ""
    print(
        f"{name:8} {optimize:8} {f.instructions:13,} {goals[0]:5.1f} M  {f.instructions / f.macs:5.3f} "
        f"{f.ram_bytes:10,} {ram_goal:>6} {f.weights_bytes:9,} {f.engine_bytes:7,}  {'yes' if f.exact else 'NO'}"
    )
    if layers:
        for operators, kernel, macs, count in f.layers:
            per_mac = f"{count / macs:6.3f}" if macs else "      "
            print(f"    {operators:28} {count:10,} {per_mac}  {kernel}")


if __name__ == "__main__":
    raise SystemExit(main())
