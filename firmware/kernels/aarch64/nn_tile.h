// The register tile of convolutions and fully connected layers: four channels times one or two columns.
//
// Sixteen products take SMULL, SMLAL2 and SADALP: two products share 16 bits, which holds while no weight is
// -128.
#ifndef FT_NN_TILE_H
#define FT_NN_TILE_H

#include <arm_neon.h>

#include "kernel.h"

enum { FT_NN_CHANNELS = 4, FT_NN_COLUMNS = 2, FT_NN_TAPS = 16 };

FT_INLINE int32x4_t ft_nn_products(int32x4_t sum, int8x16_t x, int8x16_t w) {
    return vpadalq_s16(sum, vmlal_high_s8(vmull_s8(vget_low_s8(x), vget_low_s8(w)), x, w));
}

// One sum of each of four vectors.
FT_INLINE int32x4_t ft_nn_reduce(int32x4_t a, int32x4_t b, int32x4_t c, int32x4_t d) {
    return vpaddq_s32(vpaddq_s32(a, b), vpaddq_s32(c, d));
}

// Four channels' sums over both columns; `w` holds sixteen taps of each channel in turn.
static __attribute__((unused, noinline)) int32x4x2_t ft_nn_tile(const int8_t *first, const int8_t *second,
                                                                const int8_t *w, int32_t steps) {
    const int32x4_t none = vdupq_n_s32(0);
    int32x4_t a0 = none, a1 = none, a2 = none, a3 = none, b0 = none, b1 = none, b2 = none, b3 = none;
    for (; steps > 0; steps--, first += FT_NN_TAPS, second += FT_NN_TAPS, w += 4 * FT_NN_TAPS) {
        const int8x16_t x = vld1q_s8(first), y = vld1q_s8(second);
        const int8x16_t w0 = vld1q_s8(w), w1 = vld1q_s8(w + FT_NN_TAPS), w2 = vld1q_s8(w + 2 * FT_NN_TAPS),
                        w3 = vld1q_s8(w + 3 * FT_NN_TAPS);
        a0 = ft_nn_products(a0, x, w0);
        b0 = ft_nn_products(b0, y, w0);
        a1 = ft_nn_products(a1, x, w1);
        b1 = ft_nn_products(b1, y, w1);
        a2 = ft_nn_products(a2, x, w2);
        b2 = ft_nn_products(b2, y, w2);
        a3 = ft_nn_products(a3, x, w3);
        b3 = ft_nn_products(b3, y, w3);
    }
    const int32x4x2_t sums = {{ft_nn_reduce(a0, a1, a2, a3), ft_nn_reduce(b0, b1, b2, b3)}};
    return sums;
}

// Four channels' sums over one column.
static __attribute__((unused, noinline)) int32x4_t ft_nn_column(const int8_t *column, const int8_t *w,
                                                                int32_t steps) {
    const int32x4_t none = vdupq_n_s32(0);
    int32x4_t a0 = none, a1 = none, a2 = none, a3 = none;
    for (; steps > 0; steps--, column += FT_NN_TAPS, w += 4 * FT_NN_TAPS) {
        const int8x16_t x = vld1q_s8(column);
        a0 = ft_nn_products(a0, x, vld1q_s8(w));
        a1 = ft_nn_products(a1, x, vld1q_s8(w + FT_NN_TAPS));
        a2 = ft_nn_products(a2, x, vld1q_s8(w + 2 * FT_NN_TAPS));
        a3 = ft_nn_products(a3, x, vld1q_s8(w + 3 * FT_NN_TAPS));
    }
    return ft_nn_reduce(a0, a1, a2, a3);
}

#endif
