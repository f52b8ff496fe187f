// Rescaling a sum to int8 with 32-bit products only: a core without a 64-bit multiplier calls a library for
// more.
#ifndef FT_XT_RESCALE_H
#define FT_XT_RESCALE_H

#include "arithmetic.h"

// Several small numbers read or written at once.
typedef uint32_t __attribute__((may_alias)) ft_xt_word;

// Constants of one output channel. `rounding` is 2^(shift - 1) + zero * 2^shift, so that the last shift
// rounds, and adds the output's zero point as well.
typedef struct {
    int32_t bias;
    int32_t multiplier;
    int32_t rounding;
    int32_t shift;  // to the right, at least 1
} ft_xt_channel;

// zero + sum * multiplier * 2^(-31 - shift), with both of TFLite's roundings, for |sum| < 2^29.
//
// With sum = high * 2^16 + low and multiplier = m1 * 2^16 + m0 (low signed, m0 unsigned), nested floors give
// the high half of the product exactly, and every step fits 32 bits: |low * m0| < 2^31, |high * m0| <= 2^29,
// |low * m1| < 2^30.
FT_INLINE int32_t ft_xt_rescale(int32_t sum, const ft_xt_channel *c) {
    const int32_t low = (int16_t)sum;
    const int32_t high = (sum - low) >> 16;
    const int32_t m0 = c->multiplier & 0xFFFF;
    const int32_t m1 = c->multiplier >> 16;
    const int32_t middle = high * m0 + low * m1 + ((low * m0) >> 16) + (1 << 14);
    const int32_t doubled = 2 * high * m1 + (middle >> 15);
    // Halves go away from zero: one less before the shift where the number is negative.
    return (doubled + (doubled >> 31) + c->rounding) >> c->shift;
}

FT_INLINE int8_t ft_xt_output(int32_t sum, const ft_xt_channel *c, int32_t low, int32_t high) {
    return (int8_t)ft_clamp(ft_xt_rescale(sum, c), low, high);
}

#endif
