// DEPTHWISE_CONV_2D, 3x3 with a stride of 1 or 2, one output for each channel: rows of one channel are stored
// as a plane with its padding, whose words serve several products at once; see xt_planes.h.
//
// Where the output has the input's shape, one channel after the other is computed, so that it may replace the
// input. Rows and columns may have changed places: `in_pixel` and `in_row` are the steps in memory.
#ifndef FT_XT_DEPTHWISE_PLANES_H
#define FT_XT_DEPTHWISE_PLANES_H

#include "xt_line.h"
#include "xt_planes.h"

typedef struct {
    int32_t batches;
    int32_t in_h, in_w, channels;
    int32_t out_h, out_w;
    int32_t stride;  // in both directions
    int32_t pad_top, pad_left;
    int32_t in_pixel, in_row, out_pixel, out_row;
    int32_t in_zero;
    int32_t by_channel;  // whether one channel is finished before the next is read
    int32_t band;        // rows of outputs for which a plane has room
    int32_t row_words;   // of a plane
    ft_xt_line line;
} ft_xt_depthwise_planes;

// The working memory: 16-byte aligned parts of it.
typedef struct {
    uint16_t *plane;
    int32_t *sums;
} ft_xt_planes_memory;

// Stores the pixels of `rows` rows of one channel, `count` in each.
FT_INLINE void ft_xt_plane_store(const ft_xt_depthwise_planes *p, const uint8_t *from, int32_t count,
                                 int32_t rows, uint16_t *to) {
    // Unknown to gcc, which would make it -128 and cut off the sign again.
    uint32_t sign = 0x80;
    __asm("" : "+r"(sign));
    const int32_t step = p->in_pixel, back = p->in_row - count * step, ahead = 2 * p->row_words - count;
    for (; rows; rows--, from += back, to += ahead) {
        int32_t left = count;
        for (; left >= 4; left -= 4, from += 4 * step, to += 4) {
            to[0] = (uint16_t)(from[0] ^ sign);
            to[1] = (uint16_t)(from[step] ^ sign);
            to[2] = (uint16_t)(from[2 * step] ^ sign);
            to[3] = (uint16_t)(from[3 * step] ^ sign);
        }
        if (left & 2) {
            to[0] = (uint16_t)(from[0] ^ sign);
            to[1] = (uint16_t)(from[step] ^ sign);
            from += 2 * step;
            to += 2;
        }
        if (left & 1) {
            *to++ = (uint16_t)(*from ^ sign);
            from += step;
        }
    }
}

FT_INLINE void ft_xt_plane_fill(const ft_xt_depthwise_planes *p, uint16_t *to, int32_t rows) {
    ft_xt_word *words = (ft_xt_word *)(void *)to;
    const uint32_t zeros = (uint32_t)(p->in_zero + 128) * 0x10001u;
    for (int32_t i = p->row_words * rows; i > 0; i--) {
        *words++ = zeros;
    }
}

// Stores `rows` rows of one channel, the first of which is `y`, from row `done` on.
FT_INLINE void ft_xt_plane_rows(const ft_xt_depthwise_planes *p, const int8_t *image, int32_t y, int32_t rows,
                                int32_t done, uint16_t *plane) {
    const int32_t first = ft_clamp(-y, done, rows), last = ft_clamp(p->in_h - y, first, rows);
    const int32_t pitch = 2 * p->row_words;
    const int32_t count = ft_min(p->in_w, pitch - p->pad_left);
    // Where there is one band, rows of padding are those of the channel before.
    const int32_t again = !p->by_channel || p->band < p->out_h;
    ft_xt_plane_fill(p, plane + done * pitch, again ? first - done : 0);
    if (last > first) {
        const int8_t *from = image + (y + first) * p->in_row;
        ft_xt_plane_store(p, (const uint8_t *)from, count, last - first, plane + first * pitch + p->pad_left);
    }
    ft_xt_plane_fill(p, plane + last * pitch, again ? rows - last : 0);
}

