// MEAN over any axes: `kept` are the loops over results, `over` the loops over the values of one result.
#ifndef FT_MEAN_H
#define FT_MEAN_H

#include "arithmetic.h"
#include "strided.h"

typedef struct {
    int32_t kept[FT_LOOPS], kept_step[FT_LOOPS];
    int32_t over[FT_LOOPS], over_step[FT_LOOPS];
    int32_t count;   // values of one result
    int32_t offset;  // count times the input's zero point
    int32_t out_zero, multiplier, shift;
} ft_mean;

FT_INLINE int32_t ft_mean_sum_s8(const ft_mean *p, const int8_t *in) {
    int32_t sum = 0;
    ft_counters row = {{0}};
    do {
        const int8_t *value = in + ft_row_start(&row, p->over_step);
        for (int32_t i = 0; i < p->over[FT_LOOPS - 1]; i++) {
            sum += value[i * p->over_step[FT_LOOPS - 1]];
        }
    } while (ft_next_row(&row, p->over));
    return sum;
}

FT_KERNEL void ft_mean_s8(const ft_mean *p, const int8_t *in, int8_t *out) {
    ft_counters row = {{0}};
    do {
        const int8_t *first = in + ft_row_start(&row, p->kept_step);
        for (int32_t i = 0; i < p->kept[FT_LOOPS - 1]; i++) {
            const int32_t sum = ft_mean_sum_s8(p, first + i * p->kept_step[FT_LOOPS - 1]) - p->offset;
            *out++ = ft_output(sum, p->multiplier, p->shift, p->out_zero, INT8_MIN, INT8_MAX);
        }
    } while (ft_next_row(&row, p->kept));
}

FT_INLINE float ft_mean_sum_f32(const ft_mean *p, const float *in) {
    float sum = 0.0f;
    ft_counters row = {{0}};
    do {
        const float *value = in + ft_row_start(&row, p->over_step);
        for (int32_t i = 0; i < p->over[FT_LOOPS - 1]; i++) {
            sum += value[i * p->over_step[FT_LOOPS - 1]];
        }
    } while (ft_next_row(&row, p->over));
    return sum;
}

FT_KERNEL void ft_mean_f32(const ft_mean *p, const float *in, float *out) {
    ft_counters row = {{0}};
    do {
        const float *first = in + ft_row_start(&row, p->kept_step);
        for (int32_t i = 0; i < p->kept[FT_LOOPS - 1]; i++) {
            *out++ = ft_mean_sum_f32(p, first + i * p->kept_step[FT_LOOPS - 1]) / (float)p->count;
        }
    } while (ft_next_row(&row, p->kept));
}

#endif
