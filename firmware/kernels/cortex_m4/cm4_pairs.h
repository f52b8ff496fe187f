// Pairs of int16 from neighbouring lines of four channels, for depthwise 3x3 convolutions on a Cortex-M4.
#ifndef FT_CM4_PAIRS_H
#define FT_CM4_PAIRS_H

#include "cm4_widen.h"

// Words of a channel in a column of pairs, and of a column.
enum { FT_PAIRS_CHANNEL = 5, FT_COLUMN = 4 * FT_PAIRS_CHANNEL };

// One channel: weights (0, 1) and (1, 2) of the taps across lines, for each of the three along them. d
// corrects negative halves; where a clamp hides them it is not read.
typedef struct {
    int32_t bias;
    uint32_t upper[3], lower[3];
    int32_t m, c, d;
} ft_sweep_channel;

enum { FT_SWEEP_WORDS = sizeof(ft_sweep_channel) / 4 };

// clang-format off
// Builds two pairs from four rows, all along. Outer rows may be padding; `zero` stands for it.
// r0 offset (from below zero up to it), r1 to, r2 step; r4-r7 ends of the rows.
#define FT_ROWS_FROM "mov r4, r0\n" "add.w r5, r4, r8\n" "add.w r6, r5, r8\n" "add.w r7, r6, r8\n"
#define FT_PAIR_TWO(zeros, row0, row2, row3) FT_PAIR_TWO_AT(0, zeros, "", row0, row2, row3)
#define FT_PAIR_TWO_AT(at, zeros, carry, row0, row2, row3)                                       \
    "push.w {r4-r11, lr}\n" "ldrd r8, r9, [sp, #36]\n" "mul r3, r2, r3\n" "add r0, r3\n" FT_ROWS_FROM zeros \
    "rsbs r0, r3, #0\n"                                                                          \
    "1:" carry row0 "ldr.w r10, [r5, r0]\n" row2 row3 "adds r0, r0, r2\n"                        \
    "pkhbt lr, r9, r10, lsl #16\n" "pkhtb r10, r10, r9, asr #16\n"                               \
    "pkhbt r9, r11, r12, lsl #16\n" "pkhtb r12, r12, r11, asr #16\n"                             \
    "sxtb16 r8, lr\n" "sxtb16 r11, r9\n" "strd r8, r11, [r1, #" #at "]\n"                        \
    "sxtb16 r8, lr, ror #8\n" "sxtb16 r11, r9, ror #8\n" "strd r8, r11, [r1, #" #at " + 20]\n"   \
    "sxtb16 r8, r10\n" "sxtb16 r11, r12\n" "strd r8, r11, [r1, #" #at " + 40]\n"                 \
    "sxtb16 r8, r10, ror #8\n" "sxtb16 r11, r12, ror #8\n" "strd r8, r11, [r1, #" #at " + 60]\n" \
    "add.w r1, r1, #80\n" "bne.n 1b\n" "pop.w {r4-r11, pc}\n"

// The same, after the fifth pair of before has become the first. r1 points to the first.
#define FT_PAIR_CARRY                                                                            \
    "ldr.w r8, [r1, #16]\n" "ldr.w r9, [r1, #36]\n" "ldr.w r10, [r1, #56]\n" "ldr.w r11, [r1, #76]\n" \
    "str.w r8, [r1]\n" "str.w r9, [r1, #20]\n" "str.w r10, [r1, #40]\n" "str.w r11, [r1, #60]\n"

// The same for three pairs from six rows; the fourth pair of before becomes the first. r1 points to the first.
#define FT_THREE_OF(at, ror, a, b, c)                                                            \
    "sxtb16 r11, " a ror "\n" "sxtb16 r12, " b ror "\n" "sxtb16 r8, " c ror "\n"                 \
    "strd r11, r12, [r1, #" #at "]\n" "str.w r8, [r1, #" #at " + 8]\n"
