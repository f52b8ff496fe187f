// CONV_2D with two products in one multiplication; see xt_pairs.h.
//
// The window of each pixel is copied into a column of words: of four values in a row, words hold the first
// and the third, and the second and the fourth, so that four bytes become two words in a few instructions.
// Weights that are too large together for 16 bits are made smaller; what was taken (`fixes`) is added
// afterwards.
#ifndef FT_XT_PAIRS_CONV_2D_H
#define FT_XT_PAIRS_CONV_2D_H

#include "xt_line.h"
#include "xt_pairs.h"

typedef struct {
    int32_t batches;
    int32_t in_h, in_w, in_c;
    int32_t out_h, out_w, out_c;  // of the convolution, before pooling
    int32_t k_h, k_w;
    int32_t stride_h, stride_w, dilation_h, dilation_w;
    int32_t pad_top, pad_left;
    int32_t pooled_h, pooled_w;
    int32_t pool_h, pool_w, pool_stride_h, pool_stride_w, pool_top, pool_left;  // pool_h 0: no pooling
    int32_t in_zero;
    int32_t chunks;  // of a column; its words are twice as many
    int32_t pairs;   // of output channels
    int32_t fixes;   // their number
    ft_xt_line line;
} ft_xt_pairs_conv_2d;

// The working memory: 16-byte aligned parts of it.
typedef struct {
    int32_t *columns;  // [words][2], for each pair of columns
    int32_t *sums;     // [2 * pairs channels][2 columns]
    uint8_t *line;     // one window as bytes
} ft_xt_pairs_memory;

// Four bytes at a time to two words of a column.
static FT_HOT __attribute__((unused, noinline)) int32_t *ft_xt_pairs_convert(const ft_xt_word *from,
                                                                             int32_t quads, int32_t *to) {
    for (; quads; quads--, to += 4) {
        // Values plus 128 have no sign to extend.
        const uint32_t four = *from++ ^ 0x80808080u;
        to[0] = (int32_t)((four & 0xFF00FFu) - 0x800080u);
        to[2] = (int32_t)((four >> 8 & 0xFF00FFu) - 0x800080u);
    }
    return to;
}

FT_INLINE int32_t *ft_xt_pairs_pad(int32_t *to, int32_t value, int32_t quads) {
    const int32_t word = (int32_t)((uint32_t)value * 0x10001u);
    for (; quads > 0; quads--, to += 4) {
        to[0] = word;
        to[2] = word;
    }
    return to;
}

// The window at (y, x) where its rows consist of whole words.
FT_INLINE void ft_xt_pairs_words(const ft_xt_pairs_conv_2d *p, const int8_t *image, int32_t y, int32_t x,
                                 int32_t *to) {
    const int32_t quads = p->in_c >> 2;
    const int32_t left = ft_clamp(-x, 0, p->k_w);
    const int32_t right = ft_clamp(p->in_w - x, left, p->k_w);
    for (int32_t ky = 0; ky < p->k_h; ky++, y += p->dilation_h) {
        if (y < 0 || y >= p->in_h) {
            to = ft_xt_pairs_pad(to, p->in_zero, p->k_w * quads);
            continue;
        }
        const ft_xt_word *row = (const ft_xt_word *)(const void *)image + y * p->in_w * quads;
        to = ft_xt_pairs_pad(to, p->in_zero, left * quads);
        to = ft_xt_pairs_convert(row + (x + left) * quads, (right - left) * quads, to);
        to = ft_xt_pairs_pad(to, p->in_zero, (p->k_w - right) * quads);
    }
}

FT_INLINE uint8_t *ft_xt_pairs_fill(uint8_t *to, int32_t value, int32_t count) {
    for (; count > 0; count--) {
        *to++ = (uint8_t)value;
    }
    return to;
}

FT_INLINE uint8_t *ft_xt_pairs_copy(uint8_t *to, const uint8_t *from, int32_t count) {
    for (; count >= 4; count -= 4, from += 4, to += 4) {
        const uint8_t a = from[0], b = from[1], c = from[2], d = from[3];
        to[0] = a;
        to[1] = b;
        to[2] = c;
        to[3] = d;
    }
    for (; count > 0; count--) {
        *to++ = *from++;
    }
    return to;
}

