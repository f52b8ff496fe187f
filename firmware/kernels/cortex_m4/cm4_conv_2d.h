// CONV_2D on a Cortex-M4: the window of two neighbouring pixels is widened once, then multiplied with all
// channels.
//
// Where the window's rows come from:
//   direct  the input itself (no padding at the sides);
//   bytes   a ring of padded int8 rows;
//   words   a ring of padded rows that are widened already (channels in fours): each value is widened once.
// A ring takes rows in before outputs that might overwrite them are written, so such a layer can work in
// place.
#ifndef FT_CM4_CONV_2D_H
#define FT_CM4_CONV_2D_H

#include "cm4_widen.h"

enum { FT_CM4_DIRECT = 0, FT_CM4_BYTES = 1, FT_CM4_WORDS = 2 };
enum { FT_CM4_MAX_ROWS = 16 };

typedef struct {
    int32_t batches, in_h, in_bytes;  // rows of one image, bytes of one row
    int32_t out_h, out_w, out_c;      // of the output, after pooling
    int32_t conv_h, conv_w;           // of the convolution, before pooling
    int32_t k_h, stride_h, pad_top;
    int32_t pool_h, pool_w, pool_top, pool_left, pool_step_h, pool_step_w;
    int32_t source, wide,
        gather;  // where rows come from; packing; whether a window's bytes are collected first
    int32_t rows, row_bytes, left;  // of the ring: rows, bytes of a row, bytes before the image
    int32_t step, run;  // bytes from pixel to pixel, bytes of a window's row (both as in the source)
    int32_t groups;     // of the whole window, as in the constants
    int32_t skip, pairs, rest, in_zero, out_min, out_max;
} ft_cm4_conv_2d;

// What a call carries along: rows in reach (row 0 is the first kernel row of the first convolution row).
typedef struct {
    const ft_cm4_conv_2d *p;
    const int8_t *in;
    uint32_t *x;     // the widened windows
    int32_t *sums;   // pooling's largest sums
    int8_t *ring;    // a row of padding, then `rows` rows
    int8_t *gather;  // two windows' bytes
    int32_t loaded;  // input rows that the ring has taken in
    const int8_t *row[FT_CM4_MAX_ROWS];
} ft_cm4_conv;

static inline void ft_cm4_fill(const ft_cm4_conv_2d *p, int8_t *to, int32_t bytes) {
    uint32_t *w = (uint32_t *)(void *)to;
    uint32_t zero[2] = {0, 0};
    const uint32_t four = (uint32_t)(p->in_zero & 0xff) * 0x01010101u;
    zero[0] = zero[1] = four;
    if (p->source == FT_CM4_WORDS) {
        ft_cm4_group(p->wide, four, zero);
    }
    for (int32_t i = 0; i < bytes / 8; i++) {
        *w++ = zero[0];
        *w++ = zero[1];
    }
}

static inline void ft_cm4_copy(const int8_t *from, int8_t *to, int32_t bytes) {
    for (; bytes >= 4; bytes -= 4, from += 4, to += 4) {
        const uint32_t v = ft_cm4_load(from);
        __asm("str %1, %0" : "=m"(*(uint32_t(*)[1])(void *)to) : "r"(v));
    }
    for (; bytes > 0; bytes--) {
        *to++ = *from++;
    }
}

// Makes the rows from input row `first` on reachable.
static __attribute__((noinline)) void ft_cm4_rows(ft_cm4_conv *s, int32_t first) {
    const ft_cm4_conv_2d *p = s->p;
    for (int32_t i = 0; i < p->rows; i++) {
        const int32_t y = first + i;
        if (y < 0 || y >= p->in_h) {
            s->row[i] = s->ring;
        } else if (p->source == FT_CM4_DIRECT) {
            s->row[i] = s->in + y * p->in_bytes;
        } else {
            int8_t *row = s->ring + (y % p->rows + 1) * p->row_bytes;
            s->row[i] = row;
            if (y >= s->loaded) {
                const int8_t *from = s->in + y * p->in_bytes;
                uint32_t *to = (uint32_t *)(void *)(row + p->left);
                if (p->source == FT_CM4_BYTES) {
                    ft_cm4_copy(from, row + p->left, p->in_bytes);
                } else if (p->wide) {
                    ft_cm4_run_wide(from, to, p->in_bytes / 4, 0);
                } else {
                    ft_cm4_run_half(from, to, p->in_bytes / 4, 0);
                }
                s->loaded = y + 1;
            }
        }
    }
}

