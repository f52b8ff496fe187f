// CONV_2D, 5x5 with stride 1, and a 2x2 maximum after it, by a transform of Winograd's kind: 42 products
// instead of 100 for the four outputs under one maximum, exactly.
//
// Across rows, polynomials are evaluated at 0, 1, -1, 2, -2 and infinity (6 products); along rows, multiplied
// modulo z (z^4 - 1) and at infinity (7 products). With the weights' transform scaled to whole numbers, sums
// come times 96 modulo 2^32. The maximum is taken first; multiplied by the inverse of 3 modulo 2^32, it is 32
// times the true sum.
#ifndef FT_CM4_WINOGRAD_5X5_H
#define FT_CM4_WINOGRAD_5X5_H

#include "cm4_winograd.h"

enum { FT_SQUARE_STEPS = 8, FT_SQUARE_ROWS = 6, FT_SQUARE_PRODUCTS = 42 };

typedef struct {
    int32_t in_h, in_bytes, in_c;  // rows of the image, bytes of a row
    int32_t out_h, out_w, out_c;   // after the maximum
    int32_t pad_top, left;         // rows of padding above, bytes of it before a row of the ring
    int32_t row_bytes, skip, in_zero, out_min, out_max;
} ft_cm4_winograd_5x5;

// Bytes of loop body to jump over, output channels, bytes from the first tile's output to the second's.
typedef struct {
    int32_t skip, channels, second;
} ft_squares;

typedef void (*ft_squares_routine)(const uint32_t *x, const void *stream, int8_t *out, const ft_squares *t);

// clang-format off
// Stack: 0..223 Y[row][j][channel][tile], 224 and 240 sums that wait, 256 out, 260 its end, 264 x, 268 second,
// 272 Y[0][j], 276..299 where to enter the six bodies.
#define FT_SQUARE_HALF_STEP                                                                      \
    "ldm.w r0!, {r6, r8}\n" "ldm.w r1!, {r10, r12}\n"                                            \
    "smlad r2, r10, r6, r2\n" "smlad r4, r12, r6, r4\n"                                          \
    "smlad r3, r10, r8, r3\n" "smlad r5, r12, r8, r5\n"
#define FT_SQUARE_BODY(label, at, last) "ldr.w pc, [sp, #" #at "]\n" ".balign 4\n" #label ":\n" FT_X8(FT_WIDE_STEP) last
#define FT_SQUARE_ZERO "movs r2, #0\n" "movs r3, #0\n" "movs r4, #0\n" "movs r5, #0\n"
#define FT_SQUARE_WAIT(at) "add.w r6, sp, #" #at "\n" "stm.w r6, {r2-r5}\n"
#define FT_SQUARE_BACK(at) "add.w r6, sp, #" #at "\n" "ldm.w r6, {r6-r9}\n"
// r10 r11 r12 lr: what waited less the sums; r2..r5: both together.
#define FT_SQUARE_BUTTERFLY                                                                      \
    "sub.w r10, r6, r2\n" "sub.w r11, r7, r3\n" "sub.w r12, r8, r4\n" "sub.w lr, r9, r5\n"       \
    "add r2, r6\n" "add r3, r7\n" "add r4, r8\n" "add r5, r9\n"

// z0 and z1 of one row, channel and tile: y0 + y1 + y2 + 2 (y3 - y4 + y5) and y1 - y2 + 2 (y4 + y5) + y6.
#define FT_SQUARE_ROW(at, z0, z1)                                                                \
    "ldr.w r6, [sp, #" #at "]\n" "ldr.w r7, [sp, #" #at " + 16]\n" "ldr.w r8, [sp, #" #at " + 32]\n" \
    "ldr.w r9, [sp, #" #at " + 48]\n" "ldr.w r10, [sp, #" #at " + 64]\n"                         \
    "ldr.w r11, [sp, #" #at " + 80]\n" "ldr.w r12, [sp, #" #at " + 96]\n"                        \
    "add.w " z0 ", r7, r8\n" "sub.w " z1 ", r7, r8\n" "add " z0 ", r6\n" "add " z1 ", r12\n"     \
    "add.w r12, r10, r11\n" "sub.w r9, r9, r10\n" "add r9, r11\n"                                \
    "add.w " z0 ", " z0 ", r9, lsl #1\n" "add.w " z1 ", " z1 ", r12, lsl #1\n"                   \
    FT_MAX(z0, z1)
