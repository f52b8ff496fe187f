// CONV_2D in tiles of four channels times two pixels; see xt_tile.h.
//
// The window of each pixel is copied into a column, padding included, so that one loop serves every shape.
// Under a MAX_POOL_2D the columns are those of one pooling window, and the maximum is taken before rescaling.
#ifndef FT_XT_CONV_2D_H
#define FT_XT_CONV_2D_H

#include "xt_rescale.h"
#include "xt_tile.h"

typedef struct {
    int32_t batches;
    int32_t in_h, in_w, in_c;
    int32_t out_h, out_w, out_c;  // of the convolution, before pooling
    int32_t k_h, k_w;
    int32_t stride_h, stride_w, dilation_h, dilation_w;
    int32_t pad_top, pad_left;
    int32_t pooled_h, pooled_w;
    int32_t pool_h, pool_w, pool_stride_h, pool_stride_w, pool_top, pool_left;  // pool_h 0: no pooling
    int32_t in_zero, out_min, out_max;
    int32_t taps;  // of a column, even
} ft_xt_conv_2d;

// Where the next value of a column goes, and 128 times the sum of those so far.
typedef struct {
    uint8_t *to;
    uint32_t sum;
} ft_xt_column;

FT_INLINE void ft_xt_put(ft_xt_column *column, uint32_t value) {
    *column->to = (uint8_t)value;
    column->to += FT_XT_COLUMNS;
    column->sum += value;
}

FT_INLINE void ft_xt_pad(ft_xt_column *column, int32_t value, int32_t count) {
    for (int32_t i = 0; i < count; i++) {
        ft_xt_put(column, (uint32_t)value);
    }
}

FT_INLINE void ft_xt_copy(ft_xt_column *column, const int8_t *from, int32_t count) {
    const uint8_t *bytes = (const uint8_t *)from;
    for (; count >= 4; count -= 4, bytes += 4) {
        ft_xt_put(column, bytes[0] ^ 0x80u);
        ft_xt_put(column, bytes[1] ^ 0x80u);
        ft_xt_put(column, bytes[2] ^ 0x80u);
        ft_xt_put(column, bytes[3] ^ 0x80u);
    }
    for (; count > 0; count--, bytes++) {
        ft_xt_put(column, bytes[0] ^ 0x80u);
    }
}

// Copies one row of a window whose first tap lies at column x.
FT_INLINE void ft_xt_window_row(const ft_xt_conv_2d *p, const int8_t *line, int32_t x, ft_xt_column *column) {
    const int32_t zero = p->in_zero + 128;
    if (p->dilation_w == 1) {
        const int32_t left = ft_clamp(-x, 0, p->k_w);
        const int32_t right = ft_clamp(p->in_w - x, left, p->k_w);
        ft_xt_pad(column, zero, left * p->in_c);
        ft_xt_copy(column, line + (x + left) * p->in_c, (right - left) * p->in_c);
        ft_xt_pad(column, zero, (p->k_w - right) * p->in_c);
        return;
    }
    for (int32_t kx = 0; kx < p->k_w; kx++, x += p->dilation_w) {
        if (x < 0 || x >= p->in_w) {
            ft_xt_pad(column, zero, p->in_c);
        } else {
            ft_xt_copy(column, line + x * p->in_c, p->in_c);
        }
    }
}

// Copies the window of output pixel (oy, ox); returns what to take from every channel's sum.
static FT_HOT __attribute__((unused, noinline)) uint32_t ft_xt_window(const ft_xt_conv_2d *p,
                                                                      const int8_t *image, int32_t oy,
                                                                      int32_t ox, uint8_t *to) {
    ft_xt_column column = {to, 0};
    const int32_t x = ox * p->stride_w - p->pad_left;
    int32_t y = oy * p->stride_h - p->pad_top;
    for (int32_t ky = 0; ky < p->k_h; ky++, y += p->dilation_h) {
        if (y < 0 || y >= p->in_h) {
            ft_xt_pad(&column, p->in_zero + 128, p->k_w * p->in_c);
        } else {
            ft_xt_window_row(p, image + y * p->in_w * p->in_c, x, &column);
        }
    }
    ft_xt_pad(&column, 0, p->taps - p->k_h * p->k_w * p->in_c);
    return column.sum << 7;
}

// All channels of two pixels; `second` may be null.
FT_INLINE void ft_xt_pixels(const ft_xt_conv_2d *p, const uint8_t *w, const ft_xt_channel *channel,
                            const uint8_t *columns, const uint32_t *excess, int8_t *first, int8_t *second) {
    for (int32_t c = 0; c < p->out_c; c += FT_XT_CHANNELS, w += p->taps * FT_XT_CHANNELS) {
        uint32_t sums[FT_XT_COLUMNS * FT_XT_CHANNELS];
        ft_xt_tile_u8(columns, w, p->taps, sums);
        const int32_t lanes = ft_min(FT_XT_CHANNELS, p->out_c - c);
        for (int32_t lane = 0; lane < lanes; lane++) {
            // A copy, because stores of bytes may alias the original.
            const ft_xt_channel own = *channel++;
            const uint32_t one = sums[lane] + (uint32_t)own.bias - excess[0];
            *first++ = ft_xt_output((int32_t)one, &own, p->out_min, p->out_max);
            if (second) {
                const uint32_t other = sums[lane + FT_XT_CHANNELS] + (uint32_t)own.bias - excess[1];
                *second++ = ft_xt_output((int32_t)other, &own, p->out_min, p->out_max);
            }
        }
    }
}

