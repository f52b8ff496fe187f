"""The cycle estimate on code that was counted by hand, and on the firmware of a board."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from foldtiny import boards, reference
from foldtiny.aot import compile_tflite
from foldtiny.device import build
from foldtiny.device.cycles import blocks, estimate
from foldtiny.device.cycles.estimate import ASSUMPTIONS, MODEL, total
from foldtiny.device.cycles.program import Program
from foldtiny.device.measure import measure
from foldtiny.errors import MeasureError
from foldtiny.project import render
from tests.cortex_m4 import networks, simulator

pytestmark = pytest.mark.skipif(not simulator.AVAILABLE, reason="needs gcc-arm-none-eabi and qemu-system-arm")


def _bare_image(folder: Path) -> Path:
    return simulator.build(folder, "../estimate/program.c")


def test_every_instruction_and_taken_branch_of_one_call_is_counted(tmp_path: Path) -> None:
    elf, out = _bare_image(tmp_path), tmp_path / "blocks"
    program = Program(elf)
    command = ["qemu-system-arm", "-M", "mps2-an386", "-display", "none", "-monitor", "none", "-semihosting"]
    command += ["-serial", "null", "-kernel", str(elf), "-plugin", blocks.plugin(program, out)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, timeout=60)
    counted = blocks.read(out)
    instructions, low, high = total(program, counted.blocks)
    # push, movs, mov, adr, ldrd; 100 times ldr, ldr, subs, bne; movs, udiv, cbz, adds, pop, bx
    assert instructions == 5 + 400 + 6
    # ldrd reads two words from flash, every second ldr one; the others and pop read from RAM.
    assert counted.flash_reads == 2 + 100
    # bne is taken 99 times, bx once; cbz is not.
    assert sum(block.taken for block in counted.blocks) == 100
    # push 3, movs 1, mov 1, adr 1, ldrd 3; 2 + 1 + 1 + 1 in the loop; movs 1, udiv 2 to 12, cbz 1, adds 1, pop 3, bx 1;
    # a taken branch adds 1 to 3. ldrd follows an adr of its address: 0 or 1 more.
    assert low == 9 + 100 * 5 + (1 + 2 + 1 + 1 + 3 + 1) + 100 * 1
    assert high == 9 + 100 * 5 + 1 + (1 + 12 + 1 + 1 + 3 + 1) + 100 * 3


def test_returns_are_found_where_the_disassembler_sees_calls(tmp_path: Path) -> None:
    elf = _bare_image(tmp_path)
    listing = subprocess.run(["arm-none-eabi-objdump", "-d", str(elf)], capture_output=True, text=True, check=True)
    calls = [line for line in listing.stdout.splitlines() if "\tbl\t" in line and "<model_invoke>" in line]
    assert len(calls) == 2
    assert Program(elf).returns_from("model_invoke") == [int(line.split(":")[0], 16) + 4 for line in calls]


@pytest.mark.slow
def test_a_boards_firmware_is_estimated_beside_its_instruction_count(tmp_path: Path) -> None:
    board = boards.get("nano33ble")
    data = networks.lenet5()
    compiled = compile_tflite(data, target=board.target)
    project = render(board, compiled, data, tmp_path / "project", title="LeNet5")
    firmware = build.build(project, str(project.environments["simulated"]))
    samples = reference.random_inputs(data, 1, seed=1)
    measured = measure(board, firmware, samples, reference.outputs(data, samples), model_hash=compiled.model_hash)
    found = estimate(board, firmware.elf, [array.tobytes() for array in samples[0]])
    assert measured.matching == 1
    # The port's timer ticks every 40 instructions, and reading it costs a few.
    assert abs(found.instructions - measured.latency.median) < 200
    assert found.instructions < found.cycles_low < found.cycles_high < 2.5 * found.instructions
    assert found.ms_low == pytest.approx(found.cycles_low / 64_000)
    # Every byte of the weights is read, four at a time at most.
    assert found.flash_reads > sum(layer.constant_bytes for layer in compiled.layers) / 4
    assert found.wait_cycles_high == 3 * found.flash_reads
    assert found.ms_high == pytest.approx((found.cycles_high + found.wait_cycles_high) / 64_000)
    assert (found.model, found.assumptions[:-1]) == (MODEL, ASSUMPTIONS)
    assert found.assumptions[-1].startswith("a constant read from flash waits 0 to 3 cycles (nRF52840")


def test_a_board_without_a_timing_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MeasureError) as caught:
        estimate(boards.get("esp-eye"), tmp_path / "firmware.elf", [])
    assert str(caught.value) == (
        "esp-eye: there is no cycle estimate for Xtensa LX6 (allowed: ARM Cortex-M4F); "
        "take the instruction count instead"
    )
