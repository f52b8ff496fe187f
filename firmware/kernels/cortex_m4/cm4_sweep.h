// The inner routines of depthwise 3x3 convolutions on a Cortex-M4.
//
// Inputs of two neighbouring lines travel as pairs of int16, so that SMLAD does two taps. An output on line
// 2j needs pair j (its taps 0 and 1) and the first half of pair j + 1 (tap 2); one on line 2j + 1 the second
// half of pair j and all of pair j + 1. A sweep runs along both lines with all weights in registers; its sums
// go where pairs are done with, and are rescaled together.
//
// A column of the buffer holds, for each of four channels, a free word and four pairs. The sums of lines 2j
// and 2j + 1 go to the word before pair j (which the lines before have done with) and to that of pair j, in
// the column of the window's middle.
#ifndef FT_CM4_SWEEP_H
#define FT_CM4_SWEEP_H

#include "cm4_pairs.h"

// Outputs in the unrolled loops, and the bytes of code of one: with stride 1, and 2.
enum { FT_SWEEP_STEPS = 6, FT_SWEEP_ONE_BYTES = 60, FT_SWEEP_TWO_BYTES = 36 };

// Bytes of unrolled code to jump over the first time, of the columns up to the last, from the first output
// line of a sweep to the next sweep's and from output to output; sweeps to do; bytes from a sweep's first
// line to its second, and from the last sweep's (0 if that has one line only).
typedef struct {
    int32_t skip, x_bytes, next, step, sweeps, line_step, last_line_step;
    int32_t entry;          // into the rescaling: outputs less one modulo 4 plus 1, but 0 for a single one
    int32_t channel_bytes;  // of constants for each channel
} ft_sweep;

// Computes four channels; `channel` points to the first one's ft_sweep_channel.
typedef void (*ft_sweep_routine)(const uint32_t *x, int8_t *out, const int32_t *channel, const ft_sweep *s);

// clang-format off
// r8 r9 r10, r11 r12 lr: upper and lower weights of columns 0, 1, 2; r1: bias; r6, r7: pairs j and j + 1.
// Sums of the even line: r3 lacks this column, r2 this and the next; of the odd line: r5 and r4.
#define FT_SWEEP_LOAD "ldrd r6, r7, [r0], #80\n"
#define FT_EVEN_0 "smlad r2, r8, r6, r1\n" "smlabt r2, r7, r11, r2\n"
#define FT_EVEN_1 "smlad r3, r9, r6, r2\n" "smlabt r3, r7, r12, r3\n"
#define FT_EVEN_2 "smlad r3, r10, r6, r3\n" "smlabt r3, r7, lr, r3\n" "str r3, [r0, #-164]\n"
#define FT_ODD_0 "smlad r4, r11, r7, r1\n" "smlatb r4, r6, r8, r4\n"
#define FT_ODD_1 "smlad r5, r12, r7, r4\n" "smlatb r5, r6, r9, r5\n"
#define FT_ODD_2 "smlad r5, lr, r7, r5\n" "smlatb r5, r6, r10, r5\n" "str r5, [r0, #-160]\n"
#define FT_SWEEP_ONE_START                                                                       \
    FT_SWEEP_LOAD FT_EVEN_0 FT_ODD_0 FT_SWEEP_LOAD FT_EVEN_1 FT_EVEN_0 FT_ODD_1 FT_ODD_0
#define FT_SWEEP_ONE                                                                             \
    FT_SWEEP_LOAD FT_EVEN_2 FT_EVEN_1 FT_EVEN_0 FT_ODD_2 FT_ODD_1 FT_ODD_0
// With stride 2 every other column starts an output and ends the one before.
#define FT_SWEEP_TWO_START FT_SWEEP_LOAD FT_EVEN_0
#define FT_SWEEP_TWO FT_SWEEP_LOAD FT_EVEN_1 FT_SWEEP_LOAD FT_EVEN_2 FT_EVEN_0

