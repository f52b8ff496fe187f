// MUL: the product's scale is the product of the scales.
#ifndef FT_MUL_H
#define FT_MUL_H

#include "elementwise.h"

FT_KERNEL void ft_mul_s8(const ft_elementwise *p, const int8_t *in1, const int8_t *in2, int8_t *out) {
    ft_counters row = {{0}};
    do {
        const int8_t *a = in1 + ft_row_start(&row, p->step1);
        const int8_t *b = in2 + ft_row_start(&row, p->step2);
        for (int32_t i = 0; i < p->size[FT_LOOPS - 1]; i++) {
            const int32_t value = (*a - p->zero1) * (*b - p->zero2);
            *out++ = ft_elementwise_output(p, value);
            a += p->step1[FT_LOOPS - 1];
            b += p->step2[FT_LOOPS - 1];
        }
    } while (ft_next_row(&row, p->size));
}

FT_KERNEL void ft_mul_f32(const ft_elementwise *p, const float *in1, const float *in2, float *out) {
    ft_counters row = {{0}};
    do {
        const float *a = in1 + ft_row_start(&row, p->step1);
        const float *b = in2 + ft_row_start(&row, p->step2);
        for (int32_t i = 0; i < p->size[FT_LOOPS - 1]; i++) {
            *out++ = ft_elementwise_clamp(p, *a * *b);
            a += p->step1[FT_LOOPS - 1];
            b += p->step2[FT_LOOPS - 1];
        }
    } while (ft_next_row(&row, p->size));
}

#endif
