// CONV_2D, 3x3 with stride 1, by Winograd's F(2x2, 3x3): 16 products instead of 36 for four outputs, exactly.
//
// Weights are transformed when compiling with integer matrices (2G) g (2G)', so that sums come out times 4,
// which the rescaling takes up. All arithmetic is modulo 2^32 and the true sums fit, so nothing is lost on
// the way. Two tiles of 2x2 outputs side by side take the place of the two pixels of cm4_gemm.h, the 16
// positions that of the taps.
#ifndef FT_CM4_WINOGRAD_H
#define FT_CM4_WINOGRAD_H

#include "cm4_conv_2d.h"

enum { FT_TILE_STEPS = 16, FT_TILE_ROWS = 4 };

// What a routine needs beside the streams: bytes of loop body to jump over (the whole body serves 64 input
// channels), output channels, steps in the output.
typedef struct {
    int32_t skip, channels, pixel_step, row_step;
} ft_tiles;

typedef void (*ft_tiles_routine)(const uint32_t *x, const void *stream, int8_t *out, const ft_tiles *t);

// clang-format off
// Stack: 0..127 Y[row][j][channel][tile], then 128 out, 132 its end, 136 j, 140 x, 144 pixel step, 148 row step,
// 152.. where to enter the four bodies.
#define FT_TILE_BODY FT_WIDE_BODY
#define FT_TILE_ENTER(at, body) "ldr.w pc, [sp, #" #at "]\n" ".balign 4\n" body
#define FT_TILE_ENTRY(label, at) "adr.w r9, " #label "f\n" "add.w r9, r9, r4\n" "orr.w r9, r9, #1\n" "str.w r9, [sp, #" #at "]\n"

// One row of one channel's outputs: z0 = y0 + y1 + y2, z1 = y1 - y2 - y3 for both tiles; r10 m, r11 c, r12 e, lr out.
#define FT_TILE_ROW(offset, rescale)                                                             \
    "ldrd r2, r3, [sp, #" #offset "]\n" "ldrd r4, r5, [sp, #" #offset " + 16]\n"                 \
    "ldrd r6, r7, [sp, #" #offset " + 32]\n" "ldrd r8, r9, [sp, #" #offset " + 48]\n"            \
    "add r2, r4\n" "add r3, r5\n" "add r2, r6\n" "add r3, r7\n"                                  \
    "sub r4, r6\n" "sub r5, r7\n" "sub r4, r8\n" "sub r5, r9\n"                                  \
    rescale("r2") rescale("r3") rescale("r4") rescale("r5")                                      \
    "ldr.w r6, [sp, #144]\n"                                                                     \
    "strb.w r2, [lr]\n" "strb.w r4, [lr, r6]\n" "strb.w r3, [lr, r6, lsl #1]\n"                  \
    "add.w r7, lr, r6\n" "strb.w r5, [r7, r6, lsl #1]\n"
#define FT_TILE_RELU(z) "smmla " z ", " z ", r10, r11\n" "asr.w " z ", " z ", r12\n" "ssat " z ", #8, " z "\n"
// d is 2: sums come times 4 = 2^(1 + d).
#define FT_TILE_FULL(z)                                                                          \
    "asr.w r6, " z ", #31\n" "smmla " z ", " z ", r10, r11\n" "add.w " z ", " z ", r6, lsl #1\n" \
    "asr.w " z ", " z ", r12\n" "ssat " z ", #8, " z "\n"
#define FT_TILE_CHANNEL(offset, rescale)                                                         \
    "ldm.w r1!, {r10-r12}\n"                                                                     \
    FT_TILE_ROW(offset, rescale) "ldr.w r6, [sp, #148]\n" "add.w lr, lr, r6\n"                   \
    FT_TILE_ROW(offset + 64, rescale) "ldr.w r6, [sp, #148]\n" "sub.w lr, lr, r6\n"              \
    "add.w lr, lr, #1\n"