// Rescaling: r1 m, r2 c, r3 d; r4, r5: outputs of the two lines; r6: from output to output.
#define FT_SWEEP_RELU(sum, e) "smmla " sum ", " sum ", r1, r2\n" "ssat " sum ", #8, " sum ", asr #" #e "\n"
#define FT_SWEEP_FULL(sum, e)                                                                    \
    "and.w r12, r3, " sum ", asr #31\n" "smmla " sum ", " sum ", r1, r2\n"                       \
    "sub.w " sum ", " sum ", r12\n" "ssat " sum ", #8, " sum ", asr #" #e "\n"
// One column, and two. Of a line alone, the second line's value lands on the same place and is overwritten.
#define FT_OUT_ONE_1(rescale, e)                                                                 \
    "ldrd r8, r9, [r0], #80\n" rescale("r8", e) rescale("r9", e)                                 \
    "strb.w r9, [r5]\n" "strb.w r8, [r4]\n" "add r5, r6\n" "add r4, r6\n"
#define FT_OUT_ONE_2(rescale, e)                                                                 \
    "ldrd r8, r9, [r0], #80\n" "ldrd r10, r11, [r0], #80\n"                                      \
    rescale("r8", e) rescale("r9", e) rescale("r10", e) rescale("r11", e)                        \
    "strb.w r9, [r5]\n" "strb.w r8, [r4]\n" "strb.w r11, [r5, r6]\n" "strb.w r10, [r4, r6]\n"    \
    "add.w r5, r5, r6, lsl #1\n" "add.w r4, r4, r6, lsl #1\n"
#define FT_OUT_TWO_1(rescale, e)                                                                 \
    "ldr.w r8, [r0], #160\n" rescale("r8", e) "strb.w r8, [r4]\n" "add r4, r6\n"
#define FT_OUT_TWO_2(rescale, e)                                                                 \
    "ldr.w r8, [r0], #160\n" "ldr.w r9, [r0], #160\n" rescale("r8", e) rescale("r9", e)          \
    "strb.w r8, [r4]\n" "strb.w r9, [r4, r6]\n" "add.w r4, r4, r6, lsl #1\n"

