// CONV_2D on a Cortex-M4: the windows of two pixels are widened once, then multiplied with all channels.
//
// Where the windows' rows come from:
//   direct  the input itself (no padding at the sides);
//   bytes   a ring of padded int8 rows;
//   words   a ring of padded rows that are widened already (channels in fours): each value is widened once.
// A ring takes rows in before outputs that might overwrite them are written, so such a layer can work in
// place.
#ifndef FT_CM4_CONV_2D_H
#define FT_CM4_CONV_2D_H

#include "cm4_windows.h"

enum { FT_CM4_DIRECT = 0, FT_CM4_BYTES = 1, FT_CM4_WORDS = 2 };
enum { FT_CM4_MAX_ROWS = 16 };

typedef struct {
    int32_t in_bytes, out_w, conv_w;  // bytes of an input row; pixels after pooling and before
    int32_t row_bytes;                // of a row of the ring
    int16_t batches, in_h, out_h, out_c, conv_h;
    int16_t k_h, stride_h, pad_top;
    int16_t pool_h, pool_w, pool_top, pool_left, pool_step_h, pool_step_w;
    int16_t source, wide;  // where rows come from; packing
    int16_t rows, left;    // rows in reach; bytes before the image in a row of the ring
    int16_t together;      // rows of outputs computed together: 2 where the odd pixel of one joins the next's
    int16_t step;          // bytes from pixel to pixel in the source
    int16_t whole, last, tail;  // of the window: see ft_cm4_window
    int16_t groups;             // of the whole window, as in the constants
    int16_t shared;             // rows by which the windows of one maximum reach further down than the first
    int16_t left_bytes;         // of the bytes left over of one pixel
    int16_t relu;               // whether a clamp hides the rounding of negative halves
    int16_t skip, pairs, rest, in_zero, out_min, out_max;
} ft_cm4_conv_2d;

// How a row of the image gets into one of the ring; 0 where there is none.
typedef void (*ft_cm4_taking)(const ft_cm4_conv_2d *p, const int8_t *from, int8_t *to);

// What a layer's run carries along. Row 0 is the first kernel row of the first convolution row in work.
typedef struct {
    const ft_cm4_conv_2d *p;
    ft_gemm_routine routine, more;  // pooling begins with `routine` and goes on with `more`
    ft_cm4_widen widen;
    ft_cm4_taking take;
    const int32_t *rescale;  // pooling's rescaling constants
    const void *stream;
    const int8_t *in;
    uint32_t *x;    // the widened windows
    int8_t *left;   // their bytes left over
    int32_t *sums;  // pooling's largest sums
    int8_t *ring;
    int32_t loaded;  // input rows that the ring has taken in
    ft_cm4_window window;
    ft_gemm gemm;
    const int8_t *row[FT_CM4_MAX_ROWS];
} ft_cm4_conv;

// Computes `rows` rows of outputs from row oy on.
typedef void (*ft_cm4_body)(ft_cm4_conv *s, int32_t oy, int32_t rows, int8_t *out);

// Fills rows of the ring with what stands for the input's zero.
static __attribute__((noinline, unused)) void ft_cm4_fill(const ft_cm4_conv_2d *p, int8_t *to,
                                                          int32_t bytes) {
    uint32_t *w = (uint32_t *)(void *)to;
    const uint32_t four = (uint32_t)(p->in_zero & 0xff) * 0x01010101u;
    uint32_t zero[2] = {four, four};
    if (p->source == FT_CM4_WORDS) {
        ft_cm4_group(p->wide, four, zero);
    }
    for (int32_t i = 0; i < bytes / 8; i++) {
        *w++ = zero[0];
        *w++ = zero[1];
    }
}

FT_INLINE int32_t ft_cm4_least(int32_t a, int32_t b) {
    return a < b ? a : b;
}

static inline void ft_cm4_copy(const int8_t *from, int8_t *to, int32_t bytes) {
    if ((((uintptr_t)from | (uintptr_t)to) & 3) == 0) {
        for (; bytes >= 16; bytes -= 16) {
            __asm volatile("ldm.w %0!, {r3-r6}\n\tstm.w %1!, {r3-r6}"
                           : "+r"(from), "+r"(to)::"r3", "r4", "r5", "r6", "memory");
        }
    }
    for (; bytes >= 4; bytes -= 4, from += 4, to += 4) {
        ft_cm4_store(to, ft_cm4_load(from));
    }
    for (; bytes > 0; bytes--) {
        *to++ = *from++;
    }
}

