// CONCATENATION: each row of the output is one run of every input, in turn. An input that the memory plan has
// put where it belongs is left there.
#ifndef FT_CONCATENATION_H
#define FT_CONCATENATION_H

#include "kernel.h"

typedef struct {
    const void *from;
    int32_t bytes;  // of one run
} ft_concatenation_run;

FT_KERNEL void ft_concatenation(int32_t rows, int32_t inputs, const ft_concatenation_run *run, void *out) {
    uint8_t *to = out;
    for (int32_t row = 0; row < rows; row++) {
        for (int32_t k = 0; k < inputs; k++) {
            const int32_t bytes = run[k].bytes;
            const uint8_t *from = (const uint8_t *)run[k].from + row * bytes;
            if (from != to) {
                for (int32_t i = 0; i < bytes; i++) {
                    to[i] = from[i];
                }
            }
            to += bytes;
        }
    }
}

#endif
