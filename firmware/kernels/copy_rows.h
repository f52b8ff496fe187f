// Copies rows of bytes between arrays with different distances from row to row: SPLIT.
#ifndef FT_COPY_ROWS_H
#define FT_COPY_ROWS_H

#include "kernel.h"

FT_KERNEL void ft_copy_rows(int32_t rows, int32_t bytes, const void *in, int32_t in_step, void *out,
                            int32_t out_step) {
    const uint8_t *from = in;
    uint8_t *to = out;
    for (int32_t row = 0; row < rows; row++, from += in_step, to += out_step) {
        for (int32_t i = 0; i < bytes; i++) {
            to[i] = from[i];
        }
    }
}

#endif
