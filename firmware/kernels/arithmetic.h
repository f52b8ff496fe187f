// TFLite Micro's integer arithmetic. Right shifts of negative numbers are arithmetic (gcc and clang promise
// it), and sums wrap modulo 2^32 through unsigned numbers, so nothing here is undefined.
#ifndef FT_ARITHMETIC_H
#define FT_ARITHMETIC_H

#include "kernel.h"

FT_INLINE int32_t ft_max(int32_t a, int32_t b) {
    return a > b ? a : b;
}

FT_INLINE int32_t ft_min(int32_t a, int32_t b) {
    return a < b ? a : b;
}

FT_INLINE int32_t ft_clamp(int32_t value, int32_t low, int32_t high) {
    return ft_min(ft_max(value, low), high);
}

FT_INLINE int32_t ft_add(int32_t a, int32_t b) {
    return (int32_t)((uint32_t)a + (uint32_t)b);
}

FT_INLINE int32_t ft_shift_left(int32_t value, int32_t places) {
    return (int32_t)((uint32_t)value << places);
}

// value * 2^places, held at the ends of int32 (gemmlowp's SaturatingRoundingMultiplyByPOT with a positive
// exponent).
FT_INLINE int32_t ft_saturating_shift_left(int32_t value, int32_t places) {
    const int32_t limit = (int32_t)((1u << (31 - places)) - 1u);
    return value > limit ? INT32_MAX : value < -limit - 1 ? INT32_MIN : ft_shift_left(value, places);
}

// a * b / 2^31, halves up (gemmlowp's SaturatingRoundingDoublingHighMul; no caller passes -2^31 twice).
FT_INLINE int32_t ft_high_mul(int32_t a, int32_t b) {
    return (int32_t)(((int64_t)a * b + (1 << 30)) >> 31);
}

// value / 2^places, halves away from zero (gemmlowp's RoundingDivideByPOT).
FT_INLINE int32_t ft_rounding_shift(int32_t value, int32_t places) {
    const int32_t mask = (int32_t)((1u << places) - 1u);
    const int32_t threshold = (mask >> 1) + (value < 0 ? 1 : 0);
    return (value >> places) + ((value & mask) > threshold ? 1 : 0);
}

// value * multiplier * 2^(shift - 31), with both of TFLite's roundings (MultiplyByQuantizedMultiplier).
FT_INLINE int32_t ft_requantise(int32_t value, int32_t multiplier, int32_t shift) {
    const int32_t left = shift > 0 ? shift : 0;
    const int32_t right = shift > 0 ? 0 : -shift;
    return ft_rounding_shift(ft_high_mul(ft_shift_left(value, left), multiplier), right);
}

// The int8 output of an accumulator.
FT_INLINE int8_t ft_output(int32_t sum, int32_t multiplier, int32_t shift, int32_t zero, int32_t low,
                           int32_t high) {
    return (int8_t)ft_clamp(ft_add(ft_requantise(sum, multiplier, shift), zero), low, high);
}

#endif
