// DEPTHWISE_CONV_2D, 3x3 with stride 1 or 2, on a Cortex-M4: channels in fours, six lines of inputs at a
// time.
//
// Inputs of two neighbouring lines travel as pairs of int16, so that SMLAD does two taps. An output on line
// 2j needs pair j (its taps 0 and 1) and the first half of pair j + 1 (tap 2); one on line 2j + 1 the second
// half of pair j and all of pair j + 1: every pair is built once and serves both. A sweep runs along a line
// with all weights in registers. Lines may be the image's rows or its columns, whichever are the longer. A
// line is taken in before it could be overwritten, so the layer may work in place.
#ifndef FT_CM4_DEPTHWISE_3X3_H
#define FT_CM4_DEPTHWISE_3X3_H

#include "cm4_widen.h"

// A step's bytes of code; a load more with stride 2.
enum { FT_SWEEP_STEPS = 4, FT_SWEEP_RELU_BYTES = 48, FT_SWEEP_FULL_BYTES = 60, FT_SWEEP_LOAD_BYTES = 4 };

typedef struct {
    int32_t lines, length, channels;          // of the input
    int32_t out_lines, out_length;            // of the output
    int32_t line_step, step;                  // bytes from line to line and along a line
    int32_t out_line_step, out_step;          // the same in the output
    int32_t line_weights, weights;            // bytes from tap to tap across and along lines
    int32_t line_pad, pad;                    // padding before the first line and at the start of each
    int32_t stride, columns;                  // columns of pairs: what a line of outputs takes
    int32_t skip, in_zero, out_min, out_max;  // skip: bytes of unrolled code to jump over the first time
} ft_cm4_depthwise_3x3;

// One channel, ready for the sweeps: three weight pairs, three single weights, bias, rescaling.
typedef struct {
    uint32_t even[5];
    int32_t even_bias, even_m, even_c, even_d;
    uint32_t odd[5];
    int32_t odd_bias, odd_m, odd_c, odd_d;
} ft_sweep_channel;

// What the sweeps of a layer share: bytes of pairs along a line, bytes of unrolled code to jump over the
// first time, lines to do and the bytes from one to the next in the output, bytes from output to output.
typedef struct {
    int32_t x_bytes, skip, lines, line_step, step;
} ft_sweep;

typedef void (*ft_sweep_routine)(const uint32_t *x, int8_t *out, const void *channel, const ft_sweep *s);

// clang-format off
// Sums move on by one column: r4 is complete, r2 and r3 have one and two columns to come. r7 r8 r9: weight pairs of
// columns 0, 1, 2; r10, r11: the single weights; lr: bias; r5, r6: pairs j and j + 1.
#define FT_SWEEP_EVEN_0 "smlad r3, r7, r5, lr\n" "smlabb r3, r6, r10, r3\n"
#define FT_SWEEP_EVEN_1 "smlad r2, r8, r5, r3\n" "smlabt r2, r6, r10, r2\n"
#define FT_SWEEP_EVEN_2 "smlad r4, r9, r5, r2\n" "smlabb r4, r6, r11, r4\n"
#define FT_SWEEP_ODD_0 "smlad r3, r7, r6, lr\n" "smlatb r3, r5, r10, r3\n"
#define FT_SWEEP_ODD_1 "smlad r2, r8, r6, r3\n" "smlatt r2, r5, r10, r2\n"
#define FT_SWEEP_ODD_2 "smlad r4, r9, r6, r2\n" "smlatb r4, r5, r11, r4\n"
#define FT_SWEEP_RELU(e) "ldrd r5, r6, [sp]\n" "smmla r4, r4, r5, r6\n" "ssat r4, #8, r4, asr #" #e "\n"
#define FT_SWEEP_FULL(e)                                                                                         \
    "ldrd r5, r6, [sp, #4]\n" "and.w r6, r6, r4, asr #31\n" "sub.w r5, r5, r6\n" "ldr.w r6, [sp]\n"              \
    "smmla r4, r4, r6, r5\n" "ssat r4, #8, r4, asr #" #e "\n"
#define FT_SWEEP_LOAD "ldrd r5, r6, [r0], #64\n"

