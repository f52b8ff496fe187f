// SOFTMAX on int8, in TFLite's fixed-point arithmetic. The exponentials of all differences from the maximum
// are tabulated when compiling (Q31); those beyond the table's end count as zero.
#ifndef FT_SOFTMAX_H
#define FT_SOFTMAX_H

#include "arithmetic.h"

typedef struct {
    int32_t rows, depth, entries;
} ft_softmax;

// 1 / (1 + x) for x in [0, 1), both Q31: three Newton-Raphson steps (gemmlowp's
// one_over_one_plus_x_for_x_in_0_1).
FT_INLINE int32_t ft_softmax_reciprocal(int32_t x) {
    const int32_t half = (int32_t)(((uint32_t)x + 0x80000000u) >> 1);
    int32_t guess = 1515870810 + ft_high_mul(half, -1010580540);  // 48/17 - 32/17 * half, Q29
    for (int32_t step = 0; step < 3; step++) {
        const int32_t error = (1 << 29) - ft_high_mul(half, guess);
        guess = ft_add(guess, ft_saturating_shift_left(ft_high_mul(guess, error), 2));
    }
    return ft_saturating_shift_left(guess, 1);
}

FT_KERNEL void ft_softmax_s8(const ft_softmax *p, const int32_t *exponentials, const int8_t *in,
                             int8_t *out) {
    for (int32_t row = 0; row < p->rows; row++, in += p->depth, out += p->depth) {
        int32_t largest = in[0];
        for (int32_t i = 1; i < p->depth; i++) {
            largest = ft_max(largest, in[i]);
        }
        int32_t sum = 0;  // Q12.19, at least 1.0
        for (int32_t i = 0; i < p->depth; i++) {
            if (largest - in[i] < p->entries) {
                sum = ft_add(sum, ft_rounding_shift(exponentials[largest - in[i]], 12));
            }
        }
        const int32_t headroom = __builtin_clz((uint32_t)sum);
        const int32_t scale = ft_softmax_reciprocal((int32_t)(((uint32_t)sum << headroom) - 0x80000000u));
        for (int32_t i = 0; i < p->depth; i++) {
            const int32_t below = largest - in[i];
            int32_t value = 0;
            if (below < p->entries) {
                value = ft_rounding_shift(ft_high_mul(scale, exponentials[below]), 12 - headroom + 23);
            }
            out[i] = (int8_t)ft_min(value + INT8_MIN, INT8_MAX);
        }
    }
}

#endif
