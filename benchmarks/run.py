"""Everything that is counted, with the goals beside it; `make bench` runs this.

    python benchmarks/run.py            print the tables
    python benchmarks/run.py --update   and write the baselines that the tests compare with

Cortex-M4: instructions of one inference on the simulated board, planned RAM, and cycles estimated by the timing table
without wait states. Xtensa and aarch64: instructions beside those of the plain C kernels. No time here is measured.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE)]

import aarch64  # noqa: E402
import cortex_m4  # noqa: E402
import xtensa  # noqa: E402

from foldtiny.device.cycles.estimate import total  # noqa: E402
from foldtiny.device.cycles.program import Program  # noqa: E402
from tests.cortex_m4.measure import measure  # noqa: E402
from tests.estimate.bare import counts  # noqa: E402

CYCLE_GOALS = {"resnet8": 15.5, "mobilenet-v1": 10.0, "ds-cnn": 4.6, "autoencoder": 0.38}
"""Millions of estimated cycles at zero wait states, for ``speed``."""

PUBLISHED = {"resnet8": 20.1, "mobilenet-v1": 11.85, "ds-cnn": 5.73, "autoencoder": 0.486}
"""Millions of cycles of the fastest MLPerf Tiny v1.1 result on a Cortex-M4 (NUCLEO-L4R5ZI, 120 MHz): measured, with
another compiler, and with trained weights."""


TFLM = {"lenet5": 7.08, "resnet8": 29.86, "ds-cnn": 7.70, "mobilenet-v1": 24.1, "autoencoder": 0.583}
"""Millions of instructions of TFLite Micro with CMSIS-NN on the same simulator, for models of these shapes."""


def main() -> int:
    """Measure, print, and update the baselines on request."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--update", action="store_true", help="write the baselines")
    update = parser.parse_args().update
    print("Cortex-M4 (simulated, one inference)")
    found = _cortex_m4()
    if update:
        text = json.dumps(found, indent=2, sort_keys=True) + "\n"
        cortex_m4.BASELINE.write_text(text, encoding="utf-8")
    for title, module in (("Xtensa LX106 (simulated)", xtensa), ("Cortex-A57 (QEMU)", aarch64)):
        print(f"\n{title}")
        module.BENCHMARK.main(["--update"] if update else [])
    return 0


def _cortex_m4() -> dict[str, dict[str, int]]:
    print(
        "network      optimize  M instructions   goal  TFLM+CMSIS  RAM bytes    goal  M cycles (estimated)   goal"
        "  published  M flash reads  engine B  exact"
    )
    found = {}
    for (name, optimize), (goal, ram_goal) in cortex_m4.GOALS.items():
        with tempfile.TemporaryDirectory(prefix="foldtiny-bench-") as folder:
            figures = measure(Path(folder), name, optimize)
            if figures is None:
                print(f"{name:12} {optimize:8}  (file missing; set FOLDTINY_MODELS to the folder that holds it)")
                continue
            elf = Path(folder) / "plain" / "image.elf"
            counted = counts(elf)
            reads = counted.flash_reads / 1e6
            _, low, high = total(Program(elf), counted.blocks)
        found[f"{name} {optimize}"] = {"instructions": figures.instructions, "ram_bytes": figures.ram_bytes}
        cycle_goal = CYCLE_GOALS.get(name) if optimize == "speed" else None
        print(
            f"{name:12} {optimize:8} {figures.instructions / 1e6:15.3f} {goal:6.2f} {TFLM[name]:11.3f} "
            f"{figures.ram_bytes:10,} {_number(ram_goal, ' KiB'):>7} {low / 1e6:12.3f} – {high / 1e6:5.3f} "
            f"{_number(cycle_goal):>6} {_number(PUBLISHED.get(name)):>10} {reads:14.3f} {figures.engine_bytes:9,}  "
            f"{'yes' if figures.exact else 'NO'}"
        )
    return found


def _number(value: float | None, unit: str = "") -> str:
    return "" if value is None else f"{value:g}{unit}"


if __name__ == "__main__":
    raise SystemExit(main())
