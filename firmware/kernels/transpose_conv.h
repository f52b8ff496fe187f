// TRANSPOSE_CONV: each output gathers the inputs whose windows, laid `stride` apart over the output, cover
// it.
#ifndef FT_TRANSPOSE_CONV_H
#define FT_TRANSPOSE_CONV_H

#include "arithmetic.h"

typedef struct {
    int32_t batches;
    int32_t in_h, in_w, in_c;
    int32_t out_h, out_w, out_c;
    int32_t k_h, k_w, stride_h, stride_w, pad_top, pad_left;
    int32_t in_zero, out_zero, out_min, out_max;
    int32_t channel_step;  // 0 where all channels share one multiplier
} ft_transpose_conv;

// The input row (or column) whose tap `k` falls on output position `at`, or -1.
FT_INLINE int32_t ft_transpose_conv_source(int32_t at, int32_t k, int32_t stride, int32_t size) {
    const int32_t from = at - k;
    return from >= 0 && from % stride == 0 && from / stride < size ? from / stride : -1;
}

// The sum for the output at (y, x), counted with padding; `w` is the channel's filter.
FT_INLINE uint32_t ft_transpose_conv_sum(const ft_transpose_conv *p, const int8_t *image, const int8_t *w,
                                         int32_t y, int32_t x) {
    uint32_t sum = 0;
    for (int32_t ky = 0; ky < p->k_h; ky++) {
        const int32_t in_y = ft_transpose_conv_source(y, ky, p->stride_h, p->in_h);
        for (int32_t kx = 0; kx < p->k_w; kx++, w += p->in_c) {
            const int32_t in_x = ft_transpose_conv_source(x, kx, p->stride_w, p->in_w);
            if (in_y < 0 || in_x < 0) {
                continue;
            }
            const int8_t *pixel = image + (in_y * p->in_w + in_x) * p->in_c;
            for (int32_t c = 0; c < p->in_c; c++) {
                sum += (uint32_t)((pixel[c] - p->in_zero) * w[c]);
            }
        }
    }
    return sum;
}

FT_KERNEL void ft_transpose_conv_s8(const ft_transpose_conv *p, const int8_t *w, const int32_t *bias,
                                    const int32_t *multipliers, const int8_t *shifts, const int8_t *in,
                                    int8_t *out) {
    const int32_t filter = p->k_h * p->k_w * p->in_c;
    for (int32_t b = 0; b < p->batches; b++, in += p->in_h * p->in_w * p->in_c) {
        for (int32_t y = 0; y < p->out_h; y++) {
            for (int32_t x = 0; x < p->out_w; x++) {
                for (int32_t c = 0; c < p->out_c; c++) {
                    const uint32_t sum =
                        ft_transpose_conv_sum(p, in, w + c * filter, y + p->pad_top, x + p->pad_left);
                    const int32_t at = c * p->channel_step;
                    *out++ = ft_output((int32_t)(sum + (uint32_t)bias[c]), multipliers[at], shifts[at],
                                       p->out_zero, p->out_min, p->out_max);
                }
            }
        }
    }
}

#endif
