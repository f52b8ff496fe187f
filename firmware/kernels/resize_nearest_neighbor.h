// RESIZE_NEAREST_NEIGHBOR: which input row and column each output pixel takes is tabulated when compiling.
#ifndef FT_RESIZE_NEAREST_NEIGHBOR_H
#define FT_RESIZE_NEAREST_NEIGHBOR_H

#include "kernel.h"

typedef struct {
    int32_t batches, in_h, in_w, pixel_bytes, out_h, out_w;
} ft_resize_nearest_neighbor_shape;

FT_KERNEL void ft_resize_nearest_neighbor(const ft_resize_nearest_neighbor_shape *p, const int16_t *rows,
                                          const int16_t *columns, const void *in, void *out) {
    const uint8_t *image = in;
    uint8_t *to = out;
    for (int32_t b = 0; b < p->batches; b++, image += p->in_h * p->in_w * p->pixel_bytes) {
        for (int32_t y = 0; y < p->out_h; y++) {
            for (int32_t x = 0; x < p->out_w; x++) {
                const uint8_t *from = image + (rows[y] * p->in_w + columns[x]) * p->pixel_bytes;
                for (int32_t i = 0; i < p->pixel_bytes; i++) {
                    *to++ = from[i];
                }
            }
        }
    }
}

#endif
