// FULLY_CONNECTED: four outputs of one vector at a time; see nn_tile.h.
#ifndef FT_NN_FULLY_CONNECTED_H
#define FT_NN_FULLY_CONNECTED_H

#include "nn_rescale.h"
#include "nn_tile.h"

typedef struct {
    int32_t rows, depth, outputs;
    int32_t steps;  // sixteens of depth
    int32_t out_zero, out_min, out_max;
} ft_nn_fully_connected;

FT_KERNEL void ft_nn_fully_connected_s8(const ft_nn_fully_connected *p, const int8_t *w,
                                        const ft_nn_channels *channels, const int8_t *in, int8_t *out,
                                        void *scratch) {
    int8_t *column = (int8_t *)scratch;
    __builtin_memset(column, 0, (uint32_t)(p->steps * FT_NN_TAPS));
    for (int32_t row = 0; row < p->rows; row++, in += p->depth, out += p->outputs) {
        __builtin_memcpy(column, in, (uint32_t)p->depth);
        const int8_t *weights = w;
        for (int32_t o = 0; o < p->outputs; o += FT_NN_CHANNELS) {
            const int32x4_t sums = ft_nn_column(column, weights, p->steps);
            ft_nn_store(
                out + o,
                ft_nn_outputs(sums, channels + o / FT_NN_CHANNELS, p->out_zero, p->out_min, p->out_max),
                ft_min(FT_NN_CHANNELS, p->outputs - o));
            weights += p->steps * FT_NN_TAPS * FT_NN_CHANNELS;
        }
    }
}

#endif
