// Reads an array in another order: TRANSPOSE and STRIDED_SLICE. Values are moved as bits, whatever their
// type.
#ifndef FT_GATHER_H
#define FT_GATHER_H

#include "strided.h"

typedef struct {
    int32_t start, size[FT_LOOPS], step[FT_LOOPS];
} ft_gather;

FT_KERNEL void ft_gather_8(const ft_gather *p, const int8_t *in, int8_t *out) {
    ft_counters row = {{0}};
    do {
        const int32_t first = p->start + ft_row_start(&row, p->step);
        for (int32_t i = 0; i < p->size[FT_LOOPS - 1]; i++) {
            *out++ = in[first + i * p->step[FT_LOOPS - 1]];
        }
    } while (ft_next_row(&row, p->size));
}

FT_KERNEL void ft_gather_32(const ft_gather *p, const float *in, float *out) {
    ft_counters row = {{0}};
    do {
        const int32_t first = p->start + ft_row_start(&row, p->step);
        for (int32_t i = 0; i < p->size[FT_LOOPS - 1]; i++) {
            *out++ = in[first + i * p->step[FT_LOOPS - 1]];
        }
    } while (ft_next_row(&row, p->size));
}

#endif
