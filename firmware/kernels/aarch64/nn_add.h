// ADD of two tensors of the same shape, eight values at a time.
#ifndef FT_NN_ADD_H
#define FT_NN_ADD_H

#include "elementwise.h"
#include "nn_rescale.h"

// Four values of an input on the common scale.
FT_INLINE int32x4_t ft_nn_add_input(int16x4_t value, int32_t multiplier, int32_t shift) {
    return ft_nn_requantise(vshlq_n_s32(vmovl_s16(value), FT_HEADROOM), vdupq_n_s32(multiplier),
                            vdupq_n_s32(ft_max(shift, 0)), vdupq_n_s32(ft_min(shift, 0)));
}

FT_INLINE int32x4_t ft_nn_add_output(const ft_elementwise *p, int32x4_t sum) {
    const int32x4_t scaled =
        ft_nn_requantise(sum, vdupq_n_s32(p->out_multiplier), vdupq_n_s32(ft_max(p->out_shift, 0)),
                         vdupq_n_s32(ft_min(p->out_shift, 0)));
    const int32x4_t moved = vaddq_s32(scaled, vdupq_n_s32(p->out_zero));
    return vminq_s32(vmaxq_s32(moved, vdupq_n_s32(p->out_min)), vdupq_n_s32(p->out_max));
}

FT_KERNEL void ft_nn_add_s8(const ft_elementwise *p, int32_t count, const int8_t *in1, const int8_t *in2,
                            int8_t *out) {
    const int16x8_t zero1 = vdupq_n_s16((int16_t)p->zero1), zero2 = vdupq_n_s16((int16_t)p->zero2);
    int32_t i = 0;
    for (; i + 8 <= count; i += 8) {
        const int16x8_t a = vsubq_s16(vmovl_s8(vld1_s8(in1 + i)), zero1);
        const int16x8_t b = vsubq_s16(vmovl_s8(vld1_s8(in2 + i)), zero2);
        const int32x4_t low = vaddq_s32(ft_nn_add_input(vget_low_s16(a), p->multiplier1, p->shift1),
                                        ft_nn_add_input(vget_low_s16(b), p->multiplier2, p->shift2));
        const int32x4_t high = vaddq_s32(ft_nn_add_input(vget_high_s16(a), p->multiplier1, p->shift1),
                                         ft_nn_add_input(vget_high_s16(b), p->multiplier2, p->shift2));
        ft_nn_store8(out + i, ft_nn_add_output(p, low), ft_nn_add_output(p, high));
    }
    for (; i < count; i++) {
        const int32_t sum = ft_elementwise_first(p, in1[i]) + ft_elementwise_second(p, in2[i]);
        out[i] = ft_elementwise_output(p, sum);
    }
}

#endif