// Widens the windows of two pixels, the byte offsets of which in their rows are a and b.
static void ft_cm4_windows(const ft_cm4_conv *s, const int8_t *const *row, int32_t a, int32_t b) {
    const ft_cm4_conv_2d *p = s->p;
    const int32_t bytes = p->run;
    uint32_t *x = s->x;
    if (p->gather) {
        int8_t *to_a = s->gather, *to_b = s->gather + p->groups * 4;
        for (int32_t ky = 0; ky < p->k_h; ky++, to_a += bytes, to_b += bytes) {
            ft_cm4_copy(row[ky] + a, to_a, bytes);
            ft_cm4_copy(row[ky] + b, to_b, bytes);
        }
        to_a = s->gather;
        to_b = s->gather + p->groups * 4;
        if (p->wide) {
            ft_cm4_pair_wide(to_a, to_b, x, p->groups, 0);
        } else {
            ft_cm4_pair_half(to_a, to_b, x, p->groups, 0);
        }
        return;
    }
    for (int32_t ky = 0; ky < p->k_h; ky++) {
        const int8_t *from_a = row[ky] + a, *from_b = row[ky] + b;
        if (p->source == FT_CM4_WORDS) {
            x = ft_cm4_weave((const uint32_t *)(const void *)from_a, (const uint32_t *)(const void *)from_b,
                             x, bytes / 8);
        } else if (p->wide) {
            x = ft_cm4_pair_wide(from_a, from_b, x, bytes / 4, bytes % 4);
        } else {
            x = ft_cm4_pair_half(from_a, from_b, x, bytes / 4, bytes % 4);
        }
    }
}

// One output pixel under pooling: the largest sums of its window, rescaled together.
static __attribute__((noinline, unused)) void ft_cm4_pooled(const ft_cm4_conv *s, ft_gemm_routine routine,
                                                            const void *stream, const int32_t *rescale,
                                                            const ft_gemm *g, int32_t oy, int32_t ox,
                                                            int8_t *out) {
    const ft_cm4_conv_2d *p = s->p;
    const int32_t top = oy * p->pool_step_h - p->pool_top, left = ox * p->pool_step_w - p->pool_left;
    const int32_t bottom = top + p->pool_h < p->conv_h ? top + p->pool_h : p->conv_h;
    const int32_t right = left + p->pool_w < p->conv_w ? left + p->pool_w : p->conv_w;
    for (int32_t c = 0; c < p->out_c; c++) {
        s->sums[c] = INT32_MIN;
    }
    for (int32_t y = top > 0 ? top : 0; y < bottom; y++) {
        const int8_t *const *row = s->row + (y - top) * p->stride_h;
        for (int32_t x = left > 0 ? left : 0; x < right; x += 2) {
            const int32_t second = x + 1 < right ? x + 1 : x;
            ft_cm4_windows(s, row, x * p->step, second * p->step);
            routine(s->x, stream, s->sums, g);
        }
    }
    ft_cm4_rescale(s->sums, rescale, out, p->out_c);
}

// One row of outputs, two at a time; an odd one is computed as both of a pair.
static __attribute__((noinline, unused)) void ft_cm4_row(const ft_cm4_conv *s, ft_gemm_routine routine,
                                                         const void *stream, ft_gemm *g, int8_t *out) {
    const ft_cm4_conv_2d *p = s->p;
    int32_t at = 0;
    g->pixel_step = p->out_c;
    for (int32_t ox = p->out_w; ox > 1; ox -= 2, at += 2 * p->step, out += 2 * p->out_c) {
        ft_cm4_windows(s, s->row, at, at + p->step);
        routine(s->x, stream, out, g);
    }
    if (p->out_w & 1) {
        g->pixel_step = 0;
        ft_cm4_windows(s, s->row, at, at);
        routine(s->x, stream, out, g);
    }
}

// `rescale` holds the rescaling constants of a pooled layer, and is NULL without pooling.
static __attribute__((noinline, unused)) void ft_cm4_conv_2d_s8(const ft_cm4_conv_2d *p,
                                                                ft_gemm_routine routine, const void *stream,
                                                                const int32_t *rescale, const int8_t *in,
                                                                int8_t *out, void *scratch) {
    ft_cm4_conv s = {p, in, scratch, 0, 0, 0, 0, {0}};
    ft_gemm g = {s.x + p->groups * 4, p->skip, p->pairs * (rescale ? 8 : 2), p->out_c, p->rest};
    int8_t *free = (int8_t *)(void *)(s.x + p->groups * 4);
    if (rescale) {
        s.sums = (int32_t *)(void *)free;
        free += p->out_c * 4;
    }
    if (p->gather) {
        s.gather = free;
        free += p->groups * 8;
    }
    s.ring = free;
    for (int32_t b = 0; b < p->batches; b++, s.in += p->in_h * p->in_bytes) {
        s.loaded = 0;
        ft_cm4_fill(p, s.ring, (p->source == FT_CM4_DIRECT ? 1 : p->rows + 1) * p->row_bytes);
        for (int32_t oy = 0; oy < p->out_h; oy++) {
            ft_cm4_rows(&s, (oy * p->pool_step_h - p->pool_top) * p->stride_h - p->pad_top);
            if (!rescale) {
                ft_cm4_row(&s, routine, stream, &g, out);
            } else {
                for (int32_t ox = 0; ox < p->out_w; ox++) {
                    ft_cm4_pooled(&s, routine, stream, rescale, &g, oy, ox, out + ox * p->out_c);
                }
            }
            if (p->out_min > INT8_MIN || p->out_max < INT8_MAX) {
                ft_cm4_clamp(out, p->out_w * p->out_c, p->out_min, p->out_max);
            }
            out += p->out_w * p->out_c;
        }
    }
}

#endif
