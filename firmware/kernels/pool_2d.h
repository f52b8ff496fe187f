// What the pooling kernels share. Padded positions take no part in a maximum or an average.
#ifndef FT_POOL_2D_H
#define FT_POOL_2D_H

#include "arithmetic.h"

typedef struct {
    int32_t batches;
    int32_t in_h, in_w, channels;
    int32_t out_h, out_w;
    int32_t k_h, k_w, stride_h, stride_w, pad_top, pad_left;
    int32_t out_min, out_max;
    float f_min, f_max;
} ft_pool_2d;

// The part of a window that lies inside the image.
typedef struct {
    int32_t top, bottom, left, right;
} ft_pool_area;

FT_INLINE ft_pool_area ft_pool_inside(const ft_pool_2d *p, int32_t oy, int32_t ox) {
    const int32_t y = oy * p->stride_h - p->pad_top;
    const int32_t x = ox * p->stride_w - p->pad_left;
    const ft_pool_area area = {ft_max(y, 0), ft_min(y + p->k_h, p->in_h), ft_max(x, 0),
                               ft_min(x + p->k_w, p->in_w)};
    return area;
}

#endif
