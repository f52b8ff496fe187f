// The inner routines of depthwise 3x3 convolutions on a Cortex-M4.
//
// Inputs of two neighbouring lines travel as pairs of int16, so that SMLAD does two taps. A sweep runs along
// two lines of outputs with all weights of a channel in registers.
//
// With stride 1, an output on line 2j needs pair j (its taps 0 and 1) and the first half of pair j + 1 (tap
// 2); one on line 2j + 1 the second half of pair j and all of pair j + 1. A column of the buffer holds, for
// each of four channels, a free word and four pairs. Sums go where pairs are done with, and are rescaled
// together: those of lines 2j and 2j + 1 to the word before pair j and to that of pair j, in the column of
// the window's middle.
//
// With stride 2, an output on line j needs pair j and the first half of pair j + 1. A column holds five pairs
// for each channel, and sums are rescaled at once.
#ifndef FT_CM4_FAST_SWEEP_H
#define FT_CM4_FAST_SWEEP_H

#include "cm4_fpu.h"
#include "cm4_pairs.h"

// Steps in the unrolled loops, with stride 1 and 2; the loops' places, and two behind that of stride 1 for
// what is done after it.
enum { FT_FAST_ONE_STEPS = 8, FT_FAST_TWO_STEPS = 4, FT_FAST_SUMS = FT_FAST_ONE_STEPS + 2 };

// Distances are in bytes. Loops are entered at a step of their unrolled code, or behind it where they run
// less than once; they end where x reaches `x_bytes`, or with stride 1, for the rescaling, `sums_bytes`.
typedef struct {
    int32_t entry, sums_entry, x_bytes, sums_bytes;
    int32_t back, again;  // from the end of the columns to the sums; from the end of all to the next sweep
    int32_t step, next;   // from output to output; from the end of a line to that of the next sweep
    // From a sweep's first line to its second; of the last sweep (0: one line only).
    int32_t line_step, last_line_step;
    int32_t sweeps, channel_bytes;  // of constants for each channel
} ft_fast;

// Computes four channels; `channel` points to the first one's ft_sweep_channel.
typedef void (*ft_fast_routine)(const uint32_t *x, int8_t *out, const int32_t *channel, const ft_fast *s);

// clang-format off
// Stride 1. r8 r9 r10, r11 r12 lr: upper and lower weights of columns 0, 1, 2; r1: bias; r6, r7: pairs j and j + 1.
// Sums of the even line: r3 lacks this column, r2 this and the next; of the odd line: r5 and r4.
#define FT_FAST_ONE_LOAD "ldrd r6, r7, [r0], #80\n"
#define FT_FAST_EVEN_0 "smlad r2, r8, r6, r1\n" "smlabt r2, r7, r11, r2\n"
#define FT_FAST_EVEN_1 "smlad r3, r9, r6, r2\n" "smlabt r3, r7, r12, r3\n"
#define FT_FAST_EVEN_2 "smlad r3, r10, r6, r3\n" "smlabt r3, r7, lr, r3\n" "str r3, [r0, #-164]\n"
#define FT_FAST_ODD_0 "smlad r4, r11, r7, r1\n" "smlatb r4, r6, r8, r4\n"
#define FT_FAST_ODD_1 "smlad r5, r12, r7, r4\n" "smlatb r5, r6, r9, r5\n"
#define FT_FAST_ODD_2 "smlad r5, lr, r7, r5\n" "smlatb r5, r6, r10, r5\n" "str r5, [r0, #-160]\n"
#define FT_FAST_ONE_START                                                                        \
    FT_FAST_ONE_LOAD FT_FAST_EVEN_0 FT_FAST_ODD_0                                                \
    FT_FAST_ONE_LOAD FT_FAST_EVEN_1 FT_FAST_EVEN_0 FT_FAST_ODD_1 FT_FAST_ODD_0
#define FT_FAST_ONE_STEP FT_FAST_ONE_LOAD FT_FAST_EVEN_2 FT_FAST_EVEN_1 FT_FAST_EVEN_0 FT_FAST_ODD_2 FT_FAST_ODD_1 FT_FAST_ODD_0
// The last two columns begin no output.
#define FT_FAST_ONE_LAST_BUT_ONE FT_FAST_ONE_LOAD FT_FAST_EVEN_2 FT_FAST_EVEN_1 FT_FAST_ODD_2 FT_FAST_ODD_1
#define FT_FAST_ONE_LAST FT_FAST_ONE_LOAD FT_FAST_EVEN_2 FT_FAST_ODD_2
// Where the first column and the last are padding, what they add is known: s16 the bias with the first, s17 the last.
#define FT_FAST_EDGE_START                                                                       \
    "vmov r2, s16\n" "mov r4, r2\n" FT_FAST_ONE_LOAD FT_FAST_EVEN_1 FT_FAST_EVEN_0 FT_FAST_ODD_1 FT_FAST_ODD_0
