// MAX_POOL_2D, AVERAGE_POOL_2D and MEAN over pixels on a Cortex-M4: four channels at a time.
#ifndef FT_CM4_POOL_2D_H
#define FT_CM4_POOL_2D_H

#include "cm4_widen.h"
#include "pool_2d.h"

// Sums of four channels over an area; `columns` is at most 255, so that sums of a row fit 16 bits.
FT_INLINE void ft_cm4_area_sums(const int8_t *from, int32_t rows, int32_t row_step, int32_t columns,
                                int32_t step, int32_t *sums) {
    sums[0] = sums[1] = sums[2] = sums[3] = 0;
    for (; rows > 0; rows--, from += row_step) {
        const int8_t *at = from;
        uint32_t even = 0, odd = 0;
        for (int32_t i = columns; i > 0; i--, at += step) {
            const uint32_t v = *(const uint32_t *)(const void *)at;
            __asm("sxtab16 %0, %0, %1" : "+r"(even) : "r"(v));
            __asm("sxtab16 %0, %0, %1, ror #8" : "+r"(odd) : "r"(v));
        }
        sums[0] += (int16_t)even;
        sums[1] += (int16_t)odd;
        sums[2] += (int32_t)even >> 16;
        sums[3] += (int32_t)odd >> 16;
    }
}

static __attribute__((noinline, unused)) void ft_cm4_average_pool_2d_s8(const ft_pool_2d *p, const int8_t *in,
                                                                        int8_t *out) {
    const int32_t row = p->in_w * p->channels;
    for (int32_t b = 0; b < p->batches; b++, in += p->in_h * row) {
        for (int32_t oy = 0; oy < p->out_h; oy++) {
            for (int32_t ox = 0; ox < p->out_w; ox++) {
                const ft_pool_area area = ft_pool_inside(p, oy, ox);
                const int32_t rows = area.bottom - area.top, columns = area.right - area.left;
                const int32_t count = rows * columns;
                const int8_t *first = in + area.top * row + area.left * p->channels;
                for (int32_t c = 0; c < p->channels; c += 4) {
                    int32_t sums[4];
                    ft_cm4_area_sums(first + c, rows, row, columns, p->channels, sums);
                    for (int32_t k = 0; k < 4; k++) {
                        const int32_t nudge = sums[k] > 0 ? count / 2 : -(count / 2);
                        *out++ = (int8_t)ft_clamp((sums[k] + nudge) / count, p->out_min, p->out_max);
                    }
                }
            }
        }
    }
}

static __attribute__((noinline, unused)) void ft_cm4_max_pool_2d_s8(const ft_pool_2d *p, const int8_t *in,
                                                                    int8_t *out) {
    const int32_t row = p->in_w * p->channels;
    int8_t *const start = out;
    for (int32_t b = 0; b < p->batches; b++, in += p->in_h * row) {
        for (int32_t oy = 0; oy < p->out_h; oy++) {
            for (int32_t ox = 0; ox < p->out_w; ox++) {
                const ft_pool_area area = ft_pool_inside(p, oy, ox);
                const int8_t *first = in + area.top * row + area.left * p->channels;
                for (int32_t c = 0; c < p->channels; c += 4, out += 4) {
                    uint32_t best = 0x80808080u;
                    const int8_t *line = first + c;
                    for (int32_t y = area.top; y < area.bottom; y++, line += row) {
                        const int8_t *at = line;
                        for (int32_t x = area.left; x < area.right; x++, at += p->channels) {
                            const uint32_t v = *(const uint32_t *)(const void *)at;
                            uint32_t unused;
                            __asm("ssub8 %1, %0, %2\n\tsel %0, %0, %2" : "+&r"(best), "=&r"(unused) : "r"(v));
                        }
                    }
                    *(uint32_t *)(void *)out = best;
                }
            }
        }
    }
    if (p->out_min > INT8_MIN || p->out_max < INT8_MAX) {
        ft_cm4_clamp(start, (int32_t)(out - start), p->out_min, p->out_max);
    }
}

typedef struct {
    int32_t images, rows, columns, channels;  // averages over rows times columns pixels, for each channel
    int32_t offset;                           // the number of pixels times the input's zero point
    int32_t out_zero, multiplier, shift;
} ft_cm4_mean;

static __attribute__((noinline, unused)) void ft_cm4_mean_s8(const ft_cm4_mean *p, const int8_t *in,
                                                             int8_t *out) {
    const int32_t row = p->columns * p->channels;
    for (int32_t b = 0; b < p->images; b++, in += p->rows * row) {
        for (int32_t c = 0; c < p->channels; c += 4) {
            int32_t sums[4];
            ft_cm4_area_sums(in + c, p->rows, row, p->columns, p->channels, sums);
            for (int32_t k = 0; k < 4; k++) {
                *out++ =
                    ft_output(sums[k] - p->offset, p->multiplier, p->shift, p->out_zero, INT8_MIN, INT8_MAX);
            }
        }
    }
}

#endif
