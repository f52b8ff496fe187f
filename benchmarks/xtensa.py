"""Instructions and RAM of whole networks on the simulated Xtensa core, beside those of the plain kernels.

    python benchmarks/xtensa.py            print the table
    python benchmarks/xtensa.py --layers   and every layer
    python benchmarks/xtensa.py --update   and write the baseline that the tests compare with

The simulated core is an LX106, not the ESP32's LX6: the counts compare kernels, they are not the ESP32's time.
"""

from __future__ import annotations

from pathlib import Path

from beside_plain import Benchmark

from tests.xtensa.measure import measure

BENCHMARK = Benchmark(__doc__, Path(__file__).with_name("baseline_xtensa.json"), measure, goal=4.0)

if __name__ == "__main__":
    raise SystemExit(BENCHMARK.main())
