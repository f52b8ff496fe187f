// CONV_2D, 3x3 or 5x5 with stride 1, by Winograd's method on tiles of 6x6 inputs, exact in integers.
//
// A tile's inputs and a filter's weights are transformed (points 0, 1, -1, 2, -2 and infinity); the sums over
// the channels are then taken for each of the 36 positions on its own, 36 products for 4x4 outputs of a 3x3
// filter (instead of 144) or 2x2 of a 5x5 one (instead of 100); and a transform back gives 576 times each
// sum. All of it is modulo 2^32: dividing by 9 is a multiplication by its inverse, and 64 times a sum fits 32
// bits.
#ifndef FT_XT_WINOGRAD_H
#define FT_XT_WINOGRAD_H

#include "xt_rescale.h"
#include "xt_tile.h"

enum { FT_XT_SIDE = 6, FT_XT_POSITIONS = 36, FT_XT_SUMS = 8 };

#define FT_XT_INVERSE_OF_9 954437177u

typedef struct {
    int32_t batches;
    int32_t in_h, in_w, in_c;
    int32_t out_h, out_w, out_c;  // of the convolution, before pooling
    int32_t pad_top, pad_left;
    int32_t side;  // outputs of a tile in each direction: 4 for 3x3 filters, 2 for 5x5
    int32_t pool;  // side of the square pooling windows, 1 without pooling; divides `side`
    int32_t pooled_h, pooled_w;
    int32_t in_zero, out_min, out_max;
    int32_t taps;  // in_c, made even
    int32_t wide;  // whether weights are int32_t, else int16_t
} ft_xt_winograd;

// The working memory: 16-byte aligned parts of it.
typedef struct {
    int16_t *columns;  // [36][taps][2]
    uint32_t *sums;    // [36][8]
    uint8_t *outside;  // what a pixel of padding holds
} ft_xt_winograd_memory;

// Six values to six, `step` apart: the transform of inputs along one direction.
FT_INLINE void ft_xt_forward(const int32_t *d, int32_t step, int32_t *r) {
    const int32_t d1 = d[step], d2 = d[2 * step], d3 = d[3 * step], d4 = d[4 * step];
    const int32_t even = d4 - d2, odd = d3 - d1;
    const int32_t even4 = d4 - 4 * d2, odd4 = d3 - 4 * d1;
    r[0] = 4 * (d[0] - d2) + even;
    r[1] = even4 + odd4;
    r[2] = even4 - odd4;
    r[3] = even + 2 * odd;
    r[4] = even - 2 * odd;
    r[5] = d[5 * step] - d3 - 4 * odd;
}

// Transforms one tile, whose 36 pixels lie at `pixels`, into its column.
static FT_HOT __attribute__((unused, noinline)) void ft_xt_winograd_inputs(const uint8_t *const *pixels,
                                                                           int32_t channels, int32_t taps,
                                                                           int16_t *column) {
    for (int32_t c = 0; c < channels; c++, column += FT_XT_COLUMNS) {
        int32_t half[FT_XT_POSITIONS];
        for (int32_t y = 0; y < FT_XT_SIDE; y++) {
            const uint8_t *const *row = pixels + y * FT_XT_SIDE;
            const int32_t d[FT_XT_SIDE] = {row[0][c] ^ 0x80, row[1][c] ^ 0x80, row[2][c] ^ 0x80,
                                           row[3][c] ^ 0x80, row[4][c] ^ 0x80, row[5][c] ^ 0x80};
            ft_xt_forward(d, 1, half + y * FT_XT_SIDE);
        }
        int16_t *to = column;
        for (int32_t x = 0; x < FT_XT_SIDE; x++, to += FT_XT_COLUMNS * taps) {
            int32_t r[FT_XT_SIDE];
            ft_xt_forward(half + x, FT_XT_SIDE, r);
            const int32_t step = FT_XT_COLUMNS * FT_XT_SIDE * taps;
            int16_t *at = to;
            for (int32_t y = 0; y < FT_XT_SIDE; y++, at += step) {
                *at = (int16_t)r[y];
            }
        }
    }
}

