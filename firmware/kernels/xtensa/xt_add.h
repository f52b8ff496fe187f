// ADD of two tensors of the same shape: both inputs come to the common scale by table.
#ifndef FT_XT_ADD_H
#define FT_XT_ADD_H

#include "xt_rescale.h"

typedef struct {
    int32_t count;
    int32_t out_min, out_max;
    ft_xt_channel output;
} ft_xt_add;

// The tables hold each value's share of the sum; entry 0 belongs to 0, entry 128 to -128.
FT_KERNEL void ft_xt_add_s8(const ft_xt_add *p, const int32_t *table1, const int32_t *table2,
                            const int8_t *in1, const int8_t *in2, int8_t *out) {
    const uint8_t *a = (const uint8_t *)in1;
    const uint8_t *b = (const uint8_t *)in2;
    // A copy, because stores of bytes may alias the original.
    const ft_xt_channel own = p->output;
    for (int32_t i = 0; i < p->count; i++) {
        out[i] = ft_xt_output(table1[a[i]] + table2[b[i]], &own, p->out_min, p->out_max);
    }
}

#endif
