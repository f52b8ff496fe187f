// DEPTHWISE_CONV_2D, 3x3 with stride 1 or 2, on a Cortex-M4, for speed: as cm4_depthwise_3x3.h, with channels
// that are ready to use and the routines of cm4_fast_sweep.h.
#ifndef FT_CM4_DEPTHWISE_FAST_H
#define FT_CM4_DEPTHWISE_FAST_H

#include "cm4_depthwise_3x3.h"
#include "cm4_fast_sweep.h"

// What builds pairs from `line` on: two of them, two or three more after the last one of before; 0 if more
// lines are padding than there are routines for.
enum { FT_TWO_PAIRS, FT_TWO_MORE, FT_THREE_MORE };

FT_SELDOM ft_pair_routine ft_cm4_pair_routine(const ft_cm4_depthwise_3x3 *p, int32_t kind, int32_t line) {
    static const ft_pair_routine routines[3][3] = {
        {ft_pair_two, ft_pair_two_last, ft_pair_two_last_two},
        {ft_pair_carry, ft_pair_carry_last, ft_pair_carry_last_two},
        {ft_pair_three, ft_pair_three_last, ft_pair_three_last_two},
    };
    const int32_t over = line + (kind == FT_THREE_MORE ? 6 : 4) - p->lines, beyond = over > 0 ? over : 0;
    if (line < -1 || beyond > 2 || (line < 0 && beyond)) {
        return 0;
    }
    return line < 0 ? ft_pair_two_first : routines[kind][beyond];
}

FT_INLINE void ft_cm4_build(const ft_cm4_depthwise_3x3 *p, ft_pair_routine routine, const int8_t *in,
                            int32_t line, uint32_t *to) {
    routine(in + line * p->line_step, to, p->step, ft_cm4_inner_columns(p), p->line_step,
            (uint32_t)(p->in_zero & 0xff) * 0x01010101u);
}

// Fills columns with padding.
static __attribute__((noinline, unused)) void ft_cm4_fill_pairs(const ft_cm4_depthwise_3x3 *p, uint32_t *to,
                                                                int32_t columns) {
    const uint32_t zero = (uint32_t)(p->in_zero & 0xffff) * 0x10001u;
    for (const uint32_t *end = to + columns * FT_COLUMN; to < end; to += FT_PAIRS_CHANNEL) {
        to[0] = to[1] = to[2] = to[3] = to[4] = zero;
    }
}

// Fills the columns beside the image.
FT_INLINE void ft_cm4_fast_sides(const ft_cm4_depthwise_3x3 *p, uint32_t *pairs) {
    const int32_t right = p->pad + ft_cm4_inner_columns(p);
    ft_cm4_fill_pairs(p, pairs, p->pad);
    ft_cm4_fill_pairs(p, pairs + right * FT_COLUMN, p->columns - right);
}

// Prepares sweeps along so many lines.
FT_INLINE void ft_cm4_fast_lines(const ft_cm4_depthwise_3x3 *p, ft_fast *s, int32_t lines) {
    s->sweeps = (lines + 1) / 2;
    s->last_line_step = lines % 2 ? 0 : p->out_line_step;
    s->line_step = s->sweeps > 1 ? p->out_line_step : s->last_line_step;
}

// Builds the pairs from which output lines from `top` on are computed, so many of them.
FT_SELDOM void ft_cm4_fast_take(const ft_cm4_depthwise_3x3 *p, const int8_t *in, int32_t top, int32_t count,
                                uint32_t *pairs) {
    const int32_t one = p->stride == 1, first = top * p->stride - p->line_pad, most = one ? 4 : 5;
    uint32_t *to = pairs + p->pad * FT_COLUMN + one;
    int32_t k = 0;
    if (p->refill) {
        ft_cm4_fast_sides(p, pairs);
    }
    if (top) {
        const int32_t kind = one ? FT_THREE_MORE : FT_TWO_MORE;
        const ft_pair_routine more = one && count < most ? 0 : ft_cm4_pair_routine(p, kind, first + 2);
        k = 1;
        if (more) {
            ft_cm4_build(p, more, in, first + 2, to);
            k = one ? 4 : 3;
        } else {
            // The last pair of the lines before.
            for (int32_t i = ft_cm4_inner_columns(p) * FT_COLUMN - FT_PAIRS_CHANNEL; i >= 0;
                 i -= FT_PAIRS_CHANNEL) {
                to[i] = to[i + most - 1];
            }
        }
    }
    while (k < count) {
        const int32_t line = first + 2 * k;
        const ft_pair_routine two = k + 2 <= most ? ft_cm4_pair_routine(p, FT_TWO_PAIRS, line) : 0;
        if (two) {
            ft_cm4_build(p, two, in, line, to + k);
            k += 2;
        } else {
            ft_cm4_pair_lines(p, in, line, to + k);
            k++;
        }
    }
}

