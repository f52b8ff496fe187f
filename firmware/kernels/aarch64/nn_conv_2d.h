// CONV_2D in tiles of four channels times two pixels; see nn_tile.h.
//
// The window of each pixel is copied into a column, padding included; 1x1 windows of whole sixteens are read
// where they are. Under a MAX_POOL_2D the columns are those of one pooling window, and the maximum comes
// before rescaling.
#ifndef FT_NN_CONV_2D_H
#define FT_NN_CONV_2D_H

#include "nn_rescale.h"
#include "nn_tile.h"

typedef struct {
    int32_t batches;
    int32_t in_h, in_w, in_c;
    int32_t out_h, out_w, out_c;  // of the convolution, before pooling
    int32_t k_h, k_w;
    int32_t stride_h, stride_w, dilation_h, dilation_w;
    int32_t pad_top, pad_left;
    int32_t pooled_h, pooled_w;
    int32_t pool_h, pool_w, pool_stride_h, pool_stride_w, pool_top, pool_left;  // pool_h 0: no pooling
    int32_t in_zero, out_zero, out_min, out_max;
    int32_t steps;   // sixteens of taps of a column
    int32_t direct;  // whether columns are read from the image itself
} ft_nn_conv_2d;

// Copies one row of a window whose first tap lies at column x.
FT_INLINE void ft_nn_window_row(const ft_nn_conv_2d *p, const int8_t *line, int32_t x, int8_t *to) {
    if (p->dilation_w == 1) {
        const int32_t left = ft_clamp(-x, 0, p->k_w);
        const int32_t right = ft_clamp(p->in_w - x, left, p->k_w);
        const int32_t before = left * p->in_c, inside = (right - left) * p->in_c;
        __builtin_memset(to, p->in_zero, (uint32_t)before);
        __builtin_memcpy(to + before, line + (x + left) * p->in_c, (uint32_t)inside);
        __builtin_memset(to + before + inside, p->in_zero, (uint32_t)((p->k_w - right) * p->in_c));
        return;
    }
    for (int32_t kx = 0; kx < p->k_w; kx++, x += p->dilation_w, to += p->in_c) {
        if (x < 0 || x >= p->in_w) {
            __builtin_memset(to, p->in_zero, (uint32_t)p->in_c);
        } else {
            __builtin_memcpy(to, line + x * p->in_c, (uint32_t)p->in_c);
        }
    }
}

// Returns the column of output pixel (oy, ox), copied to `to` where need be.
FT_INLINE const int8_t *ft_nn_window(const ft_nn_conv_2d *p, const int8_t *image, int32_t oy, int32_t ox,
                                     int8_t *to) {
    const int32_t x = ox * p->stride_w - p->pad_left;
    int32_t y = oy * p->stride_h - p->pad_top;
    if (p->direct) {
        return image + (y * p->in_w + x) * p->in_c;
    }
    const int32_t row = p->k_w * p->in_c;
    for (int32_t ky = 0; ky < p->k_h; ky++, y += p->dilation_h) {
        if (y < 0 || y >= p->in_h) {
            __builtin_memset(to + ky * row, p->in_zero, (uint32_t)row);
        } else {
            ft_nn_window_row(p, image + y * p->in_w * p->in_c, x, to + ky * row);
        }
    }
    return to;
}

// All channels of two pixels; the second's outputs are stored where `both`.
FT_INLINE void ft_nn_pixels(const ft_nn_conv_2d *p, const int8_t *w, const ft_nn_channels *channels,
                            const int8_t *const *columns, int32_t both, int8_t *out) {
    for (int32_t c = 0; c < p->out_c; c += FT_NN_CHANNELS, channels++) {
        const int32x4x2_t sums = ft_nn_tile(columns[0], columns[1], w, p->steps);
        const int32_t lanes = ft_min(FT_NN_CHANNELS, p->out_c - c);
        ft_nn_store(out + c, ft_nn_outputs(sums.val[0], channels, p->out_zero, p->out_min, p->out_max),
                    lanes);
        if (both) {
            ft_nn_store(out + p->out_c + c,
                        ft_nn_outputs(sums.val[1], channels, p->out_zero, p->out_min, p->out_max), lanes);
        }
        w += p->steps * FT_NN_TAPS * FT_NN_CHANNELS;
    }
}