// Finds the pixels of the tile whose outputs start at (y, x), and transforms them.
FT_INLINE void ft_xt_winograd_tile(const ft_xt_winograd *p, const ft_xt_winograd_memory *memory,
                                   const int8_t *image, int32_t y, int32_t x, int16_t *column) {
    const uint8_t *pixels[FT_XT_POSITIONS];
    for (int32_t i = 0; i < FT_XT_SIDE; i++) {
        const int32_t at_y = y - p->pad_top + i;
        for (int32_t j = 0; j < FT_XT_SIDE; j++) {
            const int32_t at_x = x - p->pad_left + j;
            const int32_t inside = at_y >= 0 && at_y < p->in_h && at_x >= 0 && at_x < p->in_w;
            pixels[i * FT_XT_SIDE + j] =
                inside ? (const uint8_t *)(image + (at_y * p->in_w + at_x) * p->in_c) : memory->outside;
        }
    }
    ft_xt_winograd_inputs(pixels, p->in_c, p->taps, column);
}

// The transform back along one direction; `s` lie `step` apart, and `side` of `r` are meant.
FT_INLINE void ft_xt_backward(const uint32_t *s, int32_t step, int32_t side, uint32_t *r) {
    const uint32_t even = 4 * (s[step] + s[2 * step]), odd = 4 * (s[step] - s[2 * step]);
    const uint32_t even2 = s[3 * step] + s[4 * step], odd2 = s[3 * step] - s[4 * step];
    const uint32_t last = 24 * s[5 * step];
    r[0] = 6 * s[0] + even + even2;
    r[1] = odd + 2 * odd2;
    if (side == 2) {
        r[1] += last;
        return;
    }
    r[2] = even + 4 * even2;
    r[3] = odd + 8 * odd2 + last;
}

// From one channel's 36 sums to its side * side outputs, as accumulators without their bias.
static FT_HOT __attribute__((unused, noinline)) void ft_xt_winograd_outputs(const uint32_t *sums,
                                                                            int32_t side, int32_t *out) {
    uint32_t half[4 * FT_XT_SIDE];
    for (int32_t x = 0; x < FT_XT_SIDE; x++) {
        ft_xt_backward(sums + x * FT_XT_SUMS, FT_XT_SIDE * FT_XT_SUMS, side, half + x * 4);
    }
    for (int32_t y = 0; y < side; y++) {
        uint32_t r[4];
        ft_xt_backward(half + y, 4, side, r);
        for (int32_t x = 0; x < side; x++) {
            *out++ = (int32_t)(r[x] * FT_XT_INVERSE_OF_9) >> 6;
        }
    }
}

// Pools, rescales and stores one channel of the tile at (y, x).
FT_INLINE void ft_xt_winograd_store(const ft_xt_winograd *p, const ft_xt_channel *channel,
                                    const int32_t *values, int32_t y, int32_t x, int8_t *out) {
    const int32_t rows = ft_min(p->side, p->out_h - y), columns = ft_min(p->side, p->out_w - x);
    // A copy, because stores of bytes may alias the original.
    const ft_xt_channel own = *channel;
    if (p->pool == 1) {
        for (int32_t i = 0; i < rows; i++, values += p->side) {
            int8_t *to = out + ((y + i) * p->out_w + x) * p->out_c;
            for (int32_t j = 0; j < columns; j++, to += p->out_c) {
                *to = ft_xt_output(values[j] + own.bias, &own, p->out_min, p->out_max);
            }
        }
        return;
    }
    const int32_t first_y = y / p->pool, first_x = x / p->pool;
    for (int32_t py = 0; py * p->pool < rows && first_y + py < p->pooled_h; py++) {
        for (int32_t px = 0; px * p->pool < columns && first_x + px < p->pooled_w; px++) {
            int32_t best = values[(py * p->side + px) * p->pool];
            for (int32_t i = py * p->pool; i < ft_min(rows, (py + 1) * p->pool); i++) {
                for (int32_t j = px * p->pool; j < ft_min(columns, (px + 1) * p->pool); j++) {
                    best = ft_max(best, values[i * p->side + j]);
                }
            }
            out[((first_y + py) * p->pooled_w + first_x + px) * p->out_c] =
                ft_xt_output(best + own.bias, &own, p->out_min, p->out_max);
        }
    }
}

