// Loops over arrays whose axes have any order and spacing. What is not needed of the six axes has size 1 and
// comes first; the last axis is the innermost loop.
#ifndef FT_STRIDED_H
#define FT_STRIDED_H

#include "kernel.h"

enum { FT_LOOPS = 6 };

// The five outer counters.
typedef struct {
    int32_t at[FT_LOOPS - 1];
} ft_counters;

// Steps to the next row (a run of the last axis); returns 0 after the last one.
FT_INLINE int32_t ft_next_row(ft_counters *counters, const int32_t *size) {
    for (int32_t axis = FT_LOOPS - 2; axis >= 0; axis--) {
        if (++counters->at[axis] < size[axis]) {
            return 1;
        }
        counters->at[axis] = 0;
    }
    return 0;
}

// Where the current row starts in an array with these steps.
FT_INLINE int32_t ft_row_start(const ft_counters *counters, const int32_t *step) {
    int32_t start = 0;
    for (int32_t axis = 0; axis < FT_LOOPS - 1; axis++) {
        start += counters->at[axis] * step[axis];
    }
    return start;
}

#endif