#define FT_TILES(rescale)                                                                        \
    "push.w {r4-r11, lr}\n" "sub sp, #172\n"                                                     \
    "ldm.w r3, {r4-r7}\n" /* skip, channels, pixel step, row step */                             \
    "add.w r5, r5, r2\n" "strd r2, r5, [sp, #128]\n" "str.w r0, [sp, #140]\n" "strd r6, r7, [sp, #144]\n" \
    FT_TILE_ENTRY(21, 152) FT_TILE_ENTRY(22, 156) FT_TILE_ENTRY(23, 160) FT_TILE_ENTRY(24, 164)  \
    "1: add.w r6, sp, #0\n" "str.w r6, [sp, #136]\n"                                             \
    /* position 1 starts from the bias (zero for all columns but one) */                         \
    "2: ldm.w r1!, {r2, r4}\n" "mov r3, r2\n" "mov r5, r4\n"                                     \
    FT_TILE_ENTER(152, "21:\n" FT_TILE_BODY)                                                     \
    "ldr.w r6, [sp, #136]\n" "stm.w r6, {r2-r5}\n"                                               \
    "movs r2, #0\n" "movs r3, #0\n" "movs r4, #0\n" "movs r5, #0\n"                              \
    FT_TILE_ENTER(156, "22:\n" FT_TILE_BODY)                                                     \
    "ldr.w r6, [sp, #136]\n" "ldm.w r6, {r7-r10}\n"                                              \
    "sub.w r11, r7, r2\n" "sub.w r12, r8, r3\n" "sub.w lr, r9, r4\n" "str.w r11, [r6, #64]\n"    \
    "str.w r12, [r6, #68]\n" "str.w lr, [r6, #72]\n" "sub.w r11, r10, r5\n" "str.w r11, [r6, #76]\n" \
    "add r2, r7\n" "add r3, r8\n" "add r4, r9\n" "add r5, r10\n"                                 \
    FT_TILE_ENTER(160, "23:\n" FT_TILE_BODY)                                                     \
    "ldr.w r6, [sp, #136]\n" "stm.w r6!, {r2-r5}\n" "str.w r6, [sp, #136]\n"                     \
    "add.w r6, r6, #48\n" "ldm.w r6, {r2-r5}\n"                                                  \
    FT_TILE_ENTER(164, "24:\n" FT_TILE_BODY)                                                     \
    "ldr.w r6, [sp, #136]\n" "add.w r7, r6, #48\n" "stm.w r7, {r2-r5}\n"                         \
    "add.w r7, sp, #64\n" "cmp r6, r7\n" "bne.w 2b\n"                                            \
    "ldr.w lr, [sp, #128]\n"                                                                     \
    FT_TILE_CHANNEL(0, rescale) FT_TILE_CHANNEL(8, rescale)                                      \
    "ldr.w r0, [sp, #140]\n" "ldr.w r6, [sp, #132]\n" "str.w lr, [sp, #128]\n"                   \
    "cmp lr, r6\n" "bne.w 1b\n"                                                                  \
    "add sp, #172\n" "pop.w {r4-r11, pc}\n"

#define FT_TILES_ROUTINE(name, rescale)                                                          \
    static __attribute__((naked, noinline, unused)) void name(                                   \
        const uint32_t *x __attribute__((unused)), const void *stream __attribute__((unused)),   \
        int8_t *out __attribute__((unused)), const ft_tiles *t __attribute__((unused))) {        \
        __asm volatile(FT_TILES(rescale));                                                       \
    }
FT_TILES_ROUTINE(ft_tiles_relu, FT_TILE_RELU)
FT_TILES_ROUTINE(ft_tiles_full, FT_TILE_FULL)
// clang-format on

FT_INLINE uint32_t ft_cm4_plus(uint32_t a, uint32_t b) {
    uint32_t r;
    __asm("sadd16 %0, %1, %2" : "=r"(r) : "r"(a), "r"(b));
    return r;
}