// r7 m, r8 c, r9 e; sums are times 32 = 2^(1 + 4).
#define FT_SQUARE_RELU "smmla r2, r2, r7, r8\n"
#define FT_SQUARE_FULL "asr.w r6, r2, #31\n" "smmla r2, r2, r7, r8\n" "add.w r2, r2, r6, lsl #4\n"
#define FT_SQUARE_OUTPUT(at, channel, rescale, place)                                            \
    FT_SQUARE_ROW(at, "r2", "r3") FT_SQUARE_ROW(at + 112, "r4", "r5") FT_MAX("r2", "r4")         \
    "movw r6, #0xaaab\n" "movt r6, #0xaaaa\n" "mul r2, r2, r6\n"                                 \
    "ldm.w r1, {r7-r9}\n" rescale "asr.w r2, r2, r9\n" "ssat r2, #8, r2\n"                       \
    "ldr.w r6, [sp, #256]\n" place "strb.w r2, [r6, #" #channel "]\n"
#define FT_SQUARE_CHANNEL(at, channel, rescale)                                                  \
    FT_SQUARE_OUTPUT(at, channel, rescale, "")                                                   \
    FT_SQUARE_OUTPUT(at + 4, channel, rescale, "ldr.w r7, [sp, #268]\n" "add r6, r7\n")          \
    "add.w r1, r1, #12\n"
#define FT_SQUARE_ENTRY(label, at) "adr.w r9, " #label "f\n" "add.w r9, r9, r4\n" "orr.w r9, r9, #1\n" "str.w r9, [sp, #" #at "]\n"

#define FT_SQUARES(last, rescale)                                                                \
    "push.w {r4-r11, lr}\n" "sub.w sp, sp, #300\n" "ldm.w r3, {r4-r6}\n"                         \
    "add.w r5, r5, r2\n" "strd r2, r5, [sp, #256]\n" "strd r0, r6, [sp, #264]\n"                 \
    FT_SQUARE_ENTRY(21, 276) FT_SQUARE_ENTRY(22, 280) FT_SQUARE_ENTRY(23, 284)                   \
    FT_SQUARE_ENTRY(24, 288) FT_SQUARE_ENTRY(25, 292) FT_SQUARE_ENTRY(26, 296)                   \
    "1: add.w r6, sp, #0\n" "str.w r6, [sp, #272]\n"                                             \
    "2: ldm.w r1!, {r2, r4}\n" "mov r3, r2\n" "mov r5, r4\n"                                     \
    FT_SQUARE_BODY(21, 276, last) FT_SQUARE_WAIT(224) FT_SQUARE_ZERO                             \
    FT_SQUARE_BODY(22, 280, last) FT_SQUARE_BACK(224) FT_SQUARE_BUTTERFLY                        \
    "ldr.w r6, [sp, #272]\n" "add.w r6, r6, #112\n" "stm.w r6, {r10-r12, lr}\n"                  \
    FT_SQUARE_BODY(23, 284, last) FT_SQUARE_WAIT(224) FT_SQUARE_ZERO                             \
    FT_SQUARE_BODY(24, 288, last) FT_SQUARE_WAIT(240) FT_SQUARE_ZERO                             \
    FT_SQUARE_BODY(25, 292, last) FT_SQUARE_BACK(240) FT_SQUARE_BUTTERFLY FT_SQUARE_BACK(224)    \
    "add r2, r6\n" "add r3, r7\n" "add r4, r8\n" "add r5, r9\n"                                  \
    "ldr.w r6, [sp, #272]\n" "stm.w r6, {r2-r5}\n" "add.w r6, r6, #112\n" "ldm.w r6, {r6-r9}\n"  \
    "add.w r2, r6, r10, lsl #1\n" "add.w r3, r7, r11, lsl #1\n"                                  \
    "add.w r4, r8, r12, lsl #1\n" "add.w r5, r9, lr, lsl #1\n"                                   \
    FT_SQUARE_BODY(26, 296, last)                                                                \
    "ldr.w r6, [sp, #272]\n" "add.w r7, r6, #112\n" "stm.w r7, {r2-r5}\n" "add.w r6, r6, #16\n"  \
    "str.w r6, [sp, #272]\n" "add.w r7, sp, #112\n" "cmp r6, r7\n" "bne.w 2b\n"                  \
    FT_SQUARE_CHANNEL(0, 0, rescale) FT_SQUARE_CHANNEL(8, 1, rescale)                            \
    "ldr.w r8, [r1], #4\n" "ldrd r6, r7, [sp, #256]\n" "ldr.w r0, [sp, #264]\n"                  \
    "add r6, r8\n" "str.w r6, [sp, #256]\n" "cmp r6, r7\n" "bne.w 1b\n"                          \
    "add.w sp, sp, #300\n" "pop.w {r4-r11, pc}\n"

