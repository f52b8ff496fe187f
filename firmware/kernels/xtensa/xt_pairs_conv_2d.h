// CONV_2D with two products in one multiplication; see xt_pairs.h.
//
// The window of each pixel is copied into a column of words: of four values in a row, words hold the first
// and the third, and the second and the fourth, so that four bytes become two words in a few instructions.
// Weights that are too large together for 16 bits are made smaller; what was taken (`fixes`) is added
// afterwards.
#ifndef FT_XT_PAIRS_CONV_2D_H
#define FT_XT_PAIRS_CONV_2D_H

#include "xt_pairs_window.h"

FT_INLINE void ft_xt_pairs_mend(const ft_xt_fix *fix, const int32_t *columns, int32_t *sums) {
    const int32_t *column = columns + fix->word;
    int32_t *sum = sums + fix->sum;
    const int32_t taken = fix->taken;
    const int32_t first = (int16_t)column[0] * taken, second = (int16_t)column[1] * taken;
    sum[0] += first;
    sum[1] += second;
}

// The sums of all channels for a pair of columns.
FT_INLINE void ft_xt_pairs_sums(const ft_xt_pairs_conv_2d *p, const int32_t *w, const ft_xt_fix *fix,
                                const int32_t *columns, int32_t *sums) {
    ft_xt_pairs(columns, w, p->chunks, p->pairs, sums);
    // Unknown to gcc, which would load these addresses again and again.
    __asm("" : "+r"(columns), "+r"(sums));
    for (int32_t i = p->fixes >> 1; i > 0; i--, fix += 2) {
        ft_xt_pairs_mend(fix, columns, sums);
        ft_xt_pairs_mend(fix + 1, columns, sums);
    }
}

// One channel of one or two pixels.
FT_INLINE void ft_xt_pairs_channel(const ft_xt_pairs_conv_2d *p, const int32_t *constants,
                                   const int32_t *sums, int8_t *first, int8_t *second) {
    ft_xt_line_constants own;
    ft_xt_line_load(&p->line, constants, &own);
    *first = ft_xt_line_output(&p->line, &own, sums[0]);
    if (second) {
        *second = ft_xt_line_output(&p->line, &own, sums[1]);
    }
}

// All channels of one or two pixels.
FT_INLINE void ft_xt_pairs_outputs(const ft_xt_pairs_conv_2d *p, const int32_t *constants,
                                   const int32_t *sums, int8_t *out, int32_t both) {
    const int32_t words = ft_xt_line_words(&p->line);
    int8_t *other = both ? out + p->out_c : (int8_t *)0;
    for (int32_t c = p->out_c >> 2; c > 0; c--, constants += 4 * words, sums += 4 * FT_XT_PAIR) {
        ft_xt_pairs_channel(p, constants, sums, out, other);
        ft_xt_pairs_channel(p, constants + words, sums + 2, out + 1, other ? other + 1 : other);
        ft_xt_pairs_channel(p, constants + 2 * words, sums + 4, out + 2, other ? other + 2 : other);
        ft_xt_pairs_channel(p, constants + 3 * words, sums + 6, out + 3, other ? other + 3 : other);
        out += 4;
        other = both ? other + 4 : other;
    }
    for (int32_t c = p->out_c & 3; c > 0; c--, constants += words, sums += FT_XT_PAIR) {
        ft_xt_pairs_channel(p, constants, sums, out++, other);
        other = both ? other + 1 : other;
    }
}

// Whether every pixel is its own window, and of whole words.
FT_INLINE int32_t ft_xt_pairs_flat(const ft_xt_pairs_conv_2d *p, const int8_t *in) {
    return p->k_h == 1 && p->k_w == 1 && p->stride_h == 1 && p->stride_w == 1 && p->out_h == p->in_h &&
           p->out_w == p->in_w && p->pad_top == 0 && p->pad_left == 0 && p->in_c % 4 == 0 &&
           ((uintptr_t)in & 3) == 0;
}

FT_INLINE void ft_xt_pairs_pixels(const ft_xt_pairs_conv_2d *p, const int32_t *w, const int32_t *constants,
                                  const ft_xt_fix *fixes, const int8_t *in, int8_t *out,
                                  const ft_xt_pairs_memory *memory) {
    const int32_t count = p->batches * p->in_h * p->in_w;
    for (int32_t i = count / FT_XT_PAIR; i > 0;
         i--, in += FT_XT_PAIR * p->in_c, out += FT_XT_PAIR * p->out_c) {
        const ft_xt_word *from = (const ft_xt_word *)(const void *)in;
        if (p->ordered) {
            ft_xt_pairs_scatter_both(from, p->chunks, memory->order, memory->columns);
        } else {
            ft_xt_pairs_both(from, p->chunks, memory->columns);
        }
        ft_xt_pairs_sums(p, w, fixes, memory->columns, memory->sums);
        ft_xt_pairs_outputs(p, constants, memory->sums, out, 1);
    }
    if (count % FT_XT_PAIR) {
        ft_xt_pairs_one(p, (const ft_xt_word *)(const void *)in, memory, memory->columns);
        ft_xt_pairs_sums(p, w, fixes, memory->columns, memory->sums);
        ft_xt_pairs_outputs(p, constants, memory->sums, out, 0);
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
                    ft_xt_pairs_outputs(p, constants, memory->sums, out, 1);
                    out += FT_XT_PAIR * p->out_c;
                    waiting = 0;
                }
            }
        }
    }
    if (waiting) {
        ft_xt_pairs_sums(p, w, fixes, memory->columns, memory->sums);
        ft_xt_pairs_outputs(p, constants, memory->sums, out, 0);
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
    ft_xt_pairs_outputs(p, constants, best, out, 0);
}

FT_KERNEL void ft_xt_pairs_conv_2d_s8(const ft_xt_pairs_conv_2d *p, const int32_t *w,
                                      const int32_t *constants, const int16_t *fixes, const int16_t *order,
                                      const int8_t *in, int8_t *out, void *scratch) {
    ft_xt_pairs_memory memory;
    memory.sums = (int32_t *)scratch;
    memory.columns = memory.sums + 4 * p->pairs * (p->pool_h ? 2 : 1);
    const int32_t columns = p->pool_h ? (p->pool_h * p->pool_w + 1) & ~1 : FT_XT_PAIR;
    memory.line = (uint8_t *)(memory.columns + columns * 2 * p->chunks);
    memory.order = order;
    const ft_xt_fix *fix = (const ft_xt_fix *)fixes;
    if (p->pool_h == 0 && ft_xt_pairs_flat(p, in)) {
        ft_xt_pairs_pixels(p, w, constants, fix, in, out, &memory);
        return;
    }
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