FT_INLINE uint32_t ft_cm4_minus(uint32_t a, uint32_t b) {
    uint32_t r;
    __asm("ssub16 %0, %1, %2" : "=r"(r) : "r"(a), "r"(b));
    return r;
}

// One row i of both tiles: columns from the sums or differences of two image rows, six pixels each. `to` is
// position (i, 0), `j` the words from one j to the next.
#define FT_TILE_TRANSFORM(op, a, b, to)                                                                  \
    do {                                                                                                 \
        const uint32_t v0 = op((a)[0], (b)[0]), v1 = op((a)[words], (b)[words]),                         \
                       v2 = op((a)[2 * words], (b)[2 * words]), v3 = op((a)[3 * words], (b)[3 * words]), \
                       v4 = op((a)[4 * words], (b)[4 * words]), v5 = op((a)[5 * words], (b)[5 * words]); \
        (to)[0] = ft_cm4_minus(v0, v2);                                                                  \
        (to)[2] = ft_cm4_minus(v2, v4);                                                                  \
        (to)[j] = ft_cm4_plus(v1, v2);                                                                   \
        (to)[j + 2] = ft_cm4_plus(v3, v4);                                                               \
        (to)[2 * j] = ft_cm4_minus(v2, v1);                                                              \
        (to)[2 * j + 2] = ft_cm4_minus(v4, v3);                                                          \
        (to)[3 * j] = ft_cm4_minus(v1, v3);                                                              \
        (to)[3 * j + 2] = ft_cm4_minus(v3, v5);                                                          \
    } while (0)

// Transforms two tiles: four rows of six widened pixels, each of `words` pairs of channels. Positions go out
// in the order j = 0..3, and for each of them i = 1, 2, 0, 3.
FT_INLINE void ft_cm4_tiles_of(const int8_t *const *row, int32_t at, int32_t words, uint32_t *to) {
    const uint32_t *r0 = (const uint32_t *)(const void *)(row[0] + at);
    const uint32_t *r1 = (const uint32_t *)(const void *)(row[1] + at);
    const uint32_t *r2 = (const uint32_t *)(const void *)(row[2] + at);
    const uint32_t *r3 = (const uint32_t *)(const void *)(row[3] + at);
    const int32_t position = words * 2, j = position * 4;
    for (int32_t w = 0; w < words; r0++, r1++, r2++, r3++) {
        FT_TILE_TRANSFORM(ft_cm4_plus, r1, r2, to);
        FT_TILE_TRANSFORM(ft_cm4_minus, r2, r1, to + position);
        FT_TILE_TRANSFORM(ft_cm4_minus, r0, r2, to + 2 * position);
        FT_TILE_TRANSFORM(ft_cm4_minus, r1, r3, to + 3 * position);
        w++;
        to += w & 1 ? 1 : 3;
    }
}

// With the usual numbers of channels as constants, all addresses are part of the instructions.
static __attribute__((noinline, unused)) void ft_cm4_tiles_16(const int8_t *const *row, int32_t at,
                                                              uint32_t *to) {
    ft_cm4_tiles_of(row, at, 8, to);
}

static __attribute__((noinline, unused)) void ft_cm4_tiles_32(const int8_t *const *row, int32_t at,
                                                              uint32_t *to) {
    ft_cm4_tiles_of(row, at, 16, to);
}

static __attribute__((noinline, unused)) void ft_cm4_tiles_64(const int8_t *const *row, int32_t at,
                                                              uint32_t *to) {
    ft_cm4_tiles_of(row, at, 32, to);
}

static __attribute__((noinline, unused)) void ft_cm4_tiles(const int8_t *const *row, int32_t at,
                                                           int32_t words, uint32_t *to) {
    switch (words) {
        case 8:
            ft_cm4_tiles_16(row, at, to);
            break;
        case 16:
            ft_cm4_tiles_32(row, at, to);
            break;
        case 32:
            ft_cm4_tiles_64(row, at, to);
            break;
        default:
            ft_cm4_tiles_of(row, at, words, to);
    }
}