// Takes a row of the image into a row of the ring: as it is, or widened.
static __attribute__((noinline, unused)) void ft_cm4_take_bytes(const ft_cm4_conv_2d *p, const int8_t *from,
                                                                int8_t *to) {
    ft_cm4_copy(from, to, p->in_bytes);
}

static __attribute__((noinline, unused)) void ft_cm4_take_wide(const ft_cm4_conv_2d *p, const int8_t *from,
                                                               int8_t *to) {
    ft_cm4_run_wide(from, (uint32_t *)(void *)to, p->in_bytes / 4, 0);
}

static __attribute__((noinline, unused)) void ft_cm4_take_half(const ft_cm4_conv_2d *p, const int8_t *from,
                                                               int8_t *to) {
    ft_cm4_run_half(from, (uint32_t *)(void *)to, p->in_bytes / 4, 0);
}

// Makes the rows from input row `first` on reachable. The ring starts as padding, which serves the rows above
// the image.
FT_SELDOM void ft_cm4_rows(ft_cm4_conv *s, int32_t first) {
    const ft_cm4_conv_2d *p = s->p;
    if (!s->take) {
        for (int32_t i = 0, y = first; i < p->rows; i++, y++) {
            s->row[i] = y < 0 || y >= p->in_h ? s->ring : s->in + y * p->in_bytes;
        }
        return;
    }
    int32_t slot = first % p->rows;
    slot += slot < 0 ? p->rows : 0;
    for (int32_t i = 0, y = first; i < p->rows; i++, y++) {
        int8_t *row = s->ring + slot * p->row_bytes;
        s->row[i] = row;
        if (y >= s->loaded) {
            // Rows below the image are padding.
            if (y < p->in_h) {
                s->take(p, s->in + y * p->in_bytes, row + p->left);
            } else {
                ft_cm4_fill(p, row, p->row_bytes);
            }
            s->loaded = y + 1;
        }
        slot = slot + 1 < p->rows ? slot + 1 : 0;
    }
}

// A row of outputs under pooling: the largest sums of each window, rescaled together. Rows of one maximum
// share most of their windows.
static __attribute__((noinline, unused)) void ft_cm4_pooled(ft_cm4_conv *s, int32_t oy, int32_t rows,
                                                            int8_t *out) {
    (void)rows;  // always one
    const ft_cm4_conv_2d *p = s->p;
    const int32_t top = oy * p->pool_step_h - p->pool_top;
    const int32_t first = top > 0 ? top : 0, bottom = ft_cm4_least(top + p->pool_h, p->conv_h);
    const int32_t share = p->shared ? p->stride_h : 0, whole = p->whole, last = p->last;
    const int8_t *const *first_row = s->row + (first - top) * p->stride_h;
    const ft_cm4_rescaling rescaling = p->relu ? ft_cm4_rescale_relu : ft_cm4_rescale_full;
    int32_t left = -p->pool_left;
    for (int32_t ox = p->out_w; ox > 0; ox--, left += p->pool_step_w, out += p->out_c) {
        const int32_t right = ft_cm4_least(left + p->pool_w, p->conv_w);
        ft_gemm_routine routine = s->routine;
        for (int32_t x = left > 0 ? left : 0; x < right; x += 2) {
            const int32_t at = x * p->step, second = x + 1 < right ? at + p->step : at;
            uint32_t *from = s->x, *to = from + p->tail * 4;
            ft_cm4_window *w = &s->window;
            w->rows = p->k_h;
            w->left = s->left;
            w->tail_from = s->left;
            w->tail_to = from;
            w->row_a = first_row;
            for (int32_t y = bottom - first; y > 0; y--) {
                w->row_b = w->row_a;
                s->widen(w, at, second, to);
                s->gemm.x_end = from + p->groups * 4;
                routine(from, s->stream, s->sums, &s->gemm);
                routine = s->more;
                w->row_a += p->stride_h;
                if (share) {
                    // The next window: `share` rows fewer at its start, as many new ones at its end.
                    to += w->rows * whole * 4;
                    w->left += w->rows * last;
                    w->row_a += w->rows - share;
                    w->rows = share;
                    w->tail_from += share * last;
                    w->tail_to = from += share * whole * 4;
                }
            }
        }
        rescaling(s->sums, s->rescale, out, p->out_c);
    }
}