FT_INLINE void ft_nn_conv_2d_unpooled(const ft_nn_conv_2d *p, const int8_t *w, const ft_nn_channels *channels,
                                      const int8_t *in, int8_t *out, int8_t *scratch) {
    const int8_t *columns[FT_NN_COLUMNS] = {scratch, scratch};
    int32_t waiting = 0;
    for (int32_t b = 0; b < p->batches; b++, in += p->in_h * p->in_w * p->in_c) {
        for (int32_t oy = 0; oy < p->out_h; oy++) {
            for (int32_t ox = 0; ox < p->out_w; ox++) {
                columns[waiting] = ft_nn_window(p, in, oy, ox, scratch + waiting * p->steps * FT_NN_TAPS);
                if (++waiting == FT_NN_COLUMNS) {
                    ft_nn_pixels(p, w, channels, columns, 1, out);
                    out += FT_NN_COLUMNS * p->out_c;
                    waiting = 0;
                }
            }
        }
    }
    if (waiting) {
        columns[1] = columns[0];
        ft_nn_pixels(p, w, channels, columns, 0, out);
    }
}

// The columns of one pooling window; returns their number, made even by repeating the last.
FT_INLINE int32_t ft_nn_pool_columns(const ft_nn_conv_2d *p, const int8_t *image, int32_t py, int32_t px,
                                     int8_t *scratch) {
    const int32_t each = p->steps * FT_NN_TAPS;
    const int32_t top = py * p->pool_stride_h - p->pool_top;
    const int32_t left = px * p->pool_stride_w - p->pool_left;
    const int32_t y_end = ft_min(top + p->pool_h, p->out_h);
    const int32_t x_end = ft_min(left + p->pool_w, p->out_w);
    int32_t count = 0;
    for (int32_t y = ft_max(top, 0); y < y_end; y++) {
        for (int32_t x = ft_max(left, 0); x < x_end; x++, count++) {
            (void)ft_nn_window(p, image, y, x, scratch + count * each);
        }
    }
    if (count & 1) {
        __builtin_memcpy(scratch + count * each, scratch + (count - 1) * each, (uint32_t)each);
        count++;
    }
    return count;
}

FT_INLINE void ft_nn_conv_2d_pooled(const ft_nn_conv_2d *p, const int8_t *w, const ft_nn_channels *channels,
                                    const int8_t *scratch, int32_t count, int8_t *out) {
    const int32_t each = p->steps * FT_NN_TAPS;
    for (int32_t c = 0; c < p->out_c; c += FT_NN_CHANNELS, channels++, w += each * FT_NN_CHANNELS) {
        int32x4_t best = vdupq_n_s32(INT32_MIN);
        for (int32_t n = 0; n < count; n += FT_NN_COLUMNS) {
            const int32x4x2_t sums = ft_nn_tile(scratch + n * each, scratch + (n + 1) * each, w, p->steps);
            best = vmaxq_s32(best, vmaxq_s32(sums.val[0], sums.val[1]));
        }
        ft_nn_store(out + c, ft_nn_outputs(best, channels, p->out_zero, p->out_min, p->out_max),
                    ft_min(FT_NN_CHANNELS, p->out_c - c));
    }
}

FT_KERNEL void ft_nn_conv_2d_s8(const ft_nn_conv_2d *p, const int8_t *w, const ft_nn_channels *channels,
                                const int8_t *in, int8_t *out, void *memory) {
    int8_t *scratch = (int8_t *)memory;
    if (!p->direct) {
        // The taps beyond a window are multiplied by zero weights, and stay what they are here.
        const int32_t columns = p->pool_h ? (p->pool_h * p->pool_w + 1) & ~1 : FT_NN_COLUMNS;
        __builtin_memset(scratch, 0, (uint32_t)(columns * p->steps * FT_NN_TAPS));
    }
    if (p->pool_h == 0) {
        ft_nn_conv_2d_unpooled(p, w, channels, in, out, scratch);
        return;
    }
    for (int32_t b = 0; b < p->batches; b++, in += p->in_h * p->in_w * p->in_c) {
        for (int32_t y = 0; y < p->pooled_h; y++) {
            for (int32_t x = 0; x < p->pooled_w; x++, out += p->out_c) {
                const int32_t count = ft_nn_pool_columns(p, in, y, x, scratch);
                ft_nn_conv_2d_pooled(p, w, channels, scratch, count, out);
            }
        }
    }
}

#endif
