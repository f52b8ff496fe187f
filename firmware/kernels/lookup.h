// Functions of one int8 value, tabulated when compiling; entry 0 belongs to -128.
#ifndef FT_LOOKUP_H
#define FT_LOOKUP_H

#include "kernel.h"

typedef struct {
    int32_t count;
} ft_lookup;

FT_KERNEL void ft_lookup_s8(const ft_lookup *p, const int8_t *table, const int8_t *in, int8_t *out) {
    for (int32_t i = 0; i < p->count; i++) {
        out[i] = table[in[i] - INT8_MIN];
    }
}

#endif