// The sums of four channels for both tiles, at all positions.
FT_INLINE void ft_xt_winograd_sums(const ft_xt_winograd *p, const ft_xt_winograd_memory *memory,
                                   const void *weights, int32_t group) {
    const int32_t each = FT_XT_CHANNELS * p->taps;
    for (int32_t i = 0; i < FT_XT_POSITIONS; i++) {
        const int16_t *columns = memory->columns + i * FT_XT_COLUMNS * p->taps;
        const int32_t at = (group * FT_XT_POSITIONS + i) * each;
        uint32_t *sums = memory->sums + i * FT_XT_SUMS;
        if (p->wide) {
            ft_xt_tile_s16_s32(columns, (const int32_t *)weights + at, p->taps, sums);
        } else {
            ft_xt_tile_s16(columns, (const int16_t *)weights + at, p->taps, sums);
        }
    }
}

// All channels of the tiles at (y0, x0) and (y1, x1); only the first where `count` is 1.
FT_INLINE void ft_xt_winograd_pair(const ft_xt_winograd *p, const ft_xt_winograd_memory *memory,
                                   const void *weights, const ft_xt_channel *channels, const int32_t *y,
                                   const int32_t *x, int32_t count, int8_t *out) {
    for (int32_t c = 0; c < p->out_c; c += FT_XT_CHANNELS) {
        ft_xt_winograd_sums(p, memory, weights, c / FT_XT_CHANNELS);
        const int32_t lanes = ft_min(FT_XT_CHANNELS, p->out_c - c);
        for (int32_t tile = 0; tile < count; tile++) {
            for (int32_t lane = 0; lane < lanes; lane++) {
                int32_t values[16];
                ft_xt_winograd_outputs(memory->sums + tile * FT_XT_CHANNELS + lane, p->side, values);
                ft_xt_winograd_store(p, channels + c + lane, values, y[tile], x[tile], out + c + lane);
            }
        }
    }
}

FT_KERNEL void ft_xt_winograd_s8(const ft_xt_winograd *p, const void *weights, const ft_xt_channel *channels,
                                 const int8_t *in, int8_t *out, void *scratch) {
    ft_xt_winograd_memory memory;
    memory.sums = (uint32_t *)scratch;
    memory.columns = (int16_t *)(memory.sums + FT_XT_POSITIONS * FT_XT_SUMS);
    memory.outside = (uint8_t *)(memory.columns + FT_XT_POSITIONS * FT_XT_COLUMNS * p->taps);
    for (int32_t i = 0; i < FT_XT_POSITIONS * FT_XT_COLUMNS * p->taps; i++) {
        memory.columns[i] = 0;  // the taps beyond in_c stay so
    }
    for (int32_t i = 0; i < p->in_c; i++) {
        memory.outside[i] = (uint8_t)p->in_zero;
    }
    for (int32_t b = 0; b < p->batches; b++, in += p->in_h * p->in_w * p->in_c) {
        int32_t at_y[FT_XT_COLUMNS], at_x[FT_XT_COLUMNS], waiting = 0;
        for (int32_t y = 0; y < p->out_h; y += p->side) {
            for (int32_t x = 0; x < p->out_w; x += p->side) {
                at_y[waiting] = y;
                at_x[waiting] = x;
                ft_xt_winograd_tile(p, &memory, in, y, x, memory.columns + waiting);
                if (++waiting == FT_XT_COLUMNS) {
                    ft_xt_winograd_pair(p, &memory, weights, channels, at_y, at_x, waiting, out);
                    waiting = 0;
                }
            }
        }
        if (waiting) {
            ft_xt_winograd_pair(p, &memory, weights, channels, at_y, at_x, waiting, out);
        }
        out += p->pooled_h * p->pooled_w * p->out_c;
    }
}

#endif
