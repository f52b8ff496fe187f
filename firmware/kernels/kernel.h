// What every kernel header starts from.
#ifndef FT_KERNEL_H
#define FT_KERNEL_H

#include <stdint.h>

// FT_SPECIALISE compiles a kernel anew into each of its calls, with all of the layer's sizes as constants:
// faster and larger. Without it, all layers share one copy of each kernel.
#ifdef FT_SPECIALISE
#define FT_KERNEL static inline __attribute__((always_inline))
#else
#define FT_KERNEL static __attribute__((unused, noinline))
#endif

#define FT_INLINE static inline __attribute__((always_inline))

#endif
