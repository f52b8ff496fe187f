// FULLY_CONNECTED on a Cortex-M4, for vectors so long that sums times 256 would outgrow 32 bits.
#ifndef FT_CM4_LONG_VECTORS_H
#define FT_CM4_LONG_VECTORS_H

#include "cm4_fully_connected.h"

typedef struct {
    int32_t rows, depth, outputs;  // vectors, their length, results of each
    int32_t groups, parts;         // groups of four in each part of a vector; parts
    int32_t skip, out_min, out_max;
} ft_cm4_long_vectors;

// Bytes of a part of the vector, parts, bytes of loop body to jump over, outputs in whole fours and those
// left over.
typedef struct {
    int32_t part_bytes, parts, skip, fours, rest;
} ft_parts;

// clang-format off
// A long vector comes in parts: times 4, those of the parts are added up.
// Stack: 0 x, 4 output, 8 its end, 12 the part's end, 16 where to enter the loop, 20 rows left over, 24 bytes of a part,
// 28 parts, 32 parts to go, 36..51 sums of the parts before.
#define FT_PART_START "ldr.w r6, [sp, #24]\n" "add r6, r0\n" "str.w r6, [sp, #12]\n"

static __attribute__((naked, noinline, unused)) void ft_rows_in_parts(
    const uint32_t *x __attribute__((unused)), const void *stream __attribute__((unused)),
    int8_t *out __attribute__((unused)), const ft_parts *parts __attribute__((unused))) {
    __asm volatile(
        "push.w {r4-r11, lr}\n"
        "sub sp, #52\n"
        "ldm.w r3, {r4-r8}\n"
        "adr.w r9, 2f\n"
        "add.w r9, r9, r6\n"
        "orr.w r9, r9, #1\n"
        "add.w r7, r7, r2\n"
        "strd r0, r2, [sp]\n"
        "str.w r7, [sp, #8]\n"
        "strd r9, r8, [sp, #16]\n"
        "strd r4, r5, [sp, #24]\n"
        "cmp r7, r2\n"
        "beq.w 5f\n"
        "1: ldr.w r7, [sp, #28]\n"
        "str.w r7, [sp, #32]\n"
        "3: ldm.w r1!, {r2-r5}\n"
        FT_PART_START
        "ldr.w pc, [sp, #16]\n"
        ".balign 4\n"
        "2:\n" FT_X8(FT_ROWS_HALF)
        "ldr.w r6, [sp, #12]\n"
        "cmp r0, r6\n"
        "bne.w 2b\n"
        "ldrd r6, r7, [sp, #28]\n"
        "asr.w r2, r2, #6\n"
        "asr.w r3, r3, #6\n"
        "asr.w r4, r4, #6\n"
        "asr.w r5, r5, #6\n"
        "add.w r8, sp, #36\n"
        "cmp r6, r7\n"
        "beq.n 4f\n"
        "ldm.w r8, {r9-r12}\n"
        "add r2, r9\n"
        "add r3, r10\n"
        "add r4, r11\n"
        "add r5, r12\n"
        "4: subs r7, #1\n"
        "ittt ne\n"
        "strne.w r7, [sp, #32]\n"
        "stmne.w r8, {r2-r5}\n"
        "bne.w 3b\n"
        "ldm.w r1!, {r6-r11}\n"
        FT_ROW_FULL("r2", "r6", "r7", "r8", "1")
        FT_ROW_FULL("r3", "r9", "r10", "r11", "1")
        "ldm.w r1!, {r6-r11}\n"
        FT_ROW_FULL("r4", "r6", "r7", "r8", "1")
        FT_ROW_FULL("r5", "r9", "r10", "r11", "1")
        "ldm.w sp, {r0, r6, r8}\n"
        "strb.w r2, [r6], #1\n"
        "strb.w r3, [r6], #1\n"
        "strb.w r4, [r6], #1\n"
        "strb.w r5, [r6], #1\n"
        "str.w r6, [sp, #4]\n"
        "cmp r6, r8\n"
        "bne.w 1b\n"
        "5: ldr.w r4, [sp, #20]\n"
        "cmp r4, #0\n"
        "beq.w 7f\n"
        "8: ldr.w r5, [sp, #28]\n"
        "movs r3, #0\n"
        "9: ldr.w r2, [r1], #4\n"
        "ldr.w r12, [sp, #24]\n"
        "add r12, r0\n"
        "6:\n" FT_ROWS_HALF_ONE
        "cmp r0, r12\n"
        "bne.n 6b\n"
        "add.w r3, r3, r2, asr #6\n"
        "subs r5, #1\n"
        "bne.n 9b\n"
        "ldm.w r1!, {r6-r8}\n"
        FT_ROW_FULL("r3", "r6", "r7", "r8", "1")
        "ldrd r0, r6, [sp]\n"
        "strb.w r3, [r6], #1\n"
        "str.w r6, [sp, #4]\n"
        "subs r4, #1\n"
        "bne.n 8b\n"
        "7: add sp, #52\n"
        "pop.w {r4-r11, pc}\n");
}
// clang-format on

FT_SELDOM void ft_cm4_long_vectors_s8(const ft_cm4_long_vectors *p, const void *stream, const int8_t *in,
                                      int8_t *out, void *scratch) {
    uint32_t *x = scratch;
    const ft_parts parts = {p->groups * 8, p->parts, p->skip, p->outputs & ~3, p->outputs & 3};
    for (int32_t row = 0; row < p->rows; row++, in += p->depth, out += p->outputs) {
        ft_cm4_run_half(in, x, p->depth / 4, p->depth % 4);
        ft_rows_in_parts(x, stream, out, &parts);
        if (p->out_min > INT8_MIN || p->out_max < INT8_MAX) {
            ft_cm4_clamp(out, p->outputs, p->out_min, p->out_max);
        }
    }
}

#endif
