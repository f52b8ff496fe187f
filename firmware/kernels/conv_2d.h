// CONV_2D, with the activation, surrounding padding and a following MAX_POOL_2D done on the way.
//
// The bias already holds -in_zero * (sum of weights), so stored values are multiplied as they are; a tap
// outside the image counts as in_zero. Pooling takes the maximum of the accumulators (rescaling keeps order),
// so that the unpooled map is never stored and only one value per window is rescaled.
#ifndef FT_CONV_2D_H
#define FT_CONV_2D_H

#include "arithmetic.h"
#include "dot.h"

typedef struct {
    int32_t batches;
    int32_t in_h, in_w, in_c;
    int32_t out_h, out_w, out_c;  // of the convolution, before pooling
    int32_t k_h, k_w;
    int32_t group_in, group_out;  // channels of one group
    int32_t stride_h, stride_w, dilation_h, dilation_w;
    int32_t pad_top, pad_left;
    int32_t pooled_h, pooled_w;  // of the output; equal to out_h, out_w without pooling
    int32_t pool_h, pool_w, pool_stride_h, pool_stride_w, pool_top, pool_left;
    int32_t in_zero, out_zero, out_min, out_max;
    int32_t channel_step;  // 0 where all channels share one multiplier
    float f_min, f_max;
} ft_conv_2d;

// Adds the products of the window whose first tap lies at (y, x).
FT_INLINE void ft_conv_2d_window(const ft_conv_2d *p, const int8_t *image, const int8_t *w, int32_t y,
                                 int32_t x, int32_t lanes, uint32_t *sums) {
    const int32_t row = p->k_w * p->group_in;
    const int32_t filter = p->k_h * row;
    const int32_t inside_x = x >= 0 && x + (p->k_w - 1) * p->dilation_w < p->in_w;
    const int32_t contiguous = inside_x && p->dilation_w == 1 && p->group_in == p->in_c;
    for (int32_t ky = 0; ky < p->k_h; ky++, w += row, y += p->dilation_h) {
        if (y < 0 || y >= p->in_h) {
            ft_dot_constant(p->in_zero, w, filter, row, lanes, sums);
            continue;
        }
        const int8_t *line = image + y * p->in_w * p->in_c;
        if (contiguous) {
            ft_dot(line + x * p->in_c, w, filter, row, lanes, sums);
            continue;
        }
        for (int32_t kx = 0; kx < p->k_w; kx++) {
            const int32_t at = x + kx * p->dilation_w;
            const int8_t *tap = w + kx * p->group_in;
            if (at < 0 || at >= p->in_w) {
                ft_dot_constant(p->in_zero, tap, filter, p->group_in, lanes, sums);
            } else {
                ft_dot(line + at * p->in_c, tap, filter, p->group_in, lanes, sums);
            }
        }
    }
}

// The largest accumulators over one pooling window, for `lanes` neighbouring channels.
FT_INLINE void ft_conv_2d_pooled(const ft_conv_2d *p, const int8_t *image, const int8_t *w,
                                 const int32_t *bias, int32_t pool_y, int32_t pool_x, int32_t lanes,
                                 int32_t *best) {
    for (int32_t lane = 0; lane < lanes; lane++) {
        best[lane] = INT32_MIN;
    }
    const int32_t y_end = ft_min(pool_y + p->pool_h, p->out_h);
    const int32_t x_end = ft_min(pool_x + p->pool_w, p->out_w);
    for (int32_t y = ft_max(pool_y, 0); y < y_end; y++) {
        for (int32_t x = ft_max(pool_x, 0); x < x_end; x++) {
            uint32_t sums[FT_LANES];
            for (int32_t lane = 0; lane < lanes; lane++) {
                sums[lane] = (uint32_t)bias[lane];
            }
            ft_conv_2d_window(p, image, w, y * p->stride_h - p->pad_top, x * p->stride_w - p->pad_left, lanes,
                              sums);
            for (int32_t lane = 0; lane < lanes; lane++) {
                best[lane] = ft_max(best[lane], (int32_t)sums[lane]);
            }
        }
    }
}

