// The windows of two pixels, widened and by turns, as the inner routines read them.
//
// A window is `k_h` runs of bytes. Whole groups of four come first, run after run; the 1 to 3 bytes that are
// left of each run follow together, so that at most one group of a window is not full.
#ifndef FT_CM4_WINDOWS_H
#define FT_CM4_WINDOWS_H

#include "cm4_widen.h"

typedef struct {
    int32_t k_h, whole, last, tail;  // runs; whole groups and bytes left of each; groups of all that is left
    int8_t *left;                    // two buffers of `tail` groups and a word, for the bytes left over
} ft_cm4_window;

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
#define FT_WINDOWS(name, widen_2, widen_4)                                                              \
    static __attribute__((noinline, unused)) void name(const ft_cm4_window *w, const int8_t *const *row_a, \
                                                       const int8_t *const *row_b, int32_t at_a,        \
                                                       int32_t at_b, uint32_t *to) {                    \
        int8_t *left_a = w->left, *left_b = left_a + w->tail * 4 + 4;                                   \
        const int32_t last = w->last;                                                                   \
        for (int32_t i = w->k_h; i > 0; i--) {                                                          \
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
            const int8_t *a = w->left, *b = a + w->tail * 4 + 4;                                        \
            for (int32_t n = w->tail; n > 0; n--) {                                                     \
                FT_PAIR(widen_2);                                                                       \
            }                                                                                           \
        }                                                                                               \
    }
FT_WINDOWS(ft_cm4_windows_half, FT_HALF_2, FT_HALF_4)
FT_WINDOWS(ft_cm4_windows_wide, FT_WIDE_2, FT_WIDE_4)
// clang-format on

// The same from runs that are widened already; these have whole groups only.
static __attribute__((noinline, unused)) void ft_cm4_windows_weave(const ft_cm4_window *w,
                                                                   const int8_t *const *row_a,
                                                                   const int8_t *const *row_b, int32_t at_a,
                                                                   int32_t at_b, uint32_t *to) {
    for (int32_t i = w->k_h; i > 0; i--) {
        const uint32_t *a = (const uint32_t *)(const void *)(*row_a++ + at_a);
        const uint32_t *b = (const uint32_t *)(const void *)(*row_b++ + at_b);
        int32_t n = w->whole;
        for (; n >= 12; n -= 12) {
            FT_WEAVE(FT_WEAVE_2 FT_WEAVE_2 FT_WEAVE_2 FT_WEAVE_2 FT_WEAVE_2 FT_WEAVE_2);
        }
        for (; n >= 4; n -= 4) {
            FT_WEAVE(FT_WEAVE_2 FT_WEAVE_2);
        }
        if (n >= 2) {
            FT_WEAVE(FT_WEAVE_2);
        }
        if (n & 1) {
            to[0] = a[0];
            to[1] = a[1];
            to[2] = b[0];
            to[3] = b[1];
            to += 4;
        }
    }
}

#endif
