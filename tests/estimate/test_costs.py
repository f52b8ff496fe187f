"""Costs of Cortex-M4 instructions, held against the Technical Reference Manual's table and examples."""

from __future__ import annotations

import pytest

from foldtiny.device.cycles.cortex_m4 import Instruction, block_cycles


def _block(text: str) -> list[Instruction]:
    lines = [line.strip().partition(" ") for line in text.split(";")]
    return [Instruction(2 * i, mnemonic, operands) for i, (mnemonic, _, operands) in enumerate(lines)]


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("adds r0, #1", 1, 1),
        ("smlad r0, r1, r2, r3", 1, 1),
        ("mul r0, r1, r2", 1, 1),
        ("ssat r0, #8, r1, asr #4", 1, 1),
        ("sdiv r0, r1, r2", 2, 12),
        ("udiv r0, r1, r2", 2, 12),
        ("ldr r0, [r1]", 2, 2),
        ("ldrsb.w r0, [r1, #4]", 2, 2),
        ("ldreq r0, [r1]", 2, 2),
        ("strb r0, [r1], #1", 1, 1),
        ("ldrd r0, r1, [r2]", 3, 3),
        ("ldm r0!, {r1, r2, r3, r4}", 5, 5),
        ("stm r0!, {r1, r2}", 3, 3),
        ("push {r4, r5, lr}", 4, 4),
        ("pop.w {r4, r5, r6, pc}", 5, 5),
        ("vldmia r0!, {s0, s1}", 3, 3),
        ("vpush {d8, d9}", 5, 5),
        ("vldr s0, [r0]", 2, 2),
        ("vmla.f32 s0, s1, s2", 3, 3),
        ("vdiv.f32 s0, s1, s2", 14, 14),
        ("vmov r0, r1, s0, s1", 2, 2),
        ("vmov s0, r0", 1, 1),
        ("it eq", 0, 1),
        ("bne #0x10", 1, 1),
    ],
)
def test_single_instructions(text: str, low: int, high: int) -> None:
    assert block_cycles(_block(text)) == (low, high)


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        # 3.3.3: loads are pipelined when possible, and one cycle is removed from each after the first.
        ("ldr r0, [r1]; ldr r2, [r3]; ldrb r4, [r5]", 4, 4),
        # "LDR R0,[R1]; LDR R1,[R0]": the second needs what the first loads.
        ("ldr r0, [r1]; ldr r1, [r0]", 4, 4),
        # Nothing is pipelined with LDRD or LDM.
        ("ldr r0, [r1]; ldrd r2, r3, [r4]", 5, 5),
        ("ldm r0, {r1, r2}; ldr r3, [r4]", 5, 5),
        # A load after a store pays in full.
        ("str r0, [r1]; ldr r2, [r3]", 3, 3),
        # An address out of the instruction before is not forwarded.
        ("add r1, r2, r3; ldr r0, [r1]", 3, 4),
        ("add r1, r2, r3; ldr r0, [r4]", 3, 3),
    ],
)
def test_neighbours(text: str, low: int, high: int) -> None:
    assert block_cycles(_block(text)) == (low, high)
