// CONV_2D, 3x3 with stride 2 on three channels (the first layer of a colour image), on a Cortex-M4: two
// channels times three pixels, with all weights of both channels in the registers of the floating-point unit.
//
// A row of a window is nine values: five pairs, the last half empty; the next pixel's begins three pairs
// later. So three pixels in a row (a tile) need the pairs 0 to 10, which lie as 0 3 6 9, 1 4 7 10, 2 5 8:
// what one pair of weights and the third after it multiply comes by one load. A tile holds the pairs of three
// image rows, in places that rows take by turns, and the weights begin with those of the row that lies in the
// first place.
#ifndef FT_CM4_COLOUR_3X3_H
#define FT_CM4_COLOUR_3X3_H

#include "cm4_fpu.h"
#include "cm4_widen.h"

// Words of a tile, and of it those of one row; words of constants for two channels.
enum { FT_COLOUR_TILE = 33, FT_COLOUR_ROW = 11, FT_COLOUR_CONSTANTS = 56 };

typedef struct {
    int32_t in_h, in_bytes, out_h, out_w, out_c;  // in_bytes: of a row
    int32_t pad_top, left;                        // left: bytes of padding before a row
    int32_t tiles;                                // of a row, in twos
    int32_t in_zero, out_min, out_max;
} ft_cm4_colour_3x3;

typedef struct {
    int32_t turn, out_c;  // bytes of weights to leave out: those of rows that come after
    const uint32_t *x_end;
} ft_colour;

// Computes some tiles of two channels; `constants`: biases, m and c of both, then weights of the rows 0 1 2
// 0 1.
typedef void (*ft_colour_routine)(const uint32_t *x, int8_t *out, const int32_t *constants,
                                  const ft_colour *c);

// clang-format off
// r2-r4: one channel of three pixels, r5-r7: the other; r8-r11 pairs, r12 lr weights.
#define FT_COLOUR_WEIGHTS(s, t) "vmov r12, lr, s" #s ", s" #t "\n"
#define FT_COLOUR_SIX(x0, x1, x2)                                                                \
    "smlad r2, r12, " x0 ", r2\n" "smlad r5, lr, " x0 ", r5\n" "smlad r3, r12, " x1 ", r3\n"     \
    "smlad r6, lr, " x1 ", r6\n" "smlad r4, r12, " x2 ", r4\n" "smlad r7, lr, " x2 ", r7\n"
#define FT_COLOUR_FIRST                                                                          \
    "smlad r3, r12, r9, r2\n" "smlad r6, lr, r9, r5\n" "smlad r4, r12, r10, r2\n"                \
    "smlad r7, lr, r10, r5\n" "smlad r2, r12, r8, r2\n" "smlad r5, lr, r8, r5\n"
#define FT_COLOUR_PLACE(first, a, b, c, d, e, f, g, h, i, j)                                     \
    "ldm.w r0!, {r8-r11}\n" FT_COLOUR_WEIGHTS(a, b) first                                        \
    FT_COLOUR_WEIGHTS(c, d) FT_COLOUR_SIX("r9", "r10", "r11")                                    \
    "ldm.w r0!, {r8-r11}\n" FT_COLOUR_WEIGHTS(e, f) FT_COLOUR_SIX("r8", "r9", "r10")             \
    FT_COLOUR_WEIGHTS(g, h) FT_COLOUR_SIX("r9", "r10", "r11")                                    \
    "ldm.w r0!, {r8-r10}\n" FT_COLOUR_WEIGHTS(i, j) FT_COLOUR_SIX("r8", "r9", "r10")