#define FT_FAST_EDGE_LAST                                                                        \
    "vmov r6, s17\n" "add r3, r6\n" "add r5, r6\n" "str r3, [r0, #-84]\n" "str r5, [r0, #-80]\n"

// Rescaling of two sums (r3, r6) by r1 m, r2 c, r8 d; r4, r5: output and its second line; r7: from output to output. Of a
// line alone, the second line's value lands on the same place and is overwritten.
#define FT_FAST_ONE_RELU(sum, e) "smmla " sum ", " sum ", r1, r2\n" "ssat " sum ", #8, " sum ", asr #" #e "\n"
#define FT_FAST_ONE_FULL(sum, e)                                                                 \
    "and.w r12, r8, " sum ", asr #31\n" "smmla " sum ", " sum ", r1, r2\n"                       \
    "sub.w " sum ", " sum ", r12\n" "ssat " sum ", #8, " sum ", asr #" #e "\n"
#define FT_FAST_ONE_OUT(rescale, e)                                                              \
    "ldrd r3, r6, [r0], #80\n" rescale("r3", e) rescale("r6", e)                                 \
    "strb.w r6, [r4, r5]\n" "strb.w r3, [r4]\n" "add r4, r7\n"

// Stride 2. r8 r9 r10: weights 0 and 1 of columns 0, 1, 2; r11: weights 2 of columns 0 and 1, r12: of 2 (upper half);
// r6, r7, lr: pairs j, j + 1, j + 2; r2, r4: sums of the two lines; r3 m, r5 c, r1 output.
#define FT_FAST_TWO_LOAD "ldr.w r7, [r0, #4]\n" "ldr.w lr, [r0, #8]\n" "ldr.w r6, [r0], #80\n"
#define FT_FAST_TWO_0                                                                            \
    "vmov r2, r4, s0, s1\n" "smlad r2, r8, r6, r2\n" "smlabb r2, r7, r11, r2\n"                  \
    "smlad r4, r8, r7, r4\n" "smlabb r4, lr, r11, r4\n"
#define FT_FAST_TWO_1                                                                            \
    "smlad r2, r9, r6, r2\n" "smlabt r2, r7, r11, r2\n" "smlad r4, r9, r7, r4\n" "smlabt r4, lr, r11, r4\n"
#define FT_FAST_TWO_2                                                                            \
    "smlad r2, r10, r6, r2\n" "smlabt r2, r7, r12, r2\n" "smlad r4, r10, r7, r4\n" "smlabt r4, lr, r12, r4\n"
#define FT_FAST_TWO_RELU(e)                                                                      \
    "smmla r2, r2, r3, r5\n" "smmla r4, r4, r3, r5\n" "vmov r3, s5\n"                            \
    "ssat r2, #8, r2, asr #" #e "\n" "ssat r4, #8, r4, asr #" #e "\n"                            \
    "strb.w r4, [r1, r3]\n" "strb.w r2, [r1]\n" "vmov r2, r3, s2, s3\n" "add r1, r2\n"
#define FT_FAST_TWO_FULL_OF(sum, e)                                                              \
    "vmov lr, s4\n" "and.w lr, lr, " sum ", asr #31\n" "smmla " sum ", " sum ", r3, r5\n"        \
    "sub.w " sum ", " sum ", lr\n" "ssat " sum ", #8, " sum ", asr #" #e "\n"
#define FT_FAST_TWO_FULL(e)                                                                      \
    "vmov r6, r7, s12, s13\n" FT_FAST_TWO_FULL_OF("r6", e) FT_FAST_TWO_FULL_OF("r7", e) "vmov lr, s5\n" \
    "strb.w r7, [r1, lr]\n" "strb.w r6, [r1]\n" "vmov lr, s2\n" "add r1, lr\n"
#define FT_FAST_TWO_STEP(mode, e) FT_FAST_TWO_STEP_##mode(e)
#define FT_FAST_TWO_LAST(mode, e) FT_FAST_TWO_LAST_##mode(e)
#define FT_FAST_TWO_STEP_relu(e) FT_FAST_TWO_LOAD FT_FAST_TWO_1 FT_FAST_TWO_LOAD FT_FAST_TWO_2 FT_FAST_TWO_RELU(e) FT_FAST_TWO_0
#define FT_FAST_TWO_LAST_relu(e) FT_FAST_TWO_LOAD FT_FAST_TWO_1 FT_FAST_TWO_LOAD FT_FAST_TWO_2 FT_FAST_TWO_RELU(e)
#define FT_FAST_TWO_STEP_full(e)                                                                 \
    FT_FAST_TWO_LOAD FT_FAST_TWO_1 FT_FAST_TWO_LOAD FT_FAST_TWO_2 "vmov s12, s13, r2, r4\n" FT_FAST_TWO_0 FT_FAST_TWO_FULL(e)