// One row of a window whose first tap lies at column x, as bytes.
FT_INLINE uint8_t *ft_xt_pairs_row(const ft_xt_pairs_conv_2d *p, const uint8_t *row, int32_t x, uint8_t *to) {
    if (p->dilation_w == 1) {
        const int32_t left = ft_clamp(-x, 0, p->k_w);
        const int32_t right = ft_clamp(p->in_w - x, left, p->k_w);
        to = ft_xt_pairs_fill(to, p->in_zero, left * p->in_c);
        to = ft_xt_pairs_copy(to, row + (x + left) * p->in_c, (right - left) * p->in_c);
        return ft_xt_pairs_fill(to, p->in_zero, (p->k_w - right) * p->in_c);
    }
    for (int32_t kx = 0; kx < p->k_w; kx++, x += p->dilation_w) {
        to = x < 0 || x >= p->in_w ? ft_xt_pairs_fill(to, p->in_zero, p->in_c)
                                   : ft_xt_pairs_copy(to, row + x * p->in_c, p->in_c);
    }
    return to;
}

// Copies the window of output pixel (oy, ox) into a column. Weights beyond it are zero.
static FT_HOT __attribute__((unused, noinline)) void ft_xt_pairs_window(const ft_xt_pairs_conv_2d *p,
                                                                        const int8_t *image, int32_t oy,
                                                                        int32_t ox,
                                                                        const ft_xt_pairs_memory *memory,
                                                                        int32_t *to) {
    const int32_t x = ox * p->stride_w - p->pad_left;
    int32_t y = oy * p->stride_h - p->pad_top;
    if (p->in_c % 4 == 0 && p->dilation_w == 1 && ((uintptr_t)image & 3) == 0) {
        ft_xt_pairs_words(p, image, y, x, to);
        return;
    }
    uint8_t *line = memory->line;
    for (int32_t ky = 0; ky < p->k_h; ky++, y += p->dilation_h) {
        if (y < 0 || y >= p->in_h) {
            line = ft_xt_pairs_fill(line, p->in_zero, p->k_w * p->in_c);
        } else {
            line = ft_xt_pairs_row(p, (const uint8_t *)image + y * p->in_w * p->in_c, x, line);
        }
    }
    const int32_t quads = (p->k_h * p->k_w * p->in_c + 3) >> 2;
    ft_xt_pairs_convert((const ft_xt_word *)(const void *)memory->line, quads, to);
}

// The sums of all channels for a pair of columns.
FT_INLINE void ft_xt_pairs_sums(const ft_xt_pairs_conv_2d *p, const int32_t *w, const ft_xt_fix *fix,
                                const int32_t *columns, int32_t *sums) {
    ft_xt_pairs(columns, w, p->chunks, p->pairs, sums);
    for (int32_t i = 0; i < p->fixes; i++, fix++) {
        sums[fix->sum] += (int16_t)columns[fix->word] * fix->taken;
        sums[fix->sum + 1] += (int16_t)columns[fix->word + 1] * fix->taken;
    }
}

// Outputs of one or two pixels.
FT_INLINE void ft_xt_pairs_outputs(const ft_xt_pairs_conv_2d *p, const int32_t *constants,
                                   const int32_t *sums, int8_t *first, int8_t *second) {
    const int32_t words = ft_xt_line_words(&p->line);
    for (int32_t c = 0; c < p->out_c; c++, constants += words, sums += FT_XT_PAIR) {
        ft_xt_line_constants own;
        ft_xt_line_load(&p->line, constants, &own);
        first[c] = ft_xt_line_output(&p->line, &own, sums[0]);
        if (second) {
            second[c] = ft_xt_line_output(&p->line, &own, sums[1]);
        }
    }
}

