// DEPTHWISE_CONV_2D, 3x3, one output for each channel: rows are stored once as unsigned bytes with their
// padding, and one channel's nine weights stay in registers along a whole row.
#ifndef FT_XT_DEPTHWISE_CONV_2D_H
#define FT_XT_DEPTHWISE_CONV_2D_H

#include "xt_rescale.h"

typedef struct {
    int32_t batches;
    int32_t in_h, in_w, channels;
    int32_t out_h, out_w;
    int32_t stride_h, stride_w;
    int32_t pad_top, pad_left;
    int32_t in_zero, out_min, out_max;
    int32_t row_bytes;  // of a padded row
} ft_xt_depthwise;

enum { FT_XT_WINDOW = 3 };

// Stores one input row, or a row of padding, with padding on both sides.
FT_INLINE void ft_xt_depthwise_row(const ft_xt_depthwise *p, const int8_t *image, int32_t y, uint8_t *to) {
    const uint8_t zero = (uint8_t)(p->in_zero + 128);
    const int32_t before = p->pad_left * p->channels;
    const int32_t inside = y >= 0 && y < p->in_h ? ft_min(p->in_w * p->channels, p->row_bytes - before) : 0;
    for (int32_t i = 0; i < before; i++) {
        to[i] = zero;
    }
    if (inside) {
        const uint8_t *from = (const uint8_t *)(image + y * p->in_w * p->channels);
        for (int32_t i = 0; i < inside; i++) {
            to[before + i] = from[i] ^ 0x80u;
        }
    }
    for (int32_t i = before + inside; i < p->row_bytes; i++) {
        to[i] = zero;
    }
}

// One channel of one row of outputs.
FT_INLINE void ft_xt_depthwise_channel(const ft_xt_depthwise *p, uint8_t *const *rows, const int8_t *w,
                                       const ft_xt_channel *channel, int8_t *out) {
    const int32_t c = p->channels;
    const int32_t w0 = w[0], w1 = w[1], w2 = w[2], w3 = w[3], w4 = w[4], w5 = w[5], w6 = w[6], w7 = w[7],
                  w8 = w[8];
    const uint8_t *top = rows[0], *middle = rows[1], *bottom = rows[2];
    const int32_t step = p->stride_w * c;
    // A copy, because stores of bytes may alias the original.
    const ft_xt_channel own = *channel;
    for (int32_t x = 0; x < p->out_w; x++, top += step, middle += step, bottom += step, out += c) {
        int32_t sum = own.bias;
        sum += top[0] * w0 + top[c] * w1 + top[2 * c] * w2;
        sum += middle[0] * w3 + middle[c] * w4 + middle[2 * c] * w5;
        sum += bottom[0] * w6 + bottom[c] * w7 + bottom[2 * c] * w8;
        *out = ft_xt_output(sum, &own, p->out_min, p->out_max);
    }
}

FT_KERNEL void ft_xt_depthwise_3x3_s8(const ft_xt_depthwise *p, const int8_t *w,
                                      const ft_xt_channel *channels, const int8_t *in, int8_t *out,
                                      void *scratch) {
    uint8_t *ring = (uint8_t *)scratch;
    for (int32_t b = 0; b < p->batches; b++, in += p->in_h * p->in_w * p->channels) {
        int32_t stored = 0;  // rows so far, the first of which is -pad_top
        for (int32_t oy = 0; oy < p->out_h; oy++, out += p->out_w * p->channels) {
            const int32_t first = oy * p->stride_h;
            for (stored = ft_max(stored, first); stored < first + FT_XT_WINDOW; stored++) {
                ft_xt_depthwise_row(p, in, stored - p->pad_top, ring + stored % FT_XT_WINDOW * p->row_bytes);
            }
            uint8_t *rows[FT_XT_WINDOW];
            for (int32_t i = 0; i < FT_XT_WINDOW; i++) {
                rows[i] = ring + (first + i) % FT_XT_WINDOW * p->row_bytes;
            }
            for (int32_t c = 0; c < p->channels; c++) {
                ft_xt_depthwise_channel(p, rows, w + 9 * c, channels + c, out + c);
                rows[0]++;
                rows[1]++;
                rows[2]++;
            }
        }
    }
}

#endif
