// MAX_POOL_2D.
#ifndef FT_MAX_POOL_2D_H
#define FT_MAX_POOL_2D_H

#include "pool_2d.h"

FT_KERNEL void ft_max_pool_2d_s8(const ft_pool_2d *p, const int8_t *in, int8_t *out) {
    for (int32_t b = 0; b < p->batches; b++, in += p->in_h * p->in_w * p->channels) {
        for (int32_t oy = 0; oy < p->out_h; oy++) {
            for (int32_t ox = 0; ox < p->out_w; ox++) {
                const ft_pool_area area = ft_pool_inside(p, oy, ox);
                for (int32_t c = 0; c < p->channels; c++) {
                    int32_t best = INT8_MIN;
                    for (int32_t y = area.top; y < area.bottom; y++) {
                        for (int32_t x = area.left; x < area.right; x++) {
                            best = ft_max(best, in[(y * p->in_w + x) * p->channels + c]);
                        }
                    }
                    *out++ = (int8_t)ft_clamp(best, p->out_min, p->out_max);
                }
            }
        }
    }
}

FT_KERNEL void ft_max_pool_2d_f32(const ft_pool_2d *p, const float *in, float *out) {
    for (int32_t b = 0; b < p->batches; b++, in += p->in_h * p->in_w * p->channels) {
        for (int32_t oy = 0; oy < p->out_h; oy++) {
            for (int32_t ox = 0; ox < p->out_w; ox++) {
                const ft_pool_area area = ft_pool_inside(p, oy, ox);
                for (int32_t c = 0; c < p->channels; c++) {
                    float best = p->f_min;
                    for (int32_t y = area.top; y < area.bottom; y++) {
                        for (int32_t x = area.left; x < area.right; x++) {
                            const float value = in[(y * p->in_w + x) * p->channels + c];
                            best = value > best ? value : best;
                        }
                    }
                    *out++ = best < p->f_max ? best : p->f_max;
                }
            }
        }
    }
}

#endif
