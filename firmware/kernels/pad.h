// PAD and PADV2: the whole output is filled with the padding value, then the input is copied inside.
#ifndef FT_PAD_H
#define FT_PAD_H

#include "strided.h"

typedef struct {
    int32_t size[FT_LOOPS], from[FT_LOOPS], to[FT_LOOPS];
    int32_t start;  // of the input's first value in the output
    int32_t count;  // values of the output
    int32_t value;
    float f_value;
} ft_pad;

FT_KERNEL void ft_pad_s8(const ft_pad *p, const int8_t *in, int8_t *out) {
    for (int32_t i = 0; i < p->count; i++) {
        out[i] = (int8_t)p->value;
    }
    ft_counters row = {{0}};
    do {
        const int8_t *a = in + ft_row_start(&row, p->from);
        int8_t *b = out + p->start + ft_row_start(&row, p->to);
        for (int32_t i = 0; i < p->size[FT_LOOPS - 1]; i++) {
            b[i * p->to[FT_LOOPS - 1]] = a[i * p->from[FT_LOOPS - 1]];
        }
    } while (ft_next_row(&row, p->size));
}

FT_KERNEL void ft_pad_f32(const ft_pad *p, const float *in, float *out) {
    for (int32_t i = 0; i < p->count; i++) {
        out[i] = p->f_value;
    }
    ft_counters row = {{0}};
    do {
        const float *a = in + ft_row_start(&row, p->from);
        float *b = out + p->start + ft_row_start(&row, p->to);
        for (int32_t i = 0; i < p->size[FT_LOOPS - 1]; i++) {
            b[i * p->to[FT_LOOPS - 1]] = a[i * p->from[FT_LOOPS - 1]];
        }
    } while (ft_next_row(&row, p->size));
}

#endif