// Stack: 0 m, 4 c, 8 d, 12 end of x, 16 where to enter the loop, 20 bytes of x, 24 lines, 28 line step, 32 x, 36 out.
#define FT_SWEEP(start, step, rescale)                                                                           \
    "push.w {r4-r11, lr}\n" "sub sp, #40\n" "ldm.w r3, {r4-r6, r8, r12}\n"                                       \
    "adr.w r7, 2f\n" "add.w r5, r5, r7\n" "orr.w r5, r5, #1\n" "strd r5, r4, [sp, #16]\n"                       \
    "strd r6, r8, [sp, #24]\n" "ldm.w r2!, {r7-r11, lr}\n" "ldm.w r2, {r4-r6}\n" "stm.w sp, {r4-r6}\n"          \
    "3: strd r0, r1, [sp, #32]\n" "ldr.w r4, [sp, #20]\n" "add.w r4, r4, r0\n" "str.w r4, [sp, #12]\n"          \
    start "ldr.w pc, [sp, #16]\n"                                                                                \
    ".balign 4\n" "2:\n"                                                                                         \
    FT_X4(step rescale "strb.w r4, [r1]\n" "add.w r1, r1, r12\n")                                               \
    "ldr.w r5, [sp, #12]\n" "cmp r0, r5\n" "bne.w 2b\n"                                                         \
    "ldrd r4, r5, [sp, #24]\n" "ldrd r0, r1, [sp, #32]\n" "add.w r0, r0, #4\n" "add.w r1, r1, r5\n"             \
    "subs r4, #1\n" "str.w r4, [sp, #24]\n" "bne.w 3b\n"                                                        \
    "add sp, #40\n" "pop.w {r4-r11, pc}\n"
// Every column starts an output; or every other one, which then ends the output before as well.
#define FT_SWEEP_EVEN(rescale)                                                                                   \
    FT_SWEEP(FT_SWEEP_LOAD FT_SWEEP_EVEN_0 FT_SWEEP_LOAD FT_SWEEP_EVEN_1 FT_SWEEP_EVEN_0,                        \
             FT_SWEEP_LOAD FT_SWEEP_EVEN_2 FT_SWEEP_EVEN_1 FT_SWEEP_EVEN_0, rescale)
#define FT_SWEEP_ODD(rescale)                                                                                    \
    FT_SWEEP(FT_SWEEP_LOAD FT_SWEEP_ODD_0 FT_SWEEP_LOAD FT_SWEEP_ODD_1 FT_SWEEP_ODD_0,                           \
             FT_SWEEP_LOAD FT_SWEEP_ODD_2 FT_SWEEP_ODD_1 FT_SWEEP_ODD_0, rescale)
#define FT_SWEEP_TWO(rescale)                                                                                    \
    FT_SWEEP(FT_SWEEP_LOAD FT_SWEEP_EVEN_0 FT_SWEEP_LOAD FT_SWEEP_EVEN_1,                                        \
             FT_SWEEP_LOAD FT_SWEEP_EVEN_2 FT_SWEEP_EVEN_0 FT_SWEEP_LOAD FT_SWEEP_EVEN_1, rescale)

#define FT_SWEEP_ROUTINE(name, text)                                                                             \
    static __attribute__((naked, noinline, unused)) void name(                                                   \
        const uint32_t *x __attribute__((unused)), int8_t *out __attribute__((unused)),                          \
        const void *channel __attribute__((unused)), const ft_sweep *s __attribute__((unused))) {                \
        __asm volatile(text);                                                                                    \
    }
