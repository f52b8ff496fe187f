// DEPTHWISE_CONV_2D, 3x3 with stride 1 or 2, on a Cortex-M4: channels in fours, eight lines of inputs at a
// time (cm4_sweep.h), int8 weights. Lines may be the image's rows or its columns, whichever are the longer. A
// line is taken in before it could be overwritten, so the layer may work in place.
#ifndef FT_CM4_DEPTHWISE_3X3_H
#define FT_CM4_DEPTHWISE_3X3_H

#include "cm4_sweep.h"

typedef struct {
    int32_t line_step, out_line_step;         // bytes from line to line
    int16_t lines, length, channels;          // of the input
    int16_t out_lines, out_length;            // of the output
    int16_t step, out_step;                   // bytes along a line, also of the output
    int16_t line_weights, weights;            // bytes from tap to tap across and along lines
    int16_t line_pad, pad;                    // padding before the first line and at the start of each
    int16_t stride, columns;                  // columns of pairs: what a line of outputs takes
    int16_t words;                            // of constants for each channel
    int16_t refill;                           // whether sums land on columns of padding
    int16_t skip, in_zero, out_min, out_max;  // skip: bytes of unrolled code to jump over the first time
    // For cm4_fast_sweep.h: where to enter, and whether the columns beside the image are known and left out.
    int16_t entry, edges;
} ft_cm4_depthwise_3x3;

// Splits the words a and b (four channels of two lines) into one pair for each channel.
FT_INLINE void ft_cm4_pairs(uint32_t a, uint32_t b, uint32_t *to, int32_t step) {
    uint32_t low, high;
    __asm("pkhbt %0, %1, %2, lsl #16" : "=r"(low) : "r"(a), "r"(b));
    __asm("pkhtb %0, %1, %2, asr #16" : "=r"(high) : "r"(b), "r"(a));
    __asm("sxtb16 %0, %1" : "=r"(to[0]) : "r"(low));
    __asm("sxtb16 %0, %1, ror #8" : "=r"(to[step]) : "r"(low));
    __asm("sxtb16 %0, %1" : "=r"(to[2 * step]) : "r"(high));
    __asm("sxtb16 %0, %1, ror #8" : "=r"(to[3 * step]) : "r"(high));
}

// Columns that lie in the image.
FT_INLINE int32_t ft_cm4_inner_columns(const ft_cm4_depthwise_3x3 *p) {
    const int32_t count = p->columns - p->pad;
    return count < p->length ? count : p->length;
}

// Builds the pairs of two lines, all along; either may be padding.
FT_SELDOM void ft_cm4_pair_lines(const ft_cm4_depthwise_3x3 *p, const int8_t *in, int32_t line,
                                 uint32_t *to) {
    const uint32_t zero = (uint32_t)(p->in_zero & 0xff) * 0x01010101u;
    const int8_t *a = in + line * p->line_step, *b = a + p->line_step;
    int32_t step_a = p->step, step_b = p->step;
    if (line < 0 || line >= p->lines) {
        a = (const int8_t *)&zero;
        step_a = 0;
    }
    if (line + 1 < 0 || line + 1 >= p->lines) {
        b = (const int8_t *)&zero;
        step_b = 0;
    }
    for (int32_t i = ft_cm4_inner_columns(p); i > 0; i--, a += step_a, b += step_b, to += FT_COLUMN) {
        ft_cm4_pairs(ft_cm4_load(a), ft_cm4_load(b), to, FT_PAIRS_CHANNEL);
    }
}

// Builds the pairs of four lines, or, with `three`, of six, after the last pair of the lines before; false if
// more of them are padding than there are routines for.
static __attribute__((noinline, unused)) int32_t ft_cm4_pair_several(const ft_cm4_depthwise_3x3 *p,
                                                                     const int8_t *in, int32_t three,
                                                                     int32_t line, uint32_t *to) {
    static const ft_pair_routine routines[2][3] = {
        {ft_pair_two, ft_pair_two_last, ft_pair_two_last_two},
        {ft_pair_three, ft_pair_three_last, ft_pair_three_last_two},
    };
    const int32_t count = three ? 6 : 4, over = line + count - p->lines, beyond = over > 0 ? over : 0;
    if (line < -1 || beyond > 2 || (line < 0 && beyond)) {
        return 0;
    }
    const ft_pair_routine routine = line < 0 ? ft_pair_two_first : routines[three][beyond];
    routine(in + line * p->line_step, to, p->step, ft_cm4_inner_columns(p), p->line_step,
            (uint32_t)(p->in_zero & 0xff) * 0x01010101u);
    return 1;
}

// Fills the columns beside the image with padding.
FT_SELDOM void ft_cm4_pad_sides(const ft_cm4_depthwise_3x3 *p, uint32_t *pairs) {
    const uint32_t zero = (uint32_t)(p->in_zero & 0xffff) * 0x10001u;
    const int32_t right = p->pad + ft_cm4_inner_columns(p);
    for (int32_t i = 0; i < p->columns * FT_COLUMN; i++) {
        if (i == p->pad * FT_COLUMN) {
            i = right * FT_COLUMN;  // the image
            if (right == p->columns) {
                break;
            }
        }
        pairs[i] = zero;
    }
}

