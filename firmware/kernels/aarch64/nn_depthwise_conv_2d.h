// DEPTHWISE_CONV_2D, 3x3, one output for each channel, eight channels at a time (the last eight may overlap
// those before). Rows are copied once with their padding; no weight is -128, so that two products fit 16
// bits.
#ifndef FT_NN_DEPTHWISE_CONV_2D_H
#define FT_NN_DEPTHWISE_CONV_2D_H

#include "nn_rescale.h"

enum { FT_NN_WINDOW = 3, FT_NN_LANES = 8 };

typedef struct {
    int32_t batches;
    int32_t in_h, in_w, channels;
    int32_t out_h, out_w;
    int32_t stride_h, stride_w;
    int32_t pad_top, pad_left;
    int32_t in_zero, out_zero, out_min, out_max;
    int32_t row_bytes;  // of a padded row
} ft_nn_depthwise;

// Copies one input row, or a row of padding, with padding on both sides.
FT_INLINE void ft_nn_depthwise_row(const ft_nn_depthwise *p, const int8_t *image, int32_t y, int8_t *to) {
    const int32_t before = p->pad_left * p->channels;
    const int32_t inside = y >= 0 && y < p->in_h ? ft_min(p->in_w * p->channels, p->row_bytes - before) : 0;
    __builtin_memset(to, p->in_zero, (uint32_t)before);
    if (inside) {
        __builtin_memcpy(to + before, image + y * p->in_w * p->channels, (uint32_t)inside);
    }
    __builtin_memset(to + before + inside, p->in_zero, (uint32_t)(p->row_bytes - before - inside));
}

// Adds two taps of eight channels.
FT_INLINE void ft_nn_two_taps(int32x4x2_t *sums, int8x8_t x, int8x8_t w, int8x8_t y, int8x8_t v) {
    const int16x8_t products = vmlal_s8(vmull_s8(x, w), y, v);
    sums->val[0] = vaddw_s16(sums->val[0], vget_low_s16(products));
    sums->val[1] = vaddw_high_s16(sums->val[1], products);
}

// Eight channels of one row of outputs.
FT_INLINE void ft_nn_depthwise_lanes(const ft_nn_depthwise *p, const int8_t *const *rows, const int8_t *w,
                                     const ft_nn_channels *channels, int8_t *out) {
    const int32_t c = p->channels;
    int8x8_t taps[FT_NN_WINDOW * FT_NN_WINDOW];
    for (int32_t i = 0; i < FT_NN_WINDOW * FT_NN_WINDOW; i++) {
        taps[i] = vld1_s8(w + i * c);
    }
    const int8_t *top = rows[0], *middle = rows[1], *bottom = rows[2];
    const int32_t step = p->stride_w * c;
    for (int32_t x = 0; x < p->out_w; x++, top += step, middle += step, bottom += step, out += c) {
        int32x4x2_t sums = {{vdupq_n_s32(0), vdupq_n_s32(0)}};
        ft_nn_two_taps(&sums, vld1_s8(top), taps[0], vld1_s8(top + c), taps[1]);
        ft_nn_two_taps(&sums, vld1_s8(top + 2 * c), taps[2], vld1_s8(middle), taps[3]);
        ft_nn_two_taps(&sums, vld1_s8(middle + c), taps[4], vld1_s8(middle + 2 * c), taps[5]);
        ft_nn_two_taps(&sums, vld1_s8(bottom), taps[6], vld1_s8(bottom + c), taps[7]);
        const int16x8_t last = vmull_s8(vld1_s8(bottom + 2 * c), taps[8]);
        const int32x4_t low = vaddw_s16(sums.val[0], vget_low_s16(last));
        const int32x4_t high = vaddw_high_s16(sums.val[1], last);
        ft_nn_store8(out, ft_nn_outputs(low, channels, p->out_zero, p->out_min, p->out_max),
                     ft_nn_outputs(high, channels + 1, p->out_zero, p->out_min, p->out_max));
    }
}

FT_KERNEL void ft_nn_depthwise_3x3_s8(const ft_nn_depthwise *p, const int8_t *w,
                                      const ft_nn_channels *channels, const int8_t *in, int8_t *out,
                                      void *scratch) {
    int8_t *ring = (int8_t *)scratch;
    for (int32_t b = 0; b < p->batches; b++, in += p->in_h * p->in_w * p->channels) {
        int32_t stored = 0;  // rows so far, the first of which is -pad_top
        for (int32_t oy = 0; oy < p->out_h; oy++, out += p->out_w * p->channels) {
            const int32_t first = oy * p->stride_h;
            for (stored = ft_max(stored, first); stored < first + FT_NN_WINDOW; stored++) {
                ft_nn_depthwise_row(p, in, stored - p->pad_top, ring + stored % FT_NN_WINDOW * p->row_bytes);
            }
            // The constants come two fours for each eight channels, the overlapping ones last.
            const ft_nn_channels *constants = channels;
            for (int32_t at = 0; at < p->channels; at += FT_NN_LANES, constants += 2) {
                const int32_t c = ft_min(at, p->channels - FT_NN_LANES);
                const int8_t *rows[FT_NN_WINDOW];
                for (int32_t i = 0; i < FT_NN_WINDOW; i++) {
                    rows[i] = ring + (first + i) % FT_NN_WINDOW * p->row_bytes + c;
                }
                ft_nn_depthwise_lanes(p, rows, w + c, constants, out + c);
            }
        }
    }
}

#endif