// The shift that ends the rescaling is part of the instruction: one set of routines for each; unused ones cost nothing.
#define FT_SWEEP_ROUTINES(e)                                                           \
    FT_SWEEP_ROUTINE(ft_sweep_even_relu_##e, FT_SWEEP_EVEN(FT_SWEEP_RELU(e)))          \
    FT_SWEEP_ROUTINE(ft_sweep_odd_relu_##e, FT_SWEEP_ODD(FT_SWEEP_RELU(e)))            \
    FT_SWEEP_ROUTINE(ft_sweep_two_relu_##e, FT_SWEEP_TWO(FT_SWEEP_RELU(e)))            \
    FT_SWEEP_ROUTINE(ft_sweep_even_full_##e, FT_SWEEP_EVEN(FT_SWEEP_FULL(e)))          \
    FT_SWEEP_ROUTINE(ft_sweep_odd_full_##e, FT_SWEEP_ODD(FT_SWEEP_FULL(e)))            \
    FT_SWEEP_ROUTINE(ft_sweep_two_full_##e, FT_SWEEP_TWO(FT_SWEEP_FULL(e)))
FT_SWEEP_ROUTINES(4)
FT_SWEEP_ROUTINES(6)
FT_SWEEP_ROUTINES(8)
FT_SWEEP_ROUTINES(10)
FT_SWEEP_ROUTINES(12)
FT_SWEEP_ROUTINES(14)
FT_SWEEP_ROUTINES(16)
FT_SWEEP_ROUTINES(18)
// clang-format on

// Words of a column in the pairs' buffer: four channels of four pairs.
enum { FT_PAIRS = 4, FT_COLUMN = 16 };

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

// Builds the pairs of two lines, all along.
static __attribute__((noinline, unused)) void ft_cm4_pair_lines(const ft_cm4_depthwise_3x3 *p,
                                                                const int8_t *in, int32_t line,
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
    int32_t count = p->columns - p->pad;
    count = count < p->length ? count : p->length;
    to += p->pad * FT_COLUMN;
    for (; count > 0; count--, a += step_a, b += step_b, to += FT_COLUMN) {
        ft_cm4_pairs(ft_cm4_load(a), ft_cm4_load(b), to, FT_PAIRS);
    }
}

static inline uint32_t ft_cm4_scaled_pair(uint32_t pair, int32_t bits) {
    return ((uint32_t)(uint16_t)pair << bits & 0xffffu) | ((pair & 0xffff0000u) << bits);
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
        const int32_t bits = constants[2] & 31;
        for (int32_t k = 0; k < 3; k++) {
            to->even[k] = ft_cm4_scaled_pair(upper[k][c], bits);
            to->odd[k] = ft_cm4_scaled_pair(lower[k][c], bits);
        }
        // The low halves of `upper` are taps 0, the high halves of `lower` taps 2.
        to->odd[3] = ft_cm4_scaled_pair((upper[0][c] & 0xffffu) | (upper[1][c] << 16), bits);
        to->odd[4] = ft_cm4_scaled_pair(upper[2][c] & 0xffffu, bits);
        to->even[3] = ft_cm4_scaled_pair((lower[0][c] >> 16) | (lower[1][c] & 0xffff0000u), bits);
        to->even[4] = ft_cm4_scaled_pair(lower[2][c] >> 16, bits);
        to->even_m = to->odd_m = constants[0];
        to->even_c = to->odd_c = constants[1];
        to->even_d = to->odd_d = constants[2] & FT_SWEEP_SIGNS ? 1 << (bits - 1) : 0;
        to->even_bias = to->odd_bias = constants[3];
    }
}

static __attribute__((noinline, unused)) void ft_cm4_depthwise_3x3_s8(
    const ft_cm4_depthwise_3x3 *p, ft_sweep_routine even, ft_sweep_routine odd, const int8_t *w,
    const int32_t *constants, const int8_t *in, int8_t *out, void *scratch) {
    ft_sweep_channel *channels = scratch;
    uint32_t *pairs = (uint32_t *)(void *)(channels + 4);
    const int32_t words = p->columns * FT_COLUMN, at_once = p->stride == 1 ? 6 : 3;
    const int32_t next = p->stride == 1 ? 2 * p->out_line_step : p->out_line_step;
    ft_sweep s = {words * 4, p->skip, 0, next, p->out_step};
    const uint32_t zero = (uint32_t)(p->in_zero & 0xffff) * 0x10001u;
    for (int32_t i = 0; i < words; i++) {
        pairs[i] = zero;
    }
    for (int32_t group = 0; group < p->channels; group += 4) {
        // The last four channels overlap others where channels do not come in fours.
        const int32_t c = group + 4 <= p->channels ? group : p->channels - 4;
        ft_cm4_sweep_channels(p, w + c, constants + 4 * c, channels);
        ft_cm4_pair_lines(p, in + c, -p->line_pad, pairs);
        for (int32_t top = 0; top < p->out_lines; top += at_once) {
            for (int32_t i = 0; top && i < words; i += FT_PAIRS) {
                pairs[i] = pairs[i + 3];  // the last pair of the lines before
            }
            for (int32_t j = 1; j < FT_PAIRS; j++) {
                ft_cm4_pair_lines(p, in + c, top * p->stride - p->line_pad + 2 * j, pairs + j);
            }
            const int32_t lines = at_once < p->out_lines - top ? at_once : p->out_lines - top;
            for (int32_t k = 0; k < 4; k++) {
                int8_t *to = out + c + k + top * p->out_line_step;
                const uint32_t *x = pairs + k * FT_PAIRS;
                s.lines = odd ? (lines + 1) / 2 : lines;
                even(x, to, channels[k].even, &s);
                if (odd && lines > 1) {
                    s.lines = lines / 2;
                    odd(x, to + p->out_line_step, channels[k].odd, &s);
                }
            }
        }
    }
    if (p->out_min > INT8_MIN || p->out_max < INT8_MAX) {
        ft_cm4_clamp(out, p->out_lines * p->out_length * p->channels, p->out_min, p->out_max);
    }
}

#endif