#define FT_FAST_TWO_LAST_full(e)                                                                 \
    FT_FAST_TWO_LOAD FT_FAST_TWO_1 FT_FAST_TWO_LOAD FT_FAST_TWO_2 "vmov s12, s13, r2, r4\n" FT_FAST_TWO_FULL(e)

// What changes rarely lies on the stack: 0 x, 4 output, 8 channel, 12 bytes of a channel, 16 channels to go, 20 sweeps, 24
// second line. And in the registers of the floating-point unit: s0, s1 bias, s2 step, s3 m, s4 d, s5 second line, s6 to the
// next line, s7 to the next sweep, s8 sweeps to go, s9 second line of the last, s10 entry, s11 end of x; with stride 1
// also s12 entry, s13 end and s14 place of the sums, s15 output, s1 c.
#define FT_FAST_BEGIN(save)                                                                      \
    "push.w {r4-r11, lr}\n" save "sub sp, #28\n" "strd r0, r1, [sp]\n" "ldm.w r3!, {r4-r11}\n"   \
    "adr.w r12, 9f\n" "ldr.w r4, [r12, r4, lsl #2]\n" "ldr.w r5, [r12, r5, lsl #2]\n"            \
    "add r4, r12\n" "add r5, r12\n" "add r6, r0\n" "add r7, r0\n"                                \
    "vmov s10, s11, r4, r6\n" "vmov s12, s13, r5, r7\n" "vmov s14, r8\n" "vmov s6, s7, r11, r9\n" \
    "vmov s2, r10\n" "ldm.w r3, {r4-r7}\n" "vmov s9, r5\n" "movs r8, #4\n"                       \
    "strd r2, r7, [sp, #8]\n" "strd r8, r6, [sp, #16]\n" "str.w r4, [sp, #24]\n"                 \
    "1: ldrd r3, r4, [sp, #20]\n" "vmov s8, r3\n" "vmov s5, r4\n" "ldm.w r2!, {r1, r8-r12, lr}\n"
// The next sweep, whose second line may be none; then the next channel.
#define FT_FAST_NEXT                                                                             \
    "vmov r6, s8\n" "subs r6, #1\n" "vmov s8, r6\n" "cmp r6, #1\n" "it eq\n" "vmoveq.f32 s5, s9\n"
#define FT_FAST_END(restore)                                                                     \
    "ldrd r0, r1, [sp]\n" "ldrd r2, r3, [sp, #8]\n" "adds r0, #20\n" "adds r1, #1\n" "add r2, r3\n" \
    "ldr.w r3, [sp, #16]\n" "strd r0, r1, [sp]\n" "str.w r2, [sp, #8]\n" "subs r3, #1\n"         \
    "str.w r3, [sp, #16]\n" "bne.w 1b\n" "add sp, #28\n" restore "pop.w {r4-r11, pc}\n" ".balign 4\n" "9:\n"
#define FT_FAST_LABELLED(n, step)                                                                \
    #n "0:\n" step #n "1:\n" step #n "2:\n" step #n "3:\n" step #n "4:\n" step #n "5:\n" step #n "6:\n" step #n "7:\n" step
#define FT_FAST_PLACES(n)                                                                        \
    ".word " #n "0b - 9b + 1, " #n "1b - 9b + 1, " #n "2b - 9b + 1, " #n "3b - 9b + 1, "         \
    #n "4b - 9b + 1, " #n "5b - 9b + 1, " #n "6b - 9b + 1, " #n "7b - 9b + 1\n"
#define FT_FAST_ONE(save, words, keep, start, last, take, weights, rescale, restore, e)          \
    FT_FAST_BEGIN(save) "ldm.w r2, " words "\n" "vmov s0, s1, r1, r4\n" "vmov s3, r3\n" keep     \
    "ldr.w r3, [sp, #4]\n" "vmov s15, r3\n"                                                      \
    "7:\n" start "vmov r6, s10\n" "bx r6\n"                                                      \
    FT_FAST_LABELLED(1, FT_FAST_ONE_STEP)                                                        \
    "vmov r6, s11\n" "cmp r0, r6\n" "blo.w 10b\n"                                                \
    "6:\n" FT_FAST_ONE_LAST_BUT_ONE "8:\n" last                                                  \
    "vmov r3, s14\n" "subs r0, r0, r3\n" "vmov r3, s12\n" "vmov r1, s3\n" "vmov r2, s1\n" take   \
    "vmov r4, s15\n" "vmov r5, s5\n" "vmov r7, s2\n" "bx r3\n"                                   \
    FT_FAST_LABELLED(2, FT_FAST_ONE_OUT(rescale, e))                                             \
    "vmov r3, s13\n" "cmp r0, r3\n" "blo.w 20b\n"                                                \
    FT_FAST_NEXT weights "vmov r1, s0\n" "vmov r2, r3, s6, s7\n"                                 \
    "add r4, r2\n" "vmov s15, r4\n" "subs r0, r0, r3\n" "cmp r6, #0\n" "bne.w 7b\n"              \
    FT_FAST_END(restore) FT_FAST_PLACES(1) ".word 6b - 9b + 1, 8b - 9b + 1\n" FT_FAST_PLACES(2)