#define FT_SQUARES_ROUTINE(name, last, rescale)                                                  \
    static __attribute__((naked, noinline, unused)) void name(                                   \
        const uint32_t *x __attribute__((unused)), const void *stream __attribute__((unused)),   \
        int8_t *out __attribute__((unused)), const ft_squares *t __attribute__((unused))) {      \
        __asm volatile(FT_SQUARES(last, rescale));                                               \
    }
// For channels in fours, and for two more.
FT_SQUARES_ROUTINE(ft_squares_0_relu, "", FT_SQUARE_RELU)
FT_SQUARES_ROUTINE(ft_squares_0_full, "", FT_SQUARE_FULL)
FT_SQUARES_ROUTINE(ft_squares_2_relu, FT_SQUARE_HALF_STEP, FT_SQUARE_RELU)
FT_SQUARES_ROUTINE(ft_squares_2_full, FT_SQUARE_HALF_STEP, FT_SQUARE_FULL)
// clang-format on

// Widens a run of an even number of bytes, neighbours together.
static __attribute__((noinline, unused)) void ft_cm4_run_pairs(const int8_t *from, uint32_t *to,
                                                               int32_t bytes) {
    for (; bytes >= 4; bytes -= 4, from += 4, to += 2) {
        uint32_t v[2];
        ft_cm4_wide(ft_cm4_load(from), v);
        __asm("pkhbt %0, %1, %2, lsl #16" : "=r"(to[0]) : "r"(v[0]), "r"(v[1]));
        __asm("pkhtb %0, %1, %2, asr #16" : "=r"(to[1]) : "r"(v[1]), "r"(v[0]));
    }
    if (bytes) {
        *to = (uint32_t)(uint16_t)from[0] | (uint32_t)from[1] << 16;
    }
}

// Transforms one word (two channels) of a tile of six rows and six columns. Positions go out in the order j =
// 0..6, and for each of them i = 1, 2, 0, 3, 4, 5; `position` is the words from one to the next.
static __attribute__((noinline, unused)) void ft_cm4_square(const int8_t *const *row, int32_t at,
                                                            int32_t words, uint32_t *to, int32_t position) {
    uint32_t t[6][6];
    for (int32_t c = 0; c < 6; c++, at += words * 4) {
        uint32_t d[6];
        for (int32_t i = 0; i < 6; i++) {
            d[i] = *(const uint32_t *)(const void *)(row[i] + at);
        }
        const uint32_t q = ft_cm4_minus(d[4], d[2]), half_e = ft_cm4_minus(d[3], d[1]);
        const uint32_t e = ft_cm4_plus(half_e, half_e);
        const uint32_t f1 = ft_cm4_minus(d[0], d[2]), f2 = ft_cm4_plus(f1, f1), f = ft_cm4_plus(f2, f2);
        const uint32_t a2 = ft_cm4_plus(d[2], d[2]), a = ft_cm4_minus(d[4], ft_cm4_plus(a2, a2));
        const uint32_t b2 = ft_cm4_plus(d[1], d[1]), b = ft_cm4_minus(d[3], ft_cm4_plus(b2, b2));
        t[0][c] = ft_cm4_plus(a, b);
        t[1][c] = ft_cm4_minus(a, b);
        t[2][c] = ft_cm4_plus(f, q);
        t[3][c] = ft_cm4_plus(q, e);
        t[4][c] = ft_cm4_minus(q, e);
        t[5][c] = ft_cm4_minus(ft_cm4_minus(d[5], d[3]), ft_cm4_plus(e, e));
    }
    const int32_t j = position * 6;
    for (int32_t i = 0; i < 6; i++, to += position) {
        const uint32_t *d = t[i];
        const uint32_t even = ft_cm4_plus(d[2], d[4]), odd = ft_cm4_plus(d[1], d[3]);
        const uint32_t k2 = ft_cm4_minus(d[1], d[3]), k3 = ft_cm4_minus(d[2], d[4]);
        to[0] = ft_cm4_minus(d[0], d[4]);
        to[j] = ft_cm4_plus(even, odd);
        to[2 * j] = ft_cm4_minus(even, odd);
        to[3 * j] = ft_cm4_minus(k2, k3);
        to[4 * j] = k2;
        to[5 * j] = k3;
        to[6 * j] = ft_cm4_minus(d[5], d[1]);
    }
}