#define FT_PAIR_THREE(zeros, row4, row5)                                                         \
    "push.w {r4-r11, lr}\n" "ldrd r10, r11, [sp, #36]\n" "sub sp, #28\n" "mul r3, r2, r3\n" "add.w r4, r0, r3\n" "add.w r5, r4, r10\n" \
    "add.w r6, r5, r10\n" "add.w r7, r6, r10\n" "add.w r8, r7, r10\n" "add.w r9, r8, r10\n" zeros "stm.w sp, {r4-r9}\n" \
    "rsbs r0, r3, #0\n"                                                                          \
    "1: ldr.w r4, [r1, #12]\n" "ldr.w r5, [r1, #32]\n" "ldr.w r6, [r1, #52]\n" "ldr.w r7, [r1, #72]\n" \
    "str.w r4, [r1]\n" "str.w r5, [r1, #20]\n" "str.w r6, [r1, #40]\n" "str.w r7, [r1, #60]\n"   \
    "ldm.w sp, {r4-r9}\n" "ldr.w r4, [r4, r0]\n" "ldr.w r5, [r5, r0]\n" "ldr.w r6, [r6, r0]\n"   \
    "ldr.w r7, [r7, r0]\n" row4 row5 "adds r0, r0, r2\n"                                         \
    "pkhbt r10, r4, r5, lsl #16\n" "pkhtb r5, r5, r4, asr #16\n"                                 \
    "pkhbt r4, r6, r7, lsl #16\n" "pkhtb r7, r7, r6, asr #16\n"                                  \
    "pkhbt r6, r8, r9, lsl #16\n" "pkhtb r9, r9, r8, asr #16\n"                                  \
    FT_THREE_OF(4, "", "r10", "r4", "r6") FT_THREE_OF(24, ", ror #8", "r10", "r4", "r6")         \
    FT_THREE_OF(44, "", "r5", "r7", "r9") FT_THREE_OF(64, ", ror #8", "r5", "r7", "r9")          \
    "add.w r1, r1, #80\n" "bne.n 1b\n" "add sp, #28\n" "pop.w {r4-r11, pc}\n"

typedef void (*ft_pair_routine)(const int8_t *row, uint32_t *to, int32_t step, int32_t count, int32_t line_step,
                                uint32_t zero);

#define FT_PAIR_ROUTINE(name, text)                                                              \
    static __attribute__((naked, noinline, unused)) void name(                                   \
        const int8_t *row __attribute__((unused)), uint32_t *to __attribute__((unused)),         \
        int32_t step __attribute__((unused)), int32_t count __attribute__((unused)),             \
        int32_t line_step __attribute__((unused)), uint32_t zero __attribute__((unused))) {      \
        __asm volatile(text);                                                                    \
    }
#define FT_ROW_0 "ldr.w r9, [r4, r0]\n"
#define FT_ROW_2 "ldr.w r11, [r6, r0]\n"
#define FT_ROW_3 "ldr.w r12, [r7, r0]\n"
FT_PAIR_ROUTINE(ft_pair_two, FT_PAIR_TWO("", FT_ROW_0, FT_ROW_2, FT_ROW_3))
FT_PAIR_ROUTINE(ft_pair_two_first, FT_PAIR_TWO("mov r4, r9\n", "mov r9, r4\n", FT_ROW_2, FT_ROW_3))
FT_PAIR_ROUTINE(ft_pair_two_last, FT_PAIR_TWO("mov r7, r9\n", FT_ROW_0, FT_ROW_2, "mov r12, r7\n"))
FT_PAIR_ROUTINE(ft_pair_two_last_two, FT_PAIR_TWO("mov r6, r9\n" "mov r7, r9\n", FT_ROW_0, "mov r11, r6\n", "mov r12, r7\n"))
FT_PAIR_ROUTINE(ft_pair_carry, FT_PAIR_TWO_AT(4, "", FT_PAIR_CARRY, FT_ROW_0, FT_ROW_2, FT_ROW_3))
FT_PAIR_ROUTINE(ft_pair_carry_last, FT_PAIR_TWO_AT(4, "mov r7, r9\n", FT_PAIR_CARRY, FT_ROW_0, FT_ROW_2, "mov r12, r7\n"))
FT_PAIR_ROUTINE(ft_pair_carry_last_two,
                FT_PAIR_TWO_AT(4, "mov r6, r9\n" "mov r7, r9\n", FT_PAIR_CARRY, FT_ROW_0, "mov r11, r6\n", "mov r12, r7\n"))
FT_PAIR_ROUTINE(ft_pair_three, FT_PAIR_THREE("", "ldr.w r8, [r8, r0]\n", "ldr.w r9, [r9, r0]\n"))
FT_PAIR_ROUTINE(ft_pair_three_last, FT_PAIR_THREE("mov r9, r11\n", "ldr.w r8, [r8, r0]\n", ""))
FT_PAIR_ROUTINE(ft_pair_three_last_two, FT_PAIR_THREE("mov r8, r11\n" "mov r9, r11\n", "", ""))
// clang-format on

#endif
