// RELU and RELU6 on float32 (on int8 they are a table, see lookup.h).
#ifndef FT_RELU_H
#define FT_RELU_H

#include "kernel.h"

typedef struct {
    int32_t count;
    float f_min, f_max;
} ft_relu;

FT_KERNEL void ft_relu_f32(const ft_relu *p, const float *in, float *out) {
    for (int32_t i = 0; i < p->count; i++) {
        const float value = in[i];
        out[i] = value > p->f_max ? p->f_max : value < p->f_min ? p->f_min : value;
    }
}

#endif