// One tile (0 or 1), all channels. Words go by twos, those of tile 0 before those of tile 1; a last odd one
// alone.
static __attribute__((noinline, unused)) void ft_cm4_squares(const int8_t *const *row, int32_t at,
                                                             int32_t tile, int32_t words, uint32_t *to) {
    for (int32_t w = 0; w < words; w++, at += 4) {
        const int32_t alone = w == words - 1 && !(w & 1);
        ft_cm4_square(row, at, words, to + (w & ~1) * 2 + (w & 1) + (alone ? tile : 2 * tile), words * 2);
    }
}

static __attribute__((noinline, unused)) void ft_cm4_winograd_5x5_s8(const ft_cm4_winograd_5x5 *p,
                                                                     ft_squares_routine routine,
                                                                     const void *stream, const int8_t *in,
                                                                     int8_t *out, void *scratch) {
    const int32_t words = p->in_c / 2;
    uint32_t *x = scratch;
    int8_t *ring = (int8_t *)(void *)(x + FT_SQUARE_PRODUCTS * 2 * words);
    const uint32_t zero = (uint32_t)(p->in_zero & 0xffff) * 0x10001u;
    const int8_t *row[FT_SQUARE_ROWS];
    int32_t loaded = 0;
    for (int32_t i = 0; i < FT_SQUARE_ROWS * p->row_bytes / 4; i++) {
        ((uint32_t *)(void *)ring)[i] = zero;
    }
    for (int32_t oy = 0; oy < p->out_h; oy++) {
        for (int32_t i = 0, y = 2 * oy - p->pad_top; i < FT_SQUARE_ROWS; i++, y++) {
            // Padding is at most four rows: the sum is never negative.
            int8_t *to = ring + (y + FT_SQUARE_ROWS) % FT_SQUARE_ROWS * p->row_bytes;
            row[i] = to;
            if (y < loaded) {
                continue;
            }
            loaded = y + 1;
            if (y < p->in_h) {
                ft_cm4_run_pairs(in + y * p->in_bytes, (uint32_t *)(void *)(to + p->left), p->in_bytes);
                continue;
            }
            for (int32_t k = 0; k < p->row_bytes / 4; k++) {
                ((uint32_t *)(void *)to)[k] = zero;
            }
        }
        int8_t *to = out + oy * p->out_w * p->out_c;
        for (int32_t ox = 0; ox < p->out_w; ox += 2, to += 2 * p->out_c) {
            const int32_t both = ox + 1 < p->out_w, at = ox * p->in_c * 4;
            const ft_squares t = {p->skip, p->out_c, both ? p->out_c : 0};
            // A last odd pixel is tile 1, which is stored after whatever tile 0 holds, at the same place.
            if (both) {
                ft_cm4_squares(row, at, 0, words, x);
            }
            ft_cm4_squares(row, both ? at + p->in_c * 4 : at, 1, words, x);
            routine(x, stream, to, &t);
        }
    }
    if (p->out_min > INT8_MIN || p->out_max < INT8_MAX) {
        ft_cm4_clamp(out, p->out_h * p->out_w * p->out_c, p->out_min, p->out_max);
    }
}

#endif