// One channel of the outputs of `rows` rows, the first of which is `y`. `kept` rows of inputs are those at
// the end of the band before.
FT_INLINE void ft_xt_plane_band(const ft_xt_depthwise_planes *p, const ft_xt_taps *taps,
                                const int32_t *constants, const int8_t *image, int32_t y, int32_t kept,
                                int8_t *out, const ft_xt_planes_memory *memory) {
    const int32_t rows = ft_min(p->band, p->out_h - y);
    const ft_xt_word *last = (const ft_xt_word *)(const void *)(memory->plane + p->band * 2 * p->row_words);
    ft_xt_word *first = (ft_xt_word *)(void *)memory->plane;
    for (int32_t i = kept * p->row_words; i > 0; i--) {
        *first++ = *last++;
    }
    ft_xt_plane_rows(p, image, y * p->stride - p->pad_top, (rows - 1) * p->stride + FT_XT_PLANE_ROWS, kept,
                     memory->plane);
    const ft_xt_plane plane = {(const ft_xt_word *)(const void *)memory->plane, p->row_words, rows,
                               p->row_words - 1, p->stride};
    ft_xt_plane_sums(&plane, taps, memory->sums);
    ft_xt_line_constants own;
    ft_xt_line_load(&p->line, constants, &own);
    const int32_t *sums = memory->sums;
    const int32_t unused = p->stride == 1 ? 2 * (p->row_words - 1) - p->out_w : 0;
    // Rows that follow each other are as good as one.
    const int32_t flat = unused == 0 && p->out_row == p->out_w * p->out_pixel;
    const int32_t lines = flat ? 1 : rows, line = flat ? rows * p->out_w : p->out_w;
    out += y * p->out_row;
    for (int32_t row = 0; row < lines; row++, sums += unused, out += p->out_row) {
        int8_t *to = out;
        for (int32_t x = line >> 2; x > 0; x--, to += 4 * p->out_pixel, sums += 4) {
            to[0] = ft_xt_line_output(&p->line, &own, sums[0]);
            to[p->out_pixel] = ft_xt_line_output(&p->line, &own, sums[1]);
            to[2 * p->out_pixel] = ft_xt_line_output(&p->line, &own, sums[2]);
            to[3 * p->out_pixel] = ft_xt_line_output(&p->line, &own, sums[3]);
        }
        for (int32_t x = line & 3; x > 0; x--, to += p->out_pixel) {
            *to = ft_xt_line_output(&p->line, &own, *sums++);
        }
    }
}

FT_KERNEL void ft_xt_depthwise_planes_s8(const ft_xt_depthwise_planes *p, const int32_t *taps,
                                         const int32_t *constants, const int8_t *in, int8_t *out,
                                         void *scratch) {
    const ft_xt_taps *own = (const ft_xt_taps *)taps;
    const int32_t words = ft_xt_line_words(&p->line);
    const int32_t plane_rows = (p->band - 1) * p->stride + FT_XT_PLANE_ROWS;
    const ft_xt_planes_memory memory = {(uint16_t *)scratch, (int32_t *)scratch + plane_rows * p->row_words};
    // What lies beside the pixels stays so.
    ft_xt_plane_fill(p, memory.plane, plane_rows);
    for (int32_t b = 0; b < p->batches; b++) {
        const int32_t outer = p->by_channel ? p->channels : p->out_h;
        const int32_t inner = p->by_channel ? p->out_h : p->channels;
        const int32_t outer_step = p->by_channel ? 1 : p->band, inner_step = p->by_channel ? p->band : 1;
        for (int32_t i = 0; i < outer; i += outer_step) {
            for (int32_t j = 0; j < inner; j += inner_step) {
                const int32_t c = p->by_channel ? i : j, y = p->by_channel ? j : i;
                const int32_t kept = p->by_channel && y > 0 ? FT_XT_PLANE_ROWS - p->stride : 0;
                ft_xt_plane_band(p, own + c, constants + c * words, in + c, y, kept, out + c, &memory);
            }
        }
        in += p->in_h * p->in_w * p->channels;
        out += p->out_h * p->out_w * p->channels;
    }
}

#endif
