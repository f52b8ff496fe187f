// Windows of CONV_2D as columns of words (xt_pairs.h).
//
// Of four values in a row, words hold the first and the third, and the second and the fourth, so that four
// bytes become two words in a few instructions.
#ifndef FT_XT_PAIRS_WINDOW_H
#define FT_XT_PAIRS_WINDOW_H

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
    int32_t chunks;   // of a column; its words are twice as many
    int32_t pairs;    // of output channels
    int32_t fixes;    // their number, made even
    int32_t ordered;  // whether words of a column have an order of their own
    ft_xt_line line;
} ft_xt_pairs_conv_2d;

// The working memory: 16-byte aligned parts of it.
typedef struct {
    int32_t *columns;      // [words][2], for each pair of columns
    int32_t *sums;         // [2 * pairs channels][2 columns]
    uint8_t *line;         // one window as bytes
    const int16_t *order;  // where words go, in a pair of columns; null: one after the other
} ft_xt_pairs_memory;

// Four bytes at a time to two words of a column.
static FT_HOT __attribute__((unused, noinline)) int32_t *ft_xt_pairs_convert(const ft_xt_word *from,
                                                                             int32_t quads, int32_t *to) {
    // Values plus 128 have no sign to extend.
    for (; quads >= 2; quads -= 2, from += 2, to += 8) {
        const uint32_t a = from[0] ^ 0x80808080u, b = from[1] ^ 0x80808080u;
        to[0] = (int32_t)((a & 0xFF00FFu) - 0x800080u);
        to[2] = (int32_t)((a >> 8 & 0xFF00FFu) - 0x800080u);
        to[4] = (int32_t)((b & 0xFF00FFu) - 0x800080u);
        to[6] = (int32_t)((b >> 8 & 0xFF00FFu) - 0x800080u);
    }
    if (quads) {
        const uint32_t four = *from ^ 0x80808080u;
        to[0] = (int32_t)((four & 0xFF00FFu) - 0x800080u);
        to[2] = (int32_t)((four >> 8 & 0xFF00FFu) - 0x800080u);
        to += 4;
    }
    return to;
}

// Two pixels after each other to both columns.
static FT_HOT __attribute__((unused, noinline)) void ft_xt_pairs_both(const ft_xt_word *from, int32_t quads,
                                                                      int32_t *to) {
    const ft_xt_word *other = from + quads;
    const int32_t *const end = to + 4 * quads;
    for (; to != end; to += 4) {
        const uint32_t a = *from++ ^ 0x80808080u, b = *other++ ^ 0x80808080u;
        to[0] = (int32_t)((a & 0xFF00FFu) - 0x800080u);
        to[1] = (int32_t)((b & 0xFF00FFu) - 0x800080u);
        to[2] = (int32_t)((a >> 8 & 0xFF00FFu) - 0x800080u);
        to[3] = (int32_t)((b >> 8 & 0xFF00FFu) - 0x800080u);
    }
}

// The same two, with words in another order.
static FT_HOT __attribute__((unused, noinline)) void ft_xt_pairs_scatter(const ft_xt_word *from,
                                                                         int32_t quads, const int16_t *order,
                                                                         int32_t *to) {
    for (; quads; quads--, order += 2) {
        const uint32_t four = *from++ ^ 0x80808080u;
        to[order[0]] = (int32_t)((four & 0xFF00FFu) - 0x800080u);
        to[order[1]] = (int32_t)((four >> 8 & 0xFF00FFu) - 0x800080u);
    }
}

static FT_HOT __attribute__((unused, noinline)) void ft_xt_pairs_scatter_both(const ft_xt_word *from,
                                                                              int32_t quads,
                                                                              const int16_t *order,
                                                                              int32_t *to) {
    const ft_xt_word *other = from + quads;
    for (const ft_xt_word *const end = other; from != end; order += 2) {
        const uint32_t a = *from++ ^ 0x80808080u, b = *other++ ^ 0x80808080u;
        int32_t *const even = to + order[0], *const odd = to + order[1];
        even[0] = (int32_t)((a & 0xFF00FFu) - 0x800080u);
        even[1] = (int32_t)((b & 0xFF00FFu) - 0x800080u);
        odd[0] = (int32_t)((a >> 8 & 0xFF00FFu) - 0x800080u);
        odd[1] = (int32_t)((b >> 8 & 0xFF00FFu) - 0x800080u);
    }
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

// The window at (y, x) as bytes.
FT_INLINE void ft_xt_pairs_line(const ft_xt_pairs_conv_2d *p, const int8_t *image, int32_t y, int32_t x,
                                uint8_t *line) {
    const int32_t row = p->in_w * p->in_c;
    if (x >= 0 && x + p->k_w <= p->in_w && y >= 0 && y + p->k_h <= p->in_h && p->dilation_w == 1 &&
        p->dilation_h == 1) {
        const uint8_t *from = (const uint8_t *)image + y * row + x * p->in_c;
        for (int32_t ky = 0; ky < p->k_h; ky++, from += row) {
            line = ft_xt_pairs_copy(line, from, p->k_w * p->in_c);
        }
        return;
    }
    for (int32_t ky = 0; ky < p->k_h; ky++, y += p->dilation_h) {
        if (y < 0 || y >= p->in_h) {
            line = ft_xt_pairs_fill(line, p->in_zero, p->k_w * p->in_c);
        } else {
            line = ft_xt_pairs_row(p, (const uint8_t *)image + y * row, x, line);
        }
    }
}

// A window of whole words to a column.
FT_INLINE void ft_xt_pairs_one(const ft_xt_pairs_conv_2d *p, const ft_xt_word *from,
                               const ft_xt_pairs_memory *memory, int32_t *to) {
    if (p->ordered) {
        ft_xt_pairs_scatter(from, p->chunks, memory->order, to);
    } else {
        ft_xt_pairs_convert(from, p->chunks, to);
    }
}

// Copies the window of output pixel (oy, ox) into a column. Weights beyond it are zero.
static FT_HOT __attribute__((unused, noinline)) void ft_xt_pairs_window(const ft_xt_pairs_conv_2d *p,
                                                                        const int8_t *image, int32_t oy,
                                                                        int32_t ox,
                                                                        const ft_xt_pairs_memory *memory,
                                                                        int32_t *to) {
    const int32_t y = oy * p->stride_h - p->pad_top, x = ox * p->stride_w - p->pad_left;
    if (!p->ordered && p->in_c % 4 == 0 && p->dilation_w == 1 && ((uintptr_t)image & 3) == 0) {
        ft_xt_pairs_words(p, image, y, x, to);
        return;
    }
    ft_xt_pairs_line(p, image, y, x, memory->line);
    ft_xt_pairs_one(p, (const ft_xt_word *)(const void *)memory->line, memory, to);
}

#endif
