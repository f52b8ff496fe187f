// Dot products of int8 vectors: the inner loops of convolutions and fully connected layers.
#ifndef FT_DOT_H
#define FT_DOT_H

#include "kernel.h"

// Filters that one pass over the input serves: each loaded value is multiplied four times.
enum { FT_LANES = 4 };

// sums[i] += x . w[i], for filters that lie `stride` apart; sums wrap like TFLite's accumulators.
FT_INLINE void ft_dot4(const int8_t *x, const int8_t *w, int32_t stride, int32_t count, uint32_t *sums) {
    const int8_t *w1 = w + stride;
    const int8_t *w2 = w1 + stride;
    const int8_t *w3 = w2 + stride;
    uint32_t s0 = sums[0], s1 = sums[1], s2 = sums[2], s3 = sums[3];
    for (int32_t i = 0; i < count; i++) {
        const int32_t value = x[i];
        s0 += (uint32_t)(value * w[i]);
        s1 += (uint32_t)(value * w1[i]);
        s2 += (uint32_t)(value * w2[i]);
        s3 += (uint32_t)(value * w3[i]);
    }
    sums[0] = s0;
    sums[1] = s1;
    sums[2] = s2;
    sums[3] = s3;
}

// The same for 1 to 4 filters.
FT_INLINE void ft_dot(const int8_t *x, const int8_t *w, int32_t stride, int32_t count, int32_t lanes,
                      uint32_t *sums) {
    if (lanes == FT_LANES) {
        ft_dot4(x, w, stride, count, sums);
        return;
    }
    for (int32_t lane = 0; lane < lanes; lane++) {
        uint32_t sum = sums[lane];
        for (int32_t i = 0; i < count; i++) {
            sum += (uint32_t)(x[i] * w[lane * stride + i]);
        }
        sums[lane] = sum;
    }
}

// sums[i] += value * (sum of w[i]): what a stretch of padding contributes.
FT_INLINE void ft_dot_constant(int32_t value, const int8_t *w, int32_t stride, int32_t count, int32_t lanes,
                               uint32_t *sums) {
    for (int32_t lane = 0; lane < lanes; lane++) {
        int32_t sum = 0;
        for (int32_t i = 0; i < count; i++) {
            sum += w[lane * stride + i];
        }
        sums[lane] += (uint32_t)(value * sum);
    }
}

#endif
