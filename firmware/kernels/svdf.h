// SVDF: each filter keeps its last `memory` results; an output weighs those of `rank` filters. The state lies
// in the arena from run to run: model_init clears it, and each run shifts it by one.
#ifndef FT_SVDF_H
#define FT_SVDF_H

#include "arithmetic.h"

typedef struct {
    int32_t batches, inputs, filters, memory, rank;
    int32_t in_zero, state_zero, out_zero;
    int32_t multiplier1, shift1;  // from a filter's sum to the state
    int32_t multiplier2, shift2;  // from an output's sum to the output
} ft_svdf;

// The states of each filter come oldest first; the time weights and the state share one type.
#define FT_SVDF(name, type, low, high)                                                                    \
    FT_KERNEL void name(const ft_svdf *p, const int8_t *features, const type *times, const int32_t *bias, \
                        const int8_t *in, type *state, int8_t *out) {                                     \
        const int32_t states = p->batches * p->filters * p->memory;                                       \
        for (int32_t i = 0; i + 1 < states; i++) {                                                        \
            state[i] = state[i + 1];                                                                      \
        }                                                                                                 \
        type *newest = state + p->memory - 1;                                                             \
        for (int32_t b = 0; b < p->batches; b++, in += p->inputs) {                                       \
            for (int32_t f = 0; f < p->filters; f++, newest += p->memory) {                               \
                uint32_t sum = 0;                                                                         \
                for (int32_t i = 0; i < p->inputs; i++) {                                                 \
                    sum += (uint32_t)(features[f * p->inputs + i] * (in[i] - p->in_zero));                \
                }                                                                                         \
                const int32_t value = ft_requantise((int32_t)sum, p->multiplier1, p->shift1);             \
                *newest = (type)ft_clamp(ft_add(value, p->state_zero), low, high);                        \
            }                                                                                             \
        }                                                                                                 \
        for (int32_t b = 0; b < p->batches; b++) {                                                        \
            const type *weights = times;                                                                  \
            for (int32_t unit = 0; unit < p->filters / p->rank; unit++) {                                 \
                uint32_t sum = (uint32_t)bias[unit];                                                      \
                for (int32_t i = 0; i < p->rank * p->memory; i++) {                                       \
                    sum += (uint32_t)(*weights++ * (*state++ - p->state_zero));                           \
                }                                                                                         \
                *out++ =                                                                                  \
                    ft_output((int32_t)sum, p->multiplier2, p->shift2, p->out_zero, INT8_MIN, INT8_MAX);  \
            }                                                                                             \
        }                                                                                                 \
    }

FT_SVDF(ft_svdf_s8, int8_t, INT8_MIN, INT8_MAX)
FT_SVDF(ft_svdf_s16, int16_t, INT16_MIN, INT16_MAX)

#endif
