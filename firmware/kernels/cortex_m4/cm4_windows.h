// The windows of two pixels, widened and by turns, as the inner routines read them.
//
// A window is some runs of bytes, one for each kernel row. The 1 to 3 bytes that are left of each run when it
// is cut into groups of four are collected; what they make comes first, so that at most one group of a window
// is not full. Then come the runs' whole groups. The window of a later row of outputs may thus begin further
// on in the same memory, and only its new rows and what is left over are widened.
#ifndef FT_CM4_WINDOWS_H
#define FT_CM4_WINDOWS_H

#include "cm4_widen.h"

typedef struct {
    int32_t rows, whole;                        // runs; whole groups of each
    const int8_t *const *row_a, *const *row_b;  // rows of the two pixels
    int32_t last, tail;                         // bytes left of each run; groups of all that is left
    int8_t *left;  // where these bytes go; those of the second pixel `left_bytes` further on
    int32_t left_bytes;
    const int8_t *tail_from;  // where those of this window begin
    uint32_t *tail_to;
} ft_cm4_window;

// Widens runs of two pixels, at byte offsets of their rows.
typedef void (*ft_cm4_widen)(const ft_cm4_window *w, int32_t at_a, int32_t at_b, uint32_t *to);

// The 1 to 3 bytes before `end`; a run of four bytes or more is read by a word that ends there.
FT_INLINE uint32_t ft_cm4_last(const int8_t *end, int32_t bytes, int32_t word) {
    if (word) {
        return ft_cm4_load(end - 4) >> (32 - 8 * bytes);
    }
    uint32_t v = 0;
    for (int32_t i = 1; i <= bytes; i++) {
        v = v << 8 | (uint8_t)end[-i];
    }
    return v;
}

// clang-format off
// Two groups (of two words) of each of two pixels that are widened already.
#define FT_WEAVE_2 "ldm.w r0!, {r3, r4, r8, r9}\n" "ldm.w r7!, {r5, r6, r10, r12}\n" \
                        "stm.w lr!, {r3-r6, r8-r10, r12}\n"
#define FT_WINDOWS(name, widen_2, widen_4)                                                              \
    static __attribute__((noinline, unused)) void name(const ft_cm4_window *w, int32_t at_a, int32_t at_b, \
                                                       uint32_t *to) {                                  \
        const int8_t *const *row_a = w->row_a, *const *row_b = w->row_b;                                \
        int8_t *left_a = w->left, *left_b = left_a + w->left_bytes;                                     \
        const int32_t last = w->last;                                                                   \
        for (int32_t i = w->rows; i > 0; i--) {                                                         \
            const int8_t *a = *row_a++ + at_a, *b = *row_b++ + at_b;                                    \
            int32_t n = w->whole;                                                                       \
            for (; n >= 2; n -= 2) {                                                                    \
                FT_PAIR_2(widen_4);                                                                     \
            }                                                                                           \
            if (n) {                                                                                    \
                FT_PAIR(widen_2);                                                                       \
            }                                                                                           \
            if (last) {                                                                                 \
                ft_cm4_store(left_a, ft_cm4_last(a + last, last, w->whole));                            \
                ft_cm4_store(left_b, ft_cm4_last(b + last, last, w->whole));                            \
                left_a += last;                                                                         \
                left_b += last;                                                                         \
            }                                                                                           \
        }                                                                                               \
        if (last) {                                                                                     \
            const int8_t *a = w->tail_from, *b = a + w->left_bytes;                                     \
            to = w->tail_to;                                                                            \
            for (int32_t n = w->tail; n > 0; n--) {                                                     \
                FT_PAIR(widen_2);                                                                       \
            }                                                                                           \
        }                                                                                               \
    }
FT_WINDOWS(ft_cm4_windows_half, FT_HALF_2, FT_HALF_4)
FT_WINDOWS(ft_cm4_windows_wide, FT_WIDE_2, FT_WIDE_4)
// clang-format on

// The same for windows of three rows of nine bytes (3x3 pixels of three channels): the ninth bytes make the
// first group.
static __attribute__((noinline, unused)) void ft_cm4_windows_3x9(const ft_cm4_window *w, int32_t at_a,
                                                                 int32_t at_b, uint32_t *to) {
    const int8_t *const *row_a = w->row_a, *const *row_b = w->row_b;
    uint32_t left_a = 0, left_b = 0, *const first = to - 4;
#pragma GCC unroll 3
    for (int32_t i = 0; i < 3; i++) {
        const int8_t *a = row_a[i] + at_a, *b = row_b[i] + at_b;
        FT_PAIR_2(FT_WIDE_4);
        left_a |= (uint32_t)(uint8_t)*a << (8 * i);
        left_b |= (uint32_t)(uint8_t)*b << (8 * i);
    }
    ft_cm4_wide(left_a, first);
    ft_cm4_wide(left_b, first + 2);
}

