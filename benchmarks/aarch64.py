"""Instructions and RAM of whole networks on the Cortex-A57 under QEMU, beside those of the plain kernels at -O3.

    python benchmarks/aarch64.py            print the table
    python benchmarks/aarch64.py --layers   and every layer
    python benchmarks/aarch64.py --update   and write the baseline that the tests compare with

Counts are exact and repeat; a Cortex-A57 does up to three instructions in a cycle, so they are not time.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from tests.aarch64.measure import Figures, measure  # noqa: E402
from tests.cortex_m4 import networks  # noqa: E402

BASELINE = HERE / "baseline_aarch64.json"


def main() -> int:
    """Measure, print, and update the baseline on request."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", action="store_true", help="print every layer")
    parser.add_argument("--update", action="store_true", help=f"write {BASELINE.name}")
    arguments = parser.parse_args()
    baseline = {}
    print("network  optimize  instructions        plain  fewer  i/MAC  RAM bytes  constants  equals TFLite Micro")
    for name in networks.NAMES:
        for optimize in ("size", "speed"):
            with tempfile.TemporaryDirectory(prefix="foldtiny-bench-") as folder:
                figures = measure(Path(folder) / "aarch64", name, optimize)
                plain = measure(Path(folder) / "plain", name, optimize, "portable")
            if figures is None or plain is None:
                print(f"{name:8} {optimize:8}  (file missing; set FOLDTINY_MODELS to the folder that holds it)")
                continue
            _print(name, optimize, figures, plain, arguments.layers)
            baseline[f"{name} {optimize}"] = {"instructions": figures.instructions, "ram_bytes": figures.ram_bytes}
    if arguments.update:
        BASELINE.write_text(json.dumps(baseline, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return 0


def _print(name: str, optimize: str, f: Figures, plain: Figures, layers: bool) -> None:
    print(
        f"{name:8} {optimize:8} {f.instructions:13,} {plain.instructions:12,} "
        f"{plain.instructions / f.instructions:5.2f}x "
        f"{f.instructions / f.macs:6.2f} {f.ram_bytes:10,} {f.constant_bytes:10,}"
        f"  {'yes' if f.exact else 'NO'}"
    )
    if layers:
        for operators, kernel, macs, count in f.layers:
            per_mac = f"{count / macs:6.2f}" if macs else "      "
            print(f"    {operators:28} {count:10,} {per_mac}  {kernel}")


if __name__ == "__main__":
    raise SystemExit(main())