FT_INLINE void ft_xt_pairs_unpooled(const ft_xt_pairs_conv_2d *p, const int32_t *w, const int32_t *constants,
                                    const ft_xt_fix *fixes, const int8_t *in, int8_t *out,
                                    const ft_xt_pairs_memory *memory) {
    int32_t waiting = 0;
    for (int32_t b = 0; b < p->batches; b++, in += p->in_h * p->in_w * p->in_c) {
        for (int32_t oy = 0; oy < p->out_h; oy++) {
            for (int32_t ox = 0; ox < p->out_w; ox++) {
                ft_xt_pairs_window(p, in, oy, ox, memory, memory->columns + waiting);
                if (++waiting == FT_XT_PAIR) {
                    ft_xt_pairs_sums(p, w, fixes, memory->columns, memory->sums);
                    ft_xt_pairs_outputs(p, constants, memory->sums, out, out + p->out_c);
                    out += FT_XT_PAIR * p->out_c;
                    waiting = 0;
                }
            }
        }
    }
    if (waiting) {
        ft_xt_pairs_sums(p, w, fixes, memory->columns, memory->sums);
        ft_xt_pairs_outputs(p, constants, memory->sums, out, (int8_t *)0);
    }
}

// The columns of one pooling window; returns their number, made even by repeating the last.
FT_INLINE int32_t ft_xt_pairs_pool(const ft_xt_pairs_conv_2d *p, const int8_t *image, int32_t py, int32_t px,
                                   const ft_xt_pairs_memory *memory) {
    const int32_t top = py * p->pool_stride_h - p->pool_top;
    const int32_t left = px * p->pool_stride_w - p->pool_left;
    const int32_t y_end = ft_min(top + p->pool_h, p->out_h);
    const int32_t x_end = ft_min(left + p->pool_w, p->out_w);
    int32_t count = 0;
    int32_t *to = memory->columns;
    for (int32_t y = ft_max(top, 0); y < y_end; y++) {
        for (int32_t x = ft_max(left, 0); x < x_end; x++, count++) {
            to = memory->columns + (count >> 1) * 4 * p->chunks + (count & 1);
            ft_xt_pairs_window(p, image, y, x, memory, to);
        }
    }
    if (count & 1) {
        for (int32_t i = 0; i < 4 * p->chunks; i += 2) {
            to[i + 1] = to[i];
        }
        count++;
    }
    return count;
}

// All channels of one pooled output from `count` columns.
FT_INLINE void ft_xt_pairs_pooled(const ft_xt_pairs_conv_2d *p, const int32_t *w, const int32_t *constants,
                                  const ft_xt_fix *fixes, const ft_xt_pairs_memory *memory, int32_t count,
                                  int8_t *out) {
    int32_t *best = memory->sums + 4 * p->pairs;
    for (int32_t n = 0; n < count; n += FT_XT_PAIR) {
        ft_xt_pairs_sums(p, w, fixes, memory->columns + n * 2 * p->chunks, memory->sums);
        const int32_t *sums = memory->sums;
        for (int32_t c = 0; c < FT_XT_PAIR * p->out_c; c += FT_XT_PAIR) {
            const int32_t larger = ft_max(sums[c], sums[c + 1]);
            best[c] = n ? ft_max(best[c], larger) : larger;
        }
    }
    ft_xt_pairs_outputs(p, constants, best, out, (int8_t *)0);
}

FT_KERNEL void ft_xt_pairs_conv_2d_s8(const ft_xt_pairs_conv_2d *p, const int32_t *w,
                                      const int32_t *constants, const int16_t *fixes, const int8_t *in,
                                      int8_t *out, void *scratch) {
    ft_xt_pairs_memory memory;
    memory.sums = (int32_t *)scratch;
    memory.columns = memory.sums + 4 * p->pairs * (p->pool_h ? 2 : 1);
    const int32_t columns = p->pool_h ? (p->pool_h * p->pool_w + 1) & ~1 : FT_XT_PAIR;
    memory.line = (uint8_t *)(memory.columns + columns * 2 * p->chunks);
    const ft_xt_fix *fix = (const ft_xt_fix *)fixes;
    if (p->pool_h == 0) {
        ft_xt_pairs_unpooled(p, w, constants, fix, in, out, &memory);
        return;
    }
    for (int32_t b = 0; b < p->batches; b++, in += p->in_h * p->in_w * p->in_c) {
        for (int32_t y = 0; y < p->pooled_h; y++) {
            for (int32_t x = 0; x < p->pooled_w; x++, out += p->out_c) {
                const int32_t count = ft_xt_pairs_pool(p, in, y, x, &memory);
                ft_xt_pairs_pooled(p, w, constants, fix, &memory, count, out);
            }
        }
    }
}

#endif