FT_INLINE void ft_xt_conv_2d_unpooled(const ft_xt_conv_2d *p, const uint8_t *w, const ft_xt_channel *channels,
                                      const int8_t *in, int8_t *out, uint8_t *columns) {
    uint32_t excess[FT_XT_COLUMNS] = {0, 0};
    int32_t waiting = 0;
    for (int32_t b = 0; b < p->batches; b++, in += p->in_h * p->in_w * p->in_c) {
        for (int32_t oy = 0; oy < p->out_h; oy++) {
            for (int32_t ox = 0; ox < p->out_w; ox++) {
                excess[waiting] = ft_xt_window(p, in, oy, ox, columns + waiting);
                if (++waiting == FT_XT_COLUMNS) {
                    ft_xt_pixels(p, w, channels, columns, excess, out, out + p->out_c);
                    out += FT_XT_COLUMNS * p->out_c;
                    waiting = 0;
                }
            }
        }
    }
    if (waiting) {
        ft_xt_pixels(p, w, channels, columns, excess, out, (int8_t *)0);
    }
}

// The columns of one pooling window; returns their number, made even by repeating the last.
FT_INLINE int32_t ft_xt_pool_columns(const ft_xt_conv_2d *p, const int8_t *image, int32_t py, int32_t px,
                                     uint8_t *columns, uint32_t *excess) {
    const int32_t top = py * p->pool_stride_h - p->pool_top;
    const int32_t left = px * p->pool_stride_w - p->pool_left;
    const int32_t y_end = ft_min(top + p->pool_h, p->out_h);
    const int32_t x_end = ft_min(left + p->pool_w, p->out_w);
    int32_t count = 0;
    for (int32_t y = ft_max(top, 0); y < y_end; y++) {
        for (int32_t x = ft_max(left, 0); x < x_end; x++, count++) {
            uint8_t *to = columns + (count >> 1) * FT_XT_COLUMNS * p->taps + (count & 1);
            excess[count] = ft_xt_window(p, image, y, x, to);
        }
    }
    if (count & 1) {
        uint8_t *last = columns + (count >> 1) * FT_XT_COLUMNS * p->taps;
        for (int32_t i = 0; i < p->taps; i++) {
            last[FT_XT_COLUMNS * i + 1] = last[FT_XT_COLUMNS * i];
        }
        excess[count] = excess[count - 1];
        count++;
    }
    return count;
}

// All channels of one pooled output from `count` columns.
FT_INLINE void ft_xt_pooled(const ft_xt_conv_2d *p, const uint8_t *w, const ft_xt_channel *channel,
                            const uint8_t *columns, const uint32_t *excess, int32_t count, int8_t *out) {
    for (int32_t c = 0; c < p->out_c; c += FT_XT_CHANNELS, w += p->taps * FT_XT_CHANNELS) {
        int32_t best[FT_XT_CHANNELS] = {INT32_MIN, INT32_MIN, INT32_MIN, INT32_MIN};
        for (int32_t n = 0; n < count; n += FT_XT_COLUMNS) {
            uint32_t sums[FT_XT_COLUMNS * FT_XT_CHANNELS];
            ft_xt_tile_u8(columns + n * p->taps, w, p->taps, sums);
            for (int32_t lane = 0; lane < FT_XT_CHANNELS; lane++) {
                best[lane] = ft_max(best[lane], (int32_t)(sums[lane] - excess[n]));
                best[lane] = ft_max(best[lane], (int32_t)(sums[lane + FT_XT_CHANNELS] - excess[n + 1]));
            }
        }
        const int32_t lanes = ft_min(FT_XT_CHANNELS, p->out_c - c);
        for (int32_t lane = 0; lane < lanes; lane++, channel++) {
            *out++ = ft_xt_output(best[lane] + channel->bias, channel, p->out_min, p->out_max);
        }
    }
}

FT_KERNEL void ft_xt_conv_2d_s8(const ft_xt_conv_2d *p, const uint8_t *w, const ft_xt_channel *channels,
                                const int8_t *in, int8_t *out, void *scratch) {
    if (p->pool_h == 0) {
        ft_xt_conv_2d_unpooled(p, w, channels, in, out, (uint8_t *)scratch);
        return;
    }
    uint32_t *excess = (uint32_t *)scratch;
    uint8_t *columns = (uint8_t *)(excess + ((p->pool_h * p->pool_w + 1) & ~1));
    for (int32_t b = 0; b < p->batches; b++, in += p->in_h * p->in_w * p->in_c) {
        for (int32_t y = 0; y < p->pooled_h; y++) {
            for (int32_t x = 0; x < p->pooled_w; x++, out += p->out_c) {
                const int32_t count = ft_xt_pool_columns(p, in, y, x, columns, excess);
                ft_xt_pooled(p, w, channels, columns, excess, count, out);
            }
        }
    }
}

#endif