// Widens a row of pixels; channels that do not come in fours are filled up with anything: their weights are
// zero.
static __attribute__((noinline, unused)) void ft_cm4_tile_row(const ft_cm4_conv_2d *p, const int8_t *from,
                                                              uint32_t *to) {
    if (!p->last) {
        ft_cm4_run_wide(from, to, p->in_bytes / 4, 0);
        return;
    }
    for (const int8_t *end = from + p->in_bytes; from < end; from += p->last, to += 2) {
        for (int32_t i = p->whole; i > 0; i--, from += 4, to += 2) {
            ft_cm4_wide(ft_cm4_load(from), to);
        }
        // More than four channels: the word that ends with the pixel lies within it.
        ft_cm4_wide(ft_cm4_load(from + p->last - 4) >> (32 - 8 * p->last), to);
    }
}

// Makes four rows from `first` on reachable; there are at most two rows of padding above the image.
static __attribute__((noinline, unused)) void ft_cm4_tile_rows(ft_cm4_conv *s, int32_t first) {
    const ft_cm4_conv_2d *p = s->p;
    for (int32_t i = 0, y = first; i < FT_TILE_ROWS; i++, y++) {
        int8_t *row = s->ring + ((y + FT_TILE_ROWS) & (FT_TILE_ROWS - 1)) * p->row_bytes;
        s->row[i] = row;
        if (y >= s->loaded) {
            s->loaded = y + 1;
            if (y < p->in_h) {
                ft_cm4_tile_row(p, s->in + y * p->in_bytes, (uint32_t *)(void *)(row + p->left));
            } else {
                ft_cm4_fill(p, row, p->row_bytes);
            }
        }
    }
}

// A layer at least four outputs wide and two high. Tiles at the right and lower edges overlap their
// neighbours where the output's size is not a multiple of theirs, and so does the last pair of an odd number
// of channels: the same outputs are then computed twice.
static __attribute__((noinline, unused)) void ft_cm4_winograd_s8(const ft_cm4_conv_2d *p,
                                                                 ft_tiles_routine routine,
                                                                 const int32_t *stream, const int8_t *in,
                                                                 int8_t *out, void *scratch) {
    ft_cm4_conv s;
    s.p = p;
    s.in = in;
    s.x = scratch;
    s.loaded = 0;
    s.ring = (int8_t *)(void *)(s.x + p->groups * 64);
    const int32_t row_step = p->out_w * p->out_c;
    const ft_tiles t = {p->skip, p->pairs * 2, p->out_c, row_step}, last = {p->skip, 2, p->out_c, row_step};
    const int32_t *last_stream = stream + p->pairs * (4 * (2 + 16 * p->groups) + 6);
    ft_cm4_fill(p, s.ring, p->rows * p->row_bytes);
    for (int32_t oy = 0; oy < p->out_h; oy += 2) {
        const int32_t y = oy + 2 <= p->out_h ? oy : p->out_h - 2;
        ft_cm4_tile_rows(&s, y - p->pad_top);
        for (int32_t ox = 0; ox < p->out_w; ox += 4) {
            const int32_t x = ox + 4 <= p->out_w ? ox : p->out_w - 4;
            int8_t *to = out + y * row_step + x * p->out_c;
            ft_cm4_tiles(s.row, x * p->step, p->groups * 2, s.x);
            routine(s.x, stream, to, &t);
            if (p->rest) {
                routine(s.x, last_stream, to + p->out_c - 2, &last);
            }
        }
    }
    if (p->out_min > INT8_MIN || p->out_max < INT8_MAX) {
        ft_cm4_clamp(out, p->out_h * row_step, p->out_min, p->out_max);
    }
}

#endif
