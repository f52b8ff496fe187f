// Rescaling four sums to int8 at once; SQRDMULH is TFLite's high multiplication.
#ifndef FT_NN_RESCALE_H
#define FT_NN_RESCALE_H

#include <arm_neon.h>

#include "arithmetic.h"

// Constants of four output channels; `right` holds the shift as a negative number.
typedef struct {
    int32_t bias[4], multiplier[4], left[4], right[4];
} ft_nn_channels;

// Both of TFLite's roundings: halves of negative numbers go down because one is taken from them before SRSHL.
FT_INLINE int32x4_t ft_nn_requantise(int32x4_t value, int32x4_t multiplier, int32x4_t left, int32x4_t right) {
    const int32x4_t high = vqrdmulhq_s32(vshlq_s32(value, left), multiplier);
    const int32x4_t less = vshrq_n_s32(vandq_s32(high, right), 31);
    return vrshlq_s32(vaddq_s32(high, less), right);
}

FT_INLINE int32x4_t ft_nn_outputs(int32x4_t sums, const ft_nn_channels *c, int32_t zero, int32_t low,
                                  int32_t high) {
    const int32x4_t scaled = ft_nn_requantise(vaddq_s32(sums, vld1q_s32(c->bias)), vld1q_s32(c->multiplier),
                                              vld1q_s32(c->left), vld1q_s32(c->right));
    return vminq_s32(vmaxq_s32(vaddq_s32(scaled, vdupq_n_s32(zero)), vdupq_n_s32(low)), vdupq_n_s32(high));
}

// Stores the first `count` of four values.
FT_INLINE void ft_nn_store(int8_t *out, int32x4_t values, int32_t count) {
    const int16x4_t half = vmovn_s32(values);
    const int8x8_t bytes = vmovn_s16(vcombine_s16(half, half));
    if (count == 4) {
        const int32_t word = vget_lane_s32(vreinterpret_s32_s8(bytes), 0);
        __builtin_memcpy(out, &word, 4);
        return;
    }
    out[0] = vget_lane_s8(bytes, 0);
    if (count > 1) {
        out[1] = vget_lane_s8(bytes, 1);
    }
    if (count > 2) {
        out[2] = vget_lane_s8(bytes, 2);
    }
}

// Eight values, the first four in `a`.
FT_INLINE void ft_nn_store8(int8_t *out, int32x4_t a, int32x4_t b) {
    vst1_s8(out, vmovn_s16(vcombine_s16(vmovn_s32(a), vmovn_s32(b))));
}

#endif