FT_INLINE void ft_conv_2d_channels(const ft_conv_2d *p, const int8_t *w, const int32_t *bias,
                                   const int32_t *multipliers, const int8_t *shifts, const int8_t *image,
                                   int32_t y, int32_t x, int32_t channel, int32_t lanes, int8_t *out) {
    int32_t best[FT_LANES];
    const int8_t *filters = w + channel * p->k_h * p->k_w * p->group_in;
    ft_conv_2d_pooled(p, image + channel / p->group_out * p->group_in, filters, bias + channel, y, x, lanes,
                      best);
    for (int32_t lane = 0; lane < lanes; lane++) {
        const int32_t at = (channel + lane) * p->channel_step;
        out[channel + lane] =
            ft_output(best[lane], multipliers[at], shifts[at], p->out_zero, p->out_min, p->out_max);
    }
}

FT_KERNEL void ft_conv_2d_s8(const ft_conv_2d *p, const int8_t *w, const int32_t *bias,
                             const int32_t *multipliers, const int8_t *shifts, const int8_t *in,
                             int8_t *out) {
    for (int32_t b = 0; b < p->batches; b++, in += p->in_h * p->in_w * p->in_c) {
        for (int32_t oy = 0; oy < p->pooled_h; oy++) {
            for (int32_t ox = 0; ox < p->pooled_w; ox++, out += p->out_c) {
                const int32_t y = oy * p->pool_stride_h - p->pool_top;
                const int32_t x = ox * p->pool_stride_w - p->pool_left;
                for (int32_t first = 0; first < p->out_c; first += p->group_out) {
                    const int32_t end = first + p->group_out;
                    int32_t c = first;
                    for (; c + FT_LANES <= end; c += FT_LANES) {
                        ft_conv_2d_channels(p, w, bias, multipliers, shifts, in, y, x, c, FT_LANES, out);
                    }
                    for (; c < end; c++) {
                        ft_conv_2d_channels(p, w, bias, multipliers, shifts, in, y, x, c, 1, out);
                    }
                }
            }
        }
    }
}

// One output of the convolution, before pooling. Additions are in TFLite's order: results agree to the last
// bit where the compiler does not contract multiplications and additions.
FT_INLINE float ft_conv_2d_sum_f32(const ft_conv_2d *p, const float *w, const float *image, int32_t y,
                                   int32_t x) {
    float sum = 0.0f;
    for (int32_t ky = 0; ky < p->k_h; ky++) {
        const int32_t at_y = y + ky * p->dilation_h;
        for (int32_t kx = 0; kx < p->k_w; kx++, w += p->group_in) {
            const int32_t at_x = x + kx * p->dilation_w;
            if (at_y < 0 || at_y >= p->in_h || at_x < 0 || at_x >= p->in_w) {
                continue;
            }
            const float *pixel = image + (at_y * p->in_w + at_x) * p->in_c;
            for (int32_t c = 0; c < p->group_in; c++) {
                sum += pixel[c] * w[c];
            }
        }
    }
    return sum;
}

FT_INLINE float ft_conv_2d_pooled_f32(const ft_conv_2d *p, const float *w, float bias, const float *image,
                                      int32_t pool_y, int32_t pool_x) {
    const int32_t y_end = ft_min(pool_y + p->pool_h, p->out_h);
    const int32_t x_end = ft_min(pool_x + p->pool_w, p->out_w);
    float best = p->f_min;
    for (int32_t y = ft_max(pool_y, 0); y < y_end; y++) {
        for (int32_t x = ft_max(pool_x, 0); x < x_end; x++) {
            const float sum =
                ft_conv_2d_sum_f32(p, w, image, y * p->stride_h - p->pad_top, x * p->stride_w - p->pad_left) +
                bias;
            best = sum > best ? sum : best;
        }
    }
    return best < p->f_max ? best : p->f_max;
}

FT_KERNEL void ft_conv_2d_f32(const ft_conv_2d *p, const float *w, const float *bias, const float *in,
                              float *out) {
    const int32_t filter = p->k_h * p->k_w * p->group_in;
    for (int32_t b = 0; b < p->batches; b++, in += p->in_h * p->in_w * p->in_c) {
        for (int32_t oy = 0; oy < p->pooled_h; oy++) {
            for (int32_t ox = 0; ox < p->pooled_w; ox++) {
                const int32_t y = oy * p->pool_stride_h - p->pool_top;
                const int32_t x = ox * p->pool_stride_w - p->pool_left;
                for (int32_t c = 0; c < p->out_c; c++) {
                    const float *image = in + c / p->group_out * p->group_in;
                    *out++ = ft_conv_2d_pooled_f32(p, w + c * filter, bias[c], image, y, x);
                }
            }
        }
    }
}

#endif
