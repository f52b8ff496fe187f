// FULLY_CONNECTED: weights [outputs][depth]; the bias holds -in_zero * (sum of weights).
#ifndef FT_FULLY_CONNECTED_H
#define FT_FULLY_CONNECTED_H

#include "arithmetic.h"
#include "dot.h"

typedef struct {
    int32_t rows, depth, outputs;
    int32_t out_zero, out_min, out_max;
    int32_t channel_step;  // 0 where all outputs share one multiplier
    float f_min, f_max;
} ft_fully_connected;

// Where a run over the outputs has got to: all pointers belong to the next output.
typedef struct {
    const int8_t *w;
    const int32_t *bias, *multipliers;
    const int8_t *shifts;
    int8_t *out;
} ft_fully_connected_at;

// Computes the next `lanes` outputs.
FT_INLINE void ft_fully_connected_lanes(const ft_fully_connected *p, const int8_t *in, int32_t lanes,
                                        ft_fully_connected_at *at) {
    uint32_t sums[FT_LANES];
    for (int32_t lane = 0; lane < lanes; lane++) {
        sums[lane] = (uint32_t)at->bias[lane];
    }
    ft_dot(in, at->w, p->depth, p->depth, lanes, sums);
    for (int32_t lane = 0; lane < lanes; lane++) {
        *at->out++ = ft_output((int32_t)sums[lane], *at->multipliers, *at->shifts, p->out_zero, p->out_min,
                               p->out_max);
        at->multipliers += p->channel_step;
        at->shifts += p->channel_step;
    }
    at->w += lanes * p->depth;
    at->bias += lanes;
}

FT_KERNEL void ft_fully_connected_s8(const ft_fully_connected *p, const int8_t *w, const int32_t *bias,
                                     const int32_t *multipliers, const int8_t *shifts, const int8_t *in,
                                     int8_t *out) {
    for (int32_t row = 0; row < p->rows; row++, in += p->depth, out += p->outputs) {
        ft_fully_connected_at at = {w, bias, multipliers, shifts, out};
        int32_t left = p->outputs;
        for (; left >= FT_LANES; left -= FT_LANES) {
            ft_fully_connected_lanes(p, in, FT_LANES, &at);
        }
        for (; left > 0; left--) {
            ft_fully_connected_lanes(p, in, 1, &at);
        }
    }
}

FT_KERNEL void ft_fully_connected_f32(const ft_fully_connected *p, const float *w, const float *bias,
                                      const float *in, float *out) {
    for (int32_t row = 0; row < p->rows; row++, in += p->depth) {
        for (int32_t o = 0; o < p->outputs; o++) {
            const float *weights = w + o * p->depth;
            float sum = 0.0f;
            for (int32_t i = 0; i < p->depth; i++) {
                sum += in[i] * weights[i];
            }
            sum += bias[o];
            const float raised = sum > p->f_min ? sum : p->f_min;
            *out++ = raised < p->f_max ? raised : p->f_max;
        }
    }
}

#endif