// The same from runs that are widened already; these have whole groups only, two or more. In assembly, since
// the loop over a row is short: what changes rarely lies on the stack.
// clang-format off
static __attribute__((naked, noinline, unused)) void ft_cm4_windows_weave(
    const ft_cm4_window *w __attribute__((unused)), int32_t at_a __attribute__((unused)),
    int32_t at_b __attribute__((unused)), uint32_t *to __attribute__((unused))) {
    // Stack: 0 row_a, 4 row_b, 8 at_a, 12 at_b, 16 rounds of a row's loop, 20 where to enter it, 24 an odd group.
    // r0, r7: the two runs; r11: rows left; r2: rounds; lr: output.
    __asm volatile(
        "push.w {r4-r11, lr}\n"
        "mov lr, r3\n"
        "ldm.w r0, {r4-r7}\n"
        "sub sp, #28\n"
        "strd r6, r7, [sp]\n"
        "strd r1, r2, [sp, #8]\n"
        "mov r11, r4\n"
        "mov r6, r5\n"
        "lsrs r3, r6, #1\n"
        "and.w r8, r6, #1\n"
        "adds r2, r3, #5\n"
        "movs r4, #6\n"
        "udiv r2, r2, r4\n"
        "mul r4, r2, r4\n"
        "subs r4, r4, r3\n"
        "add.w r4, r4, r4, lsl #1\n"
        "adr.w r3, 2f + 1\n"
        "add.w r3, r3, r4, lsl #2\n"
        "strd r2, r3, [sp, #16]\n"
        "str.w r8, [sp, #24]\n"
        "1: ldm.w sp, {r1-r6}\n"
        "ldr.w r0, [r1], #4\n"
        "ldr.w r7, [r2], #4\n"
        "strd r1, r2, [sp]\n"
        "add r0, r3\n"
        "add r7, r4\n"
        "mov r2, r5\n"
        "bx r6\n"
        ".balign 4\n"
        "2:\n" FT_X4(FT_WEAVE_2) FT_WEAVE_2 FT_WEAVE_2
        "subs r2, #1\n"
        "bne.n 2b\n"
        "ldr.w r2, [sp, #24]\n"
        "cbz r2, 3f\n"
        "ldm.w r0, {r3, r4}\n"
        "ldm.w r7, {r5, r6}\n"
        "stm.w lr!, {r3-r6}\n"
        "3: subs.w r11, r11, #1\n"
        "bne.n 1b\n"
        "add sp, #28\n"
        "pop.w {r4-r11, pc}\n");
}
// clang-format on

// The same for windows of one run, in groups two by two: 1x1 convolutions.
// r0 to, r1 and r2 the two runs, r7 groups.
// clang-format off
#define FT_WINDOWS_LINE(name, widen_4)                                                           \
    static __attribute__((naked, noinline, unused)) void name(                                   \
        const ft_cm4_window *w __attribute__((unused)), int32_t at_a __attribute__((unused)),    \
        int32_t at_b __attribute__((unused)), uint32_t *to __attribute__((unused))) {            \
        __asm volatile("push.w {r4-r10, lr}\n" "ldr.w r7, [r0, #4]\n" "ldrd r4, r5, [r0, #8]\n" \
                       "ldr.w r4, [r4]\n" "ldr.w r5, [r5]\n" "add r1, r4\n" "add r2, r5\n" "mov r0, r3\n" \
                       "1: ldrd r3, r8, [r1], #8\n" "ldrd r5, r10, [r2], #8\n" widen_4            \
                       "stm.w r0!, {r3-r6, r8-r10, r12}\n" "subs r7, #2\n" "bne.n 1b\n"          \
                       "pop.w {r4-r10, pc}\n");                                                  \
    }
FT_WINDOWS_LINE(ft_cm4_windows_line_half, FT_HALF_4)
FT_WINDOWS_LINE(ft_cm4_windows_line_wide, FT_WIDE_4)
// clang-format on

#endif
