// FULLY_CONNECTED on a Cortex-M4: four rows of int8 weights at a time.
#ifndef FT_CM4_FULLY_CONNECTED_H
#define FT_CM4_FULLY_CONNECTED_H

#include "cm4_widen.h"

typedef struct {
    int32_t rows, depth, outputs;  // vectors, their length, results of each
    int32_t groups;                // of a vector, as in the constants
    int32_t skip, out_min, out_max;
} ft_cm4_fully_connected;

static __attribute__((noinline, unused)) void ft_cm4_fully_connected_s8(const ft_cm4_fully_connected *p,
                                                                        const void *stream, const int8_t *in,
                                                                        int8_t *out, void *scratch) {
    uint32_t *x = scratch;
    const ft_gemm g = {x + p->groups * 2, p->skip, p->outputs & ~3, 0, p->outputs & 3};
    for (int32_t row = 0; row < p->rows; row++, in += p->depth, out += p->outputs) {
        ft_cm4_run_half(in, x, p->depth / 4, p->depth % 4);
        ft_gemm_rows(x, stream, out, &g);
        if (p->out_min > INT8_MIN || p->out_max < INT8_MAX) {
            ft_cm4_clamp(out, p->outputs, p->out_min, p->out_max);
        }
    }
}

#endif
