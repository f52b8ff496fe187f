// QUANTIZE of real numbers: value / scale, rounded halves away from zero.
#ifndef FT_QUANTIZE_H
#define FT_QUANTIZE_H

#include "arithmetic.h"

typedef struct {
    int32_t count, zero_point;
    float f_scale;
} ft_quantize;

// Rounds halves away from zero, without the C library; anything far outside int8 stays outside.
FT_INLINE int32_t ft_quantize_round(float value) {
    const float limit = 65536.0f;
    const float held = value > limit ? limit : value > -limit ? value : -limit;
    const int32_t whole = (int32_t)held;
    const float rest = held - (float)whole;
    return whole + (rest >= 0.5f ? 1 : 0) - (rest <= -0.5f ? 1 : 0);
}

FT_KERNEL void ft_quantize_f32(const ft_quantize *p, const float *in, int8_t *out) {
    for (int32_t i = 0; i < p->count; i++) {
        const int32_t value = ft_quantize_round(in[i] / p->f_scale) + p->zero_point;
        out[i] = (int8_t)ft_clamp(value, INT8_MIN, INT8_MAX);
    }
}

#endif
