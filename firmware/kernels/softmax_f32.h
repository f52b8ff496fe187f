// SOFTMAX on float32; apart from softmax.h because it needs the C library's expf.
#ifndef FT_SOFTMAX_F32_H
#define FT_SOFTMAX_F32_H

#include <math.h>

#include "kernel.h"

typedef struct {
    int32_t rows, depth;
    float beta;
} ft_softmax_real;

FT_KERNEL void ft_softmax_f32(const ft_softmax_real *p, const float *in, float *out) {
    for (int32_t row = 0; row < p->rows; row++, in += p->depth, out += p->depth) {
        float largest = in[0];
        for (int32_t i = 1; i < p->depth; i++) {
            largest = in[i] > largest ? in[i] : largest;
        }
        float sum = 0.0f;
        for (int32_t i = 0; i < p->depth; i++) {
            out[i] = expf((in[i] - largest) * p->beta);
            sum += out[i];
        }
        for (int32_t i = 0; i < p->depth; i++) {
            out[i] = out[i] / sum;
        }
    }
}

#endif
