// DEPTHWISE_CONV_2D: weights [k_h][k_w][channels * multiplier].
//
// As in conv_2d.h the bias holds -in_zero * (sum of weights) and a tap outside the image counts as in_zero.
#ifndef FT_DEPTHWISE_CONV_2D_H
#define FT_DEPTHWISE_CONV_2D_H

#include "arithmetic.h"

typedef struct {
    int32_t batches;
    int32_t in_h, in_w, in_c;
    int32_t out_h, out_w;
    int32_t multiplier;  // output channels of one input channel
    int32_t k_h, k_w;
    int32_t stride_h, stride_w, dilation_h, dilation_w;
    int32_t pad_top, pad_left;
    int32_t in_zero, out_zero, out_min, out_max;
    int32_t channel_step;  // 0 where all channels share one multiplier
    float f_min, f_max;
} ft_depthwise_conv_2d;

// The sum over a window that lies inside the image; `x` is the channel's value under the first tap.
FT_INLINE uint32_t ft_depthwise_inside(const ft_depthwise_conv_2d *p, const int8_t *x, const int8_t *w) {
    const int32_t out_c = p->in_c * p->multiplier;
    const int32_t row = p->dilation_h * p->in_w * p->in_c;
    const int32_t step = p->dilation_w * p->in_c;
    uint32_t sum = 0;
    for (int32_t ky = 0; ky < p->k_h; ky++, x += row) {
        for (int32_t kx = 0; kx < p->k_w; kx++, w += out_c) {
            sum += (uint32_t)(x[kx * step] * *w);
        }
    }
    return sum;
}

// The sum over a window that reaches over the image's border.
FT_INLINE uint32_t ft_depthwise_border(const ft_depthwise_conv_2d *p, const int8_t *image, const int8_t *w,
                                       int32_t y, int32_t x) {
    const int32_t out_c = p->in_c * p->multiplier;
    uint32_t sum = 0;
    for (int32_t ky = 0; ky < p->k_h; ky++) {
        const int32_t at_y = y + ky * p->dilation_h;
        for (int32_t kx = 0; kx < p->k_w; kx++, w += out_c) {
            const int32_t at_x = x + kx * p->dilation_w;
            const int32_t inside = at_y >= 0 && at_y < p->in_h && at_x >= 0 && at_x < p->in_w;
            const int32_t value = inside ? image[(at_y * p->in_w + at_x) * p->in_c] : p->in_zero;
            sum += (uint32_t)(value * *w);
        }
    }
    return sum;
}

FT_INLINE void ft_depthwise_pixel(const ft_depthwise_conv_2d *p, const int8_t *w, const int32_t *bias,
                                  const int32_t *multipliers, const int8_t *shifts, const int8_t *in,
                                  int32_t y, int32_t x, int8_t *out) {
    const int32_t inside = y >= 0 && y + (p->k_h - 1) * p->dilation_h < p->in_h && x >= 0 &&
                           x + (p->k_w - 1) * p->dilation_w < p->in_w;
    int32_t oc = 0;
    for (int32_t c = 0; c < p->in_c; c++) {
        for (int32_t m = 0; m < p->multiplier; m++, oc++) {
            const uint32_t sum = inside ? ft_depthwise_inside(p, in + (y * p->in_w + x) * p->in_c + c, w + oc)
                                        : ft_depthwise_border(p, in + c, w + oc, y, x);
            const int32_t at = oc * p->channel_step;
            out[oc] = ft_output((int32_t)(sum + (uint32_t)bias[oc]), multipliers[at], shifts[at], p->out_zero,
                                p->out_min, p->out_max);
        }
    }
}

FT_KERNEL void ft_depthwise_conv_2d_s8(const ft_depthwise_conv_2d *p, const int8_t *w, const int32_t *bias,
                                       const int32_t *multipliers, const int8_t *shifts, const int8_t *in,
                                       int8_t *out) {
    for (int32_t b = 0; b < p->batches; b++, in += p->in_h * p->in_w * p->in_c) {
        for (int32_t oy = 0; oy < p->out_h; oy++) {
            for (int32_t ox = 0; ox < p->out_w; ox++, out += p->in_c * p->multiplier) {
                ft_depthwise_pixel(p, w, bias, multipliers, shifts, in, oy * p->stride_h - p->pad_top,
                                   ox * p->stride_w - p->pad_left, out);
            }
        }
    }
}

FT_INLINE float ft_depthwise_sum_f32(const ft_depthwise_conv_2d *p, const float *image, const float *w,
                                     int32_t y, int32_t x) {
    float sum = 0.0f;
    for (int32_t ky = 0; ky < p->k_h; ky++) {
        const int32_t at_y = y + ky * p->dilation_h;
        for (int32_t kx = 0; kx < p->k_w; kx++, w += p->in_c * p->multiplier) {
            const int32_t at_x = x + kx * p->dilation_w;
            if (at_y >= 0 && at_y < p->in_h && at_x >= 0 && at_x < p->in_w) {
                sum += image[(at_y * p->in_w + at_x) * p->in_c] * *w;
            }
        }
    }
    return sum;
}

FT_KERNEL void ft_depthwise_conv_2d_f32(const ft_depthwise_conv_2d *p, const float *w, const float *bias,
                                        const float *in, float *out) {
    for (int32_t b = 0; b < p->batches; b++, in += p->in_h * p->in_w * p->in_c) {
        for (int32_t oy = 0; oy < p->out_h; oy++) {
            for (int32_t ox = 0; ox < p->out_w; ox++) {
                const int32_t y = oy * p->stride_h - p->pad_top;
                const int32_t x = ox * p->stride_w - p->pad_left;
                for (int32_t oc = 0; oc < p->in_c * p->multiplier; oc++) {
                    const float sum =
                        ft_depthwise_sum_f32(p, in + oc / p->multiplier, w + oc, y, x) + bias[oc];
                    const float raised = sum > p->f_min ? sum : p->f_min;
                    *out++ = raised < p->f_max ? raised : p->f_max;
                }
            }
        }
    }
}

#endif