#define FT_FAST_TWO(words, keep, mode, e)                                                        \
    FT_FAST_BEGIN("") "ldm.w r2, " words "\n" "vmov s0, s1, r1, r1\n" "vmov s3, r3\n" keep       \
    "pkhtb r11, r12, r11, asr #16\n" "mov r12, lr\n" "ldr.w r1, [sp, #4]\n"                      \
    "7:\n" FT_FAST_TWO_LOAD FT_FAST_TWO_0 "vmov r6, s10\n" "bx r6\n"                             \
    "2:\n" FT_FAST_TWO_STEP(mode, e) "3:\n" FT_FAST_TWO_STEP(mode, e)                            \
    "4:\n" FT_FAST_TWO_STEP(mode, e) "5:\n" FT_FAST_TWO_STEP(mode, e)                            \
    "vmov r6, s11\n" "cmp r0, r6\n" "blo.w 2b\n"                                                 \
    "6:\n" FT_FAST_TWO_LAST(mode, e)                                                             \
    FT_FAST_NEXT "vmov r2, r4, s6, s7\n" "add r1, r2\n" "subs r0, r0, r4\n" "cmp r6, #0\n" "bne.w 7b\n" \
    FT_FAST_END("") ".word 2b - 9b + 1, 3b - 9b + 1, 4b - 9b + 1, 5b - 9b + 1, 6b - 9b + 1\n"

#define FT_FAST_ROUTINE(name, text)                                                              \
    static __attribute__((naked, noinline, unused)) void name(                                   \
        const uint32_t *x __attribute__((unused)), int8_t *out __attribute__((unused)),          \
        const int32_t *channel __attribute__((unused)),                                          \
        const ft_fast *s __attribute__((unused))) {                                              \
        __asm volatile(text);                                                                    \
    }
// The shift that ends the rescaling is part of the instruction: one set of routines for each; unused ones cost nothing.
// Where negative halves are corrected with stride 1, registers run out and weights are loaded again for each sweep.
#define FT_FAST_ROUTINES(e)                                                                      \
    FT_FAST_ROUTINE(ft_fast_one_relu_##e, FT_FAST_ONE("", "{r3, r4}", "", FT_FAST_ONE_START, FT_FAST_ONE_LAST, "", "", \
                                                      FT_FAST_ONE_RELU, "", e))                  \
    FT_FAST_ROUTINE(ft_fast_edge_relu_##e,                                                       \
                    FT_FAST_ONE("vpush {s16, s17}\n", "{r3-r6}", "vmov s16, s17, r5, r6\n", FT_FAST_EDGE_START, \
                                FT_FAST_EDGE_LAST, "", "", FT_FAST_ONE_RELU, "vpop {s16, s17}\n", e)) \
    FT_FAST_ROUTINE(ft_fast_one_full_##e,                                                        \
                    FT_FAST_ONE("", "{r3-r5}", "vmov s4, r5\n", FT_FAST_ONE_START, FT_FAST_ONE_LAST, "vmov r8, s4\n", \
                                "ldr.w r3, [sp, #8]\n" "ldm.w r3, {r1, r8-r12, lr}\n", FT_FAST_ONE_FULL, "", e)) \
    FT_FAST_ROUTINE(ft_fast_two_relu_##e, FT_FAST_TWO("{r3, r5}", "", relu, e))                  \
    FT_FAST_ROUTINE(ft_fast_two_full_##e, FT_FAST_TWO("{r3, r5, r6}", "vmov s4, r6\n", full, e))
FT_FAST_ROUTINES(4)
FT_FAST_ROUTINES(6)
FT_FAST_ROUTINES(8)
FT_FAST_ROUTINES(10)
FT_FAST_ROUTINES(12)
FT_FAST_ROUTINES(14)
FT_FAST_ROUTINES(16)
FT_FAST_ROUTINES(18)
// clang-format on

#endif