// Computes four channels, which lie at the start of `in` and `out`, some lines at a time.
FT_SELDOM void ft_cm4_fast_four(const ft_cm4_depthwise_3x3 *p, ft_fast_routine routine,
                                const int32_t *channels, ft_fast *s, const int8_t *in, int8_t *out,
                                uint32_t *pairs, const uint32_t *x) {
    const int32_t one = p->stride == 1, at_once = one ? 6 : 4;
    for (int32_t top = 0; top < p->out_lines; top += at_once) {
        const int32_t lines = at_once < p->out_lines - top ? at_once : p->out_lines - top;
        ft_cm4_fast_lines(p, s, lines);
        ft_cm4_fast_take(p, in, top, one ? s->sweeps + 1 : lines + 1, pairs);
        routine(x, out + top * p->out_line_step, channels, s);
    }
}

// Where all lines are computed at once, the routines that build their pairs: both, or one if the others are
// padding.
typedef struct {
    ft_pair_routine first, second;
    int32_t line;
} ft_fast_plan;

FT_SELDOM void ft_cm4_fast_plan(const ft_cm4_depthwise_3x3 *p, ft_fast_plan *plan) {
    const int32_t one = p->stride == 1, second = 4 - p->line_pad;
    plan->first = plan->second = 0;
    plan->line = -p->line_pad;
    if (p->out_lines <= (one ? 6 : 3) && !p->refill) {
        plan->second = ft_cm4_pair_routine(p, FT_TWO_PAIRS, second);
        if (plan->second || second >= p->lines) {
            plan->first = ft_cm4_pair_routine(p, FT_TWO_PAIRS, plan->line);
        }
    }
}

// `channels` holds an ft_sweep_channel for each, without d where a clamp hides it; with `edges` two words
// follow: the bias with what the first column adds, which is padding, and what the last adds.
static __attribute__((noinline, unused)) void ft_cm4_depthwise_fast_s8(const ft_cm4_depthwise_3x3 *p,
                                                                       ft_fast_routine routine,
                                                                       const int32_t *channels,
                                                                       const int8_t *in, int8_t *out,
                                                                       void *scratch) {
    uint32_t *pairs = scratch;
    const int32_t one = p->stride == 1, n = p->out_length, outputs = FT_COLUMN * 4 * n;
    uint32_t *const to = pairs + p->pad * FT_COLUMN + one, *const x =
                                                               pairs + one + (p->edges ? FT_COLUMN : 0);
    // Without the columns beside the image x begins one later and ends two earlier.
    const int32_t less = p->edges ? FT_COLUMN * 4 : 0;
    ft_fast s = {p->entry,
                 FT_FAST_SUMS + (-n & (FT_FAST_ONE_STEPS - 1)),
                 (one ? outputs : 2 * outputs - FT_COLUMN * 4) - less,
                 outputs + 76 - less,
                 outputs + 84 - less,
                 (one ? outputs + 72 : 2 * outputs + 72) - less,
                 p->out_step,
                 2 * p->out_line_step - n * p->out_step,
                 p->out_line_step,
                 0,
                 0,
                 4 * p->words};
    ft_fast_plan plan;
    ft_cm4_fast_plan(p, &plan);
    if (plan.first && !plan.second) {
        // Pairs that are all padding are never built.
        ft_cm4_fill_pairs(p, pairs, p->columns);
    } else {
        ft_cm4_fast_sides(p, pairs);
    }
    for (int32_t group = 0; group < p->channels; group += 4) {
        // The last four channels overlap others where channels do not come in fours.
        const int32_t c = group + 4 <= p->channels ? group : p->channels - 4;
        const int32_t *from = channels + c * p->words;
        if (plan.first) {
            ft_cm4_build(p, plan.first, in + c, plan.line, to);
            if (plan.second) {
                ft_cm4_build(p, plan.second, in + c, plan.line + 4, to + 2);
            }
            ft_cm4_fast_lines(p, &s, p->out_lines);
            routine(x, out + c, from, &s);
        } else {
            ft_cm4_fast_four(p, routine, from, &s, in + c, out + c, pairs, x);
        }
    }
    if (p->out_min > INT8_MIN || p->out_max < INT8_MAX) {
        ft_cm4_clamp(out, p->out_lines * p->out_length * p->channels, p->out_min, p->out_max);
    }
}

#endif
