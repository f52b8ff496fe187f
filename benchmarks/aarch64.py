"""Instructions and RAM of whole networks on the Cortex-A57 under QEMU, beside those of the plain kernels at -O3.

    python benchmarks/aarch64.py            print the table
    python benchmarks/aarch64.py --layers   and every layer
    python benchmarks/aarch64.py --update   and write the baseline that the tests compare with

Counts are exact and repeat; a Cortex-A57 does up to three instructions in a cycle, so they are not time.
"""

from __future__ import annotations

from pathlib import Path

from beside_plain import Benchmark

from tests.aarch64.measure import measure

BENCHMARK = Benchmark(__doc__, Path(__file__).with_name("baseline_aarch64.json"), measure)

if __name__ == "__main__":
    raise SystemExit(BENCHMARK.main())
