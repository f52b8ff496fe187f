// DEQUANTIZE of int8.
#ifndef FT_DEQUANTIZE_H
#define FT_DEQUANTIZE_H

#include "kernel.h"

typedef struct {
    int32_t count, zero_point;
    float f_scale;
} ft_dequantize;

FT_KERNEL void ft_dequantize_s8(const ft_dequantize *p, const int8_t *in, float *out) {
    for (int32_t i = 0; i < p->count; i++) {
        out[i] = p->f_scale * (float)(in[i] - p->zero_point);
    }
}

#endif