// Builds the pairs from which output lines from `top` on are computed, so many of them.
FT_SELDOM void ft_cm4_take_lines(const ft_cm4_depthwise_3x3 *p, const int8_t *in, int32_t top, int32_t count,
                                 uint32_t *pairs) {
    const int32_t first = top * p->stride - p->line_pad, columns = ft_cm4_inner_columns(p);
    uint32_t *to = pairs + p->pad * FT_COLUMN + 1;
    int32_t k = 0;
    if (p->refill) {
        ft_cm4_pad_sides(p, pairs);
    }
    if (top) {
        if (count == 4 && ft_cm4_pair_several(p, in, 1, first + 2, to)) {
            return;
        }
        // The last pair of the lines before.
        for (int32_t i = 0; i < columns * FT_COLUMN; i += FT_PAIRS_CHANNEL) {
            to[i] = to[i + 3];
        }
        k = 1;
    }
    while (k < count) {
        if ((count - k) % 2 == 0 && ft_cm4_pair_several(p, in, 0, first + 2 * k, to + k)) {
            k += 2;
        } else {
            ft_cm4_pair_lines(p, in, first + 2 * k, to + k);
            k++;
        }
    }
}

// Both halves of a pair times a power of two.
FT_INLINE uint32_t ft_cm4_scaled_pair(uint32_t pair, int32_t by) {
    uint32_t low, high, both;
    __asm("smulbb %0, %1, %2" : "=r"(low) : "r"(pair), "r"(by));
    __asm("smultb %0, %1, %2" : "=r"(high) : "r"(pair), "r"(by));
    __asm("pkhbt %0, %1, %2, lsl #16" : "=r"(both) : "r"(low), "r"(high));
    return both;
}

// Readies four channels: nine int8 weights each, and m, c, bits (with FT_SWEEP_SIGNS, where negative halves
// are to be corrected) and the scaled bias.
enum { FT_SWEEP_SIGNS = 256 };

static __attribute__((noinline, unused)) void ft_cm4_sweep_channels(const ft_cm4_depthwise_3x3 *p,
                                                                    const int8_t *w, const int32_t *constants,
                                                                    ft_sweep_channel *to) {
    uint32_t upper[3][4], lower[3][4];  // weights (0, 1) and (1, 2) of each column of taps, for each channel
    for (int32_t k = 0; k < 3; k++, w += p->weights) {
        const uint32_t middle = ft_cm4_load(w + p->line_weights);
        ft_cm4_pairs(ft_cm4_load(w), middle, upper[k], 1);
        ft_cm4_pairs(middle, ft_cm4_load(w + 2 * p->line_weights), lower[k], 1);
    }
    for (int32_t c = 0; c < 4; c++, to++, constants += 4) {
        const int32_t by = 1 << (constants[2] & 31);
        for (int32_t k = 0; k < 3; k++) {
            to->upper[k] = ft_cm4_scaled_pair(upper[k][c], by);
            to->lower[k] = ft_cm4_scaled_pair(lower[k][c], by);
        }
        to->m = constants[0];
        to->c = constants[1];
        to->d = constants[2] & FT_SWEEP_SIGNS ? by >> 1 : 0;
        to->bias = constants[3];
    }
}

// Computes four channels, which lie at the start of `in` and `out`.
static __attribute__((noinline, unused)) void ft_cm4_sweep_four(const ft_cm4_depthwise_3x3 *p,
                                                                ft_sweep_routine routine,
                                                                const int32_t *channels, int32_t words,
                                                                const int8_t *in, int8_t *out,
                                                                uint32_t *pairs) {
    const int32_t both = p->stride == 1, at_once = both ? 6 : 3;
    ft_sweep s = {p->skip,
                  p->columns * FT_COLUMN * 4,
                  both ? 2 * p->out_line_step : p->out_line_step,
                  p->out_step,
                  0,
                  p->out_line_step,
                  0,
                  p->out_length > 1 ? (p->out_length - 1) % 4 + 1 : 0,
                  words * 4};
    for (int32_t top = 0; top < p->out_lines; top += at_once) {
        const int32_t lines = at_once < p->out_lines - top ? at_once : p->out_lines - top;
        const int32_t sweeps = both ? (lines + 1) / 2 : lines;
        ft_cm4_take_lines(p, in, top, sweeps + 1, pairs);
        s.sweeps = sweeps;
        s.last_line_step = lines % 2 ? 0 : p->out_line_step;
        routine(pairs + 1, out + top * p->out_line_step, channels, &s);
    }
}

// `w` are int8 weights, with four words for each channel in `constants`.
static __attribute__((noinline, unused)) void ft_cm4_depthwise_3x3_s8(
    const ft_cm4_depthwise_3x3 *p, ft_sweep_routine routine, const int8_t *w, const int32_t *constants,
    const int8_t *in, int8_t *out, void *scratch) {
    uint32_t *pairs = scratch;
    ft_sweep_channel *own = (ft_sweep_channel *)(void *)(pairs + p->columns * FT_COLUMN);
    ft_cm4_pad_sides(p, pairs);
    for (int32_t group = 0; group < p->channels; group += 4) {
        // The last four channels overlap others where channels do not come in fours.
        const int32_t c = group + 4 <= p->channels ? group : p->channels - 4;
        ft_cm4_sweep_channels(p, w + c, constants + 4 * c, own);
        ft_cm4_sweep_four(p, routine, &own->bias, FT_SWEEP_WORDS, in + c, out + c, pairs);
    }
    if (p->out_min > INT8_MIN || p->out_max < INT8_MAX) {
        ft_cm4_clamp(out, p->out_lines * p->out_length * p->channels, p->out_min, p->out_max);
    }
}

#endif