// Rows of outputs, pixels two by two. An odd last pixel joins that of the next row, or is computed as both of
// a pair.
static __attribute__((noinline, unused)) void ft_cm4_pixels(ft_cm4_conv *s, int32_t oy, int32_t rows,
                                                            int8_t *out) {
    (void)oy;
    const ft_cm4_conv_2d *p = s->p;
    const ft_gemm_routine routine = s->routine;
    const ft_cm4_widen widen = s->widen;
    const int32_t step = p->step, last = (p->out_w - 1) * step, out_step = 2 * p->out_c;
    const void *stream = s->stream;
    uint32_t *x = s->x, *to = x + p->tail * 4;
    s->window.row_a = s->window.row_b = s->row;
    s->gemm.pixel_step = p->out_c;
    for (int32_t i = 0; i < rows; i++) {
        int8_t *place = out + i * p->out_w * p->out_c;
        for (int32_t at = 0; at < last; at += 2 * step, place += out_step) {
            widen(&s->window, at, at + step, to);
            routine(x, stream, place, &s->gemm);
        }
        s->window.row_a = s->window.row_b += p->stride_h;
    }
    if (p->out_w & 1) {
        s->window.row_a = s->row;
        s->window.row_b = s->row + (rows - 1) * p->stride_h;
        s->gemm.pixel_step = (rows - 1) * p->out_w * p->out_c;
        widen(&s->window, last, last, to);
        routine(x, stream, out + (p->out_w - 1) * p->out_c, &s->gemm);
    }
}

// `body` is ft_cm4_pixels or, with `more` and the constants `rescale`, ft_cm4_pooled.
FT_SELDOM void ft_cm4_conv_2d_s8(const ft_cm4_conv_2d *p, ft_cm4_body body, ft_gemm_routine routine,
                                 ft_gemm_routine more, ft_cm4_widen widen, ft_cm4_taking take,
                                 const void *stream, const int32_t *rescale, const int8_t *in, int8_t *out,
                                 void *scratch) {
    ft_cm4_conv s;
    s.p = p;
    s.routine = routine;
    s.more = more;
    s.widen = widen;
    s.take = take;
    s.rescale = rescale;
    s.stream = stream;
    s.in = in;
    s.x = scratch;
    s.sums = (int32_t *)(void *)(s.x + (p->groups + p->shared * p->whole) * 4);
    int8_t *free = (int8_t *)(void *)s.sums + (rescale ? (p->out_c + 3) / 4 * 16 : 0);
    s.window = (ft_cm4_window){p->k_h, p->whole, 0, 0, p->last, p->tail, free, p->left_bytes, free, s.x};
    s.left = free;
    s.ring = free + p->left_bytes * 2;
    s.gemm = (ft_gemm){s.x + p->groups * 4, p->skip, p->pairs * (rescale ? 8 : 2), p->out_c, p->rest};
    for (int32_t b = 0; b < p->batches; b++, s.in += p->in_h * p->in_bytes) {
        s.loaded = 0;
        ft_cm4_fill(p, s.ring, (p->source == FT_CM4_DIRECT ? 1 : p->rows) * p->row_bytes);
        for (int32_t oy = 0; oy < p->out_h;) {
            const int32_t rows = p->together < p->out_h - oy ? p->together : p->out_h - oy;
            const int32_t count = rows * p->out_w * p->out_c;
            ft_cm4_rows(&s, (oy * p->pool_step_h - p->pool_top) * p->stride_h - p->pad_top);
            body(&s, oy, rows, out);
            if (p->out_min > INT8_MIN || p->out_max < INT8_MAX) {
                ft_cm4_clamp(out, count, p->out_min, p->out_max);
            }
            out += count;
            oy += rows;
        }
    }
}

#endif