// Stack: 0 m, 4 c, 8 m, 12 c, 16 out, 20 to the next pixel's, 24 end of x.
#define FT_COLOUR(e)                                                                             \
    "push.w {r4-r11, lr}\n" "vpush {s16-s31}\n" "sub sp, #28\n"                                  \
    "ldm.w r2!, {r4-r9}\n" "vmov s30, s31, r4, r5\n" "ldm.w r3, {r4, r5, r10}\n"                 \
    "stm.w sp, {r6-r9}\n" "strd r5, r10, [sp, #20]\n" "str.w r1, [sp, #16]\n"                    \
    "add r2, r4\n" "vldmia r2, {s0-s29}\n"                                                       \
    "1: vmov r2, r5, s30, s31\n"                                                                 \
    FT_COLOUR_PLACE(FT_COLOUR_FIRST, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9)                               \
    FT_COLOUR_PLACE(FT_COLOUR_SIX("r8", "r9", "r10"), 10, 11, 12, 13, 14, 15, 16, 17, 18, 19)    \
    FT_COLOUR_PLACE(FT_COLOUR_SIX("r8", "r9", "r10"), 20, 21, 22, 23, 24, 25, 26, 27, 28, 29)    \
    "ldm.w sp, {r8-r12, lr}\n"                                                                   \
    FT_RESCALE_SHARED("r2", "r8", "r9", e) FT_RESCALE_SHARED("r3", "r8", "r9", e)                \
    FT_RESCALE_SHARED("r4", "r8", "r9", e) FT_RESCALE_SHARED("r5", "r10", "r11", e)              \
    FT_RESCALE_SHARED("r6", "r10", "r11", e) FT_RESCALE_SHARED("r7", "r10", "r11", e)            \
    "add.w r8, r12, lr\n" "strb.w r2, [r12]\n" "strb.w r5, [r12, #1]\n"                          \
    "strb.w r3, [r8]\n" "strb.w r6, [r8, #1]\n" "add r8, lr\n"                                   \
    "ldr.w r9, [sp, #24]\n" "strb.w r4, [r8]\n" "strb.w r7, [r8, #1]\n" "add r8, lr\n"           \
    "str.w r8, [sp, #16]\n" "cmp r0, r9\n" "bne.w 1b\n"                                          \
    "add sp, #28\n" "vpop {s16-s31}\n" "pop.w {r4-r11, pc}\n"

#define FT_COLOUR_ROUTINE(e)                                                                     \
    static __attribute__((naked, noinline, unused)) void ft_colour_##e(                          \
        const uint32_t *x __attribute__((unused)), int8_t *out __attribute__((unused)),          \
        const int32_t *constants __attribute__((unused)), const ft_colour *c __attribute__((unused))) { \
        __asm volatile(FT_COLOUR(e));                                                            \
    }
FT_COLOUR_ROUTINE(8)
FT_COLOUR_ROUTINE(10)
FT_COLOUR_ROUTINE(12)
FT_COLOUR_ROUTINE(14)
FT_COLOUR_ROUTINE(16)

// Four bytes become two pairs, which go to one place or two each.
#define FT_COLOUR_PAIRS(word, first, second)                                                     \
    do {                                                                                         \
        uint32_t even, odd, low, high;                                                           \
        const uint32_t v = ft_cm4_load(from + 4 * (word));                                       \
        __asm("sxtb16 %0, %1" : "=r"(even) : "r"(v));                                            \
        __asm("sxtb16 %0, %1, ror #8" : "=r"(odd) : "r"(v));                                     \
        __asm("pkhbt %0, %1, %2, lsl #16" : "=r"(low) : "r"(even), "r"(odd));                    \
        __asm("pkhtb %0, %1, %2, asr #16" : "=r"(high) : "r"(odd), "r"(even));                   \
        first = low;                                                                             \
        second = high;                                                                           \
    } while (0)
// clang-format on

// Two tiles of one row from 40 bytes.
FT_INLINE void ft_colour_tiles(const int8_t *from, uint32_t *to) {
    uint32_t *const next = to + FT_COLOUR_TILE;
    FT_COLOUR_PAIRS(0, to[0], to[4]);
    FT_COLOUR_PAIRS(1, to[8], to[1]);
    FT_COLOUR_PAIRS(2, to[5], to[9]);
    FT_COLOUR_PAIRS(3, to[2], to[6]);
    FT_COLOUR_PAIRS(4, to[10], to[3] = next[0]);
    FT_COLOUR_PAIRS(5, to[7] = next[4], next[8]);
    FT_COLOUR_PAIRS(6, next[1], next[5]);
    FT_COLOUR_PAIRS(7, next[9], next[2]);
    FT_COLOUR_PAIRS(8, next[6], next[10]);
    FT_COLOUR_PAIRS(9, next[3], next[7]);
}

