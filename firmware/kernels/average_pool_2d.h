// AVERAGE_POOL_2D: the int8 average rounds halves away from zero.
#ifndef FT_AVERAGE_POOL_2D_H
#define FT_AVERAGE_POOL_2D_H

#include "pool_2d.h"

FT_KERNEL void ft_average_pool_2d_s8(const ft_pool_2d *p, const int8_t *in, int8_t *out) {
    for (int32_t b = 0; b < p->batches; b++, in += p->in_h * p->in_w * p->channels) {
        for (int32_t oy = 0; oy < p->out_h; oy++) {
            for (int32_t ox = 0; ox < p->out_w; ox++) {
                const ft_pool_area area = ft_pool_inside(p, oy, ox);
                const int32_t count = (area.bottom - area.top) * (area.right - area.left);
                for (int32_t c = 0; c < p->channels; c++) {
                    int32_t sum = 0;
                    for (int32_t y = area.top; y < area.bottom; y++) {
                        for (int32_t x = area.left; x < area.right; x++) {
                            sum += in[(y * p->in_w + x) * p->channels + c];
                        }
                    }
                    const int32_t average = (sum > 0 ? sum + count / 2 : sum - count / 2) / count;
                    *out++ = (int8_t)ft_clamp(average, p->out_min, p->out_max);
                }
            }
        }
    }
}

FT_KERNEL void ft_average_pool_2d_f32(const ft_pool_2d *p, const float *in, float *out) {
    for (int32_t b = 0; b < p->batches; b++, in += p->in_h * p->in_w * p->channels) {
        for (int32_t oy = 0; oy < p->out_h; oy++) {
            for (int32_t ox = 0; ox < p->out_w; ox++) {
                const ft_pool_area area = ft_pool_inside(p, oy, ox);
                const int32_t count = (area.bottom - area.top) * (area.right - area.left);
                for (int32_t c = 0; c < p->channels; c++) {
                    float sum = 0.0f;
                    for (int32_t y = area.top; y < area.bottom; y++) {
                        for (int32_t x = area.left; x < area.right; x++) {
                            sum += in[(y * p->in_w + x) * p->channels + c];
                        }
                    }
                    const float average = sum / (float)count;
                    const float raised = average > p->f_min ? average : p->f_min;
                    *out++ = raised < p->f_max ? raised : p->f_max;
                }
            }
        }
    }
}

#endif