// Stack: 0 x, 4 out, 8 channel, 12 where to enter the loop, 16 bytes of columns, 20 to the next sweep, 24 from output to
// output, 28 sweeps, 32 to the second line, 36 the same of the last sweep, 40 where to enter the rescaling, 44 and again
// after an odd output, 48 end of the columns; 52, 56, 60, 64, 68: x, out, bytes of a channel, sweeps, channels to go.
#define FT_SWEEP(start, step, words, one, two, behind)                                           \
    "push.w {r4-r11, lr}\n" "sub sp, #76\n" "stm.w sp, {r0-r2}\n" "strd r0, r1, [sp, #52]\n" "ldm.w r3, {r4-r11}\n"         \
    "adr.w r12, 2f\n" "add r4, r12\n" "orr.w r4, r4, #1\n"                                       \
    "adr.w r1, 9f\n" "add.w r1, r1, r11, lsl #3\n" "ldrd r11, lr, [r1]\n"                        \
    "add r11, r12\n" "add r12, lr\n" "str.w r12, [sp, #44]\n"                                    \
    "add.w r12, sp, #12\n" "stm.w r12, {r4-r11}\n" "ldr.w r3, [r3, #32]\n" "movs r4, #4\n" "strd r3, r8, [sp, #60]\n" "str.w r4, [sp, #68]\n"                                              \
    "1: ldr.w r3, [sp, #8]\n" "ldr.w r4, [sp, #16]\n" "add r4, r0\n" "str.w r4, [sp, #48]\n"     \
    "ldm.w r3, {r1, r8-r12, lr}\n" start "ldr.w pc, [sp, #12]\n"                                 \
    ".balign 4\n" "2:\n" FT_X4(step) step step                                                  \
    "ldr.w r6, [sp, #48]\n" "cmp r0, r6\n" "bne.w 2b\n"                                         \
    "sub.w r7, r6, #" #behind "\n" "ldm.w sp, {r0, r4, r8}\n" "add.w r8, r8, #28\n" "ldm.w r8, " words "\n" \
    "ldrd r6, r8, [sp, #24]\n" "ldrd r9, r10, [sp, #32]\n" "cmp r8, #1\n" "it eq\n" "moveq r9, r10\n" \
    "add.w r5, r4, r9\n" "adds r0, #76\n" "ldr.w pc, [sp, #40]\n"                               \
    "3:\n" one "ldr.w pc, [sp, #44]\n"                                                          \
    "4:\n" two "5:\n" two "cmp r0, r7\n" "bne.w 4b\n"                                           \
    "6: ldm.w sp, {r0, r4}\n" "ldr.w r5, [sp, #20]\n" "ldr.w r8, [sp, #28]\n"                    \
    "adds r0, #4\n" "add r4, r5\n" "strd r0, r4, [sp]\n" "subs.w r8, r8, #1\n"                   \
    "str.w r8, [sp, #28]\n" "bne.w 1b\n"                                                        \
    "add.w r6, sp, #52\n" "ldm.w r6, {r0, r4, r5, r7, r8}\n" "adds r0, #20\n" "adds r4, #1\n"    \
    "strd r0, r4, [sp, #52]\n" "strd r0, r4, [sp]\n" "ldr.w r6, [sp, #8]\n" "add r6, r5\n"       \
    "str.w r6, [sp, #8]\n" "str.w r7, [sp, #28]\n" "subs.w r8, r8, #1\n" "str.w r8, [sp, #68]\n" \
    "bne.w 1b\n" "add sp, #76\n" "pop.w {r4-r11, pc}\n" ".balign 4\n"                                        \
    "9: .word 3b - 2b + 1, 6b - 2b + 1, 3b - 2b + 1, 4b - 2b + 1, 5b - 2b + 1, 5b - 2b + 1\n"     \
    ".word 3b - 2b + 1, 5b - 2b + 1, 4b - 2b + 1, 4b - 2b + 1\n"

#define FT_SWEEP_ROUTINE(name, text)                                                             \
    static __attribute__((naked, noinline, unused)) void name(                                   \
        const uint32_t *x __attribute__((unused)), int8_t *out __attribute__((unused)),          \
        const int32_t *channel __attribute__((unused)),                                          \
        const ft_sweep *s __attribute__((unused))) {                                             \
        __asm volatile(text);                                                                    \
    }
#define FT_SWEEP_BOTH(e, mode, rescale, words)                                                   \
    FT_SWEEP_ROUTINE(ft_sweep_one_##mode##_##e,                                                  \
                     FT_SWEEP(FT_SWEEP_ONE_START, FT_SWEEP_ONE, words, FT_OUT_ONE_1(rescale, e), \
                              FT_OUT_ONE_2(rescale, e), 84))                             \
    FT_SWEEP_ROUTINE(ft_sweep_two_##mode##_##e,                                                  \
                     FT_SWEEP(FT_SWEEP_TWO_START, FT_SWEEP_TWO, words, FT_OUT_TWO_1(rescale, e), \
                              FT_OUT_TWO_2(rescale, e), 4))
// The shift that ends the rescaling is part of the instruction: one set of routines for each; unused ones cost nothing.
#define FT_SWEEP_ROUTINES(e)                                                                     \
    FT_SWEEP_BOTH(e, relu, FT_SWEEP_RELU, "{r1, r2}")                                                   \
    FT_SWEEP_BOTH(e, full, FT_SWEEP_FULL, "{r1-r3}")
FT_SWEEP_ROUTINES(4)
FT_SWEEP_ROUTINES(6)
FT_SWEEP_ROUTINES(8)
FT_SWEEP_ROUTINES(10)
FT_SWEEP_ROUTINES(12)
FT_SWEEP_ROUTINES(14)
FT_SWEEP_ROUTINES(16)
FT_SWEEP_ROUTINES(18)
// clang-format on

#endif