// Takes in a row of the image, or with `row` 0 one of padding.
static __attribute__((noinline, unused)) void ft_colour_take(const ft_cm4_colour_3x3 *p, const int8_t *row,
                                                             uint32_t *to) {
    enum { PAIR_BYTES = 36, READ_BYTES = 40 };
    int8_t edge[READ_BYTES] __attribute__((aligned(4)));
    const uint32_t zero = (uint32_t)(p->in_zero & 0xff) * 0x01010101u;
    const int32_t bytes = row ? p->in_bytes : 0;
    int32_t at = -p->left;
    for (int32_t n = p->tiles; n > 0; n -= 2, at += PAIR_BYTES, to += 2 * FT_COLOUR_TILE) {
        const int8_t *from = row + at;
        if (at < 0 || at + READ_BYTES > bytes) {
#pragma GCC unroll 10
            for (int32_t i = 0; i < READ_BYTES; i += 4) {
                ft_cm4_store(edge + i, zero);
            }
            const int32_t first = at < 0 ? 0 : at, end = at + READ_BYTES < bytes ? at + READ_BYTES : bytes;
            int8_t *place = edge + (first - at);
            int32_t i = first;
            for (; i + 4 <= end; i += 4, place += 4) {
                ft_cm4_store(place, ft_cm4_load(row + i));
            }
            for (; i < end; i++) {
                *place++ = row[i];
            }
            from = edge;
        }
        ft_colour_tiles(from, to);
    }
}

// Pixels of a last tile that are none land where the next row begins and are overwritten by it; where there
// is no next row the tile is computed aside. Of an odd number of channels the last but one is computed twice.
static __attribute__((noinline, unused)) void ft_cm4_colour_3x3_s8(const ft_cm4_colour_3x3 *p,
                                                                   ft_colour_routine routine,
                                                                   const int32_t *constants, const int8_t *in,
                                                                   int8_t *out, void *scratch) {
    uint32_t *x = scratch;
    int8_t *const aside = (int8_t *)(x + p->tiles * FT_COLOUR_TILE), *to = out;
    const int32_t whole = p->out_w / 3, left = p->out_w % 3, row_step = p->out_w * p->out_c;
    int32_t next = -p->pad_top;
    for (int32_t oy = 0; oy < p->out_h; oy++, to += row_step) {
        const int32_t top = 2 * oy - p->pad_top;
        const int32_t over = left && (p->out_h - oy - 1) * p->out_w >= 3 - left;
        for (; next < top + 3; next++) {
            ft_colour_take(p, next < 0 || next >= p->in_h ? 0 : in + next * p->in_bytes,
                           x + (next + 3) % 3 * FT_COLOUR_ROW);
        }
        const uint32_t *const end = x + (whole + over) * FT_COLOUR_TILE;
        const ft_colour now = {(3 - (top + 3) % 3) % 3 * 40, p->out_c, end};
        const ft_colour rest = {now.turn, p->out_c, end + FT_COLOUR_TILE};
        const int32_t *from = constants;
        for (int32_t i = 0; i < p->out_c; i += 2, from += FT_COLOUR_CONSTANTS) {
            const int32_t c = i + 2 <= p->out_c ? i : p->out_c - 2;
            if (end > x) {
                routine(x, to + c, from, &now);
            }
            if (left && !over) {
                routine(end, aside + c, from, &rest);
            }
        }
        if (left && !over) {
            for (int32_t i = 0; i < left * p->out_c; i++) {
                to[whole * 3 * p->out_c + i] = aside[i];
            }
        }
    }
    if (p->out_min > INT8_MIN || p->out_max < INT8_MAX) {
        ft_cm4_clamp(out, p->out_h * row_step, p->out_min, p->out_max);
    }
}

#endif
