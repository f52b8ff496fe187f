"""The paper's figures stand in one file, as printed."""

from __future__ import annotations

import pytest

from foldtiny import boards, paper

# Typed from the poster's Table 2, "Performance and resource usage at various sparsity levels across devices".
PRINTED = """
jetson-nano 2ms 59.5K 3.4M 2ms 55.7K 2.8M 1ms 48.0K 1.9M 1ms 36.5K 1.2M
esp-eye 2591ms 59.5K 3.4M 1868ms 55.7K 2.8M 1532ms 48.0K 1.9M 1186ms 36.5K 1.2M
nano33ble 6831ms 59.5K 3.4M 3726ms 55.7K 2.8M 4218ms 48.0K 1.9M 2969ms 36.5K 1.2M
"""


def test_every_printed_figure() -> None:
    found = paper.table2()
    for line in PRINTED.strip().splitlines():
        board, *printed = line.split()
        ours = [
            text
            for sparsity in (0.1, 0.25, 0.5, 0.7)
            for cell in (found.cells[board, sparsity],)
            for text in (f"{cell.ms:g}ms", f"{cell.ram_k:.1f}K", f"{cell.flash_m:.1f}M")
        ]
        assert ours == printed
    assert len(found.cells) == 12
    assert "ICLR 2025" in found.citation and "Forget the Data" in found.citation


@pytest.mark.parametrize("name", paper.table2().boards)
def test_its_boards_are_ours(name: str) -> None:
    assert boards.get(name).name == name
