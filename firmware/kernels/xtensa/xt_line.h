// From sums to outputs by one straight line: sum * slope + offset, clamped, where the compiler has proved
// that it passes all of TFLite's steps; else as in xt_rescale.h.
//
// The slope has two or three digits of `width` bits, so that all products fit 32 bits; nested floors lose
// nothing.
#ifndef FT_XT_LINE_H
#define FT_XT_LINE_H

#include "xt_rescale.h"

typedef struct {
    int32_t parts;  // 2 or 3 digits; 4: three, and a fraction of the offset; 0: constants are ft_xt_channel
    int32_t width;  // bits of a digit but the first
    int32_t shift;  // to the right, of the result
    int32_t out_min, span;  // outputs are 0..span above out_min; for parts 0, 0..out_max - out_min
} ft_xt_line;

enum { FT_XT_LINE_FRACTION = 4 };

// Constants of a channel: offset, digits from the highest, fraction; or an ft_xt_channel.
typedef struct {
    int32_t word[5];
} ft_xt_line_constants;

FT_INLINE int32_t ft_xt_line_words(const ft_xt_line *p) {
    return p->parts == 0 ? 4 : p->parts + 1;
}

// A copy stays in registers, where stores of bytes might change the original.
FT_INLINE void ft_xt_line_load(const ft_xt_line *p, const int32_t *from, ft_xt_line_constants *to) {
    to->word[0] = from[0];
    to->word[1] = from[1];
    to->word[2] = from[2];
    to->word[3] = p->parts != 2 ? from[3] : 0;
    to->word[4] = p->parts == FT_XT_LINE_FRACTION ? from[4] : 0;
}

FT_INLINE int8_t ft_xt_line_output(const ft_xt_line *p, const ft_xt_line_constants *c, int32_t sum) {
    if (p->parts == 0) {
        const ft_xt_channel own = {c->word[0], c->word[1], c->word[2], c->word[3]};
        return ft_xt_output(sum + own.bias, &own, p->out_min, p->out_min + p->span);
    }
    int32_t below = sum * c->word[2];
    if (p->parts > 2) {
        below += (sum * c->word[3]) >> p->width;
    }
    if (p->parts == FT_XT_LINE_FRACTION) {
        below += c->word[4];
    }
    const int32_t value = (sum * c->word[1] + (below >> p->width) + c->word[0]) >> p->shift;
    return (int8_t)(p->out_min + ft_clamp(value, 0, p->span));
}

#endif
