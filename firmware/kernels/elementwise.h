// What ADD, SUB and MUL share. A step of 0 repeats a value (broadcasting).
#ifndef FT_ELEMENTWISE_H
#define FT_ELEMENTWISE_H

#include "arithmetic.h"
#include "strided.h"

typedef struct {
    int32_t size[FT_LOOPS], step1[FT_LOOPS], step2[FT_LOOPS];
    int32_t zero1, zero2, out_zero;
    int32_t multiplier1, shift1, multiplier2, shift2, out_multiplier, out_shift;
    int32_t out_min, out_max;
    float f_min, f_max;
} ft_elementwise;

// Bits by which the inputs of ADD and SUB are shifted left before they are brought to one scale.
enum { FT_HEADROOM = 20 };

// The first input on the common scale.
FT_INLINE int32_t ft_elementwise_first(const ft_elementwise *p, int32_t value) {
    return ft_requantise((value - p->zero1) * (1 << FT_HEADROOM), p->multiplier1, p->shift1);
}

// The second input on the common scale.
FT_INLINE int32_t ft_elementwise_second(const ft_elementwise *p, int32_t value) {
    return ft_requantise((value - p->zero2) * (1 << FT_HEADROOM), p->multiplier2, p->shift2);
}

FT_INLINE int8_t ft_elementwise_output(const ft_elementwise *p, int32_t value) {
    return ft_output(value, p->out_multiplier, p->out_shift, p->out_zero, p->out_min, p->out_max);
}

FT_INLINE float ft_elementwise_clamp(const ft_elementwise *p, float value) {
    const float raised = value > p->f_min ? value : p->f_min;
    return raised < p->f_max ? raised : p->f_max;
}

#endif
