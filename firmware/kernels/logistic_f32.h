// LOGISTIC on float32 (on int8 it is a table, see lookup.h), with TFLite's short cuts at both ends.
#ifndef FT_LOGISTIC_F32_H
#define FT_LOGISTIC_F32_H

#include <math.h>

#include "kernel.h"

typedef struct {
    int32_t count;
} ft_logistic_real;

FT_KERNEL void ft_logistic_f32(const ft_logistic_real *p, const float *in, float *out) {
    for (int32_t i = 0; i < p->count; i++) {
        const float x = in[i];
        // From 16.6 on, 1 + exp(-x) is 1; below -9, exp(x) is close enough to exp(x) / (1 + exp(x)).
        out[i] = x > 16.619047164916992f ? 1.0f : x < -9.0f ? expf(x) : 1.0f / (1.0f + expf(-x));
    }
}

#endif
