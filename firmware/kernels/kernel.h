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

// Inner loops that are functions of their own. An ESP32 reads code and constants in flash through one cache
// of 32 KB, out of which streaming weights push the loops that use them; its instruction RAM has room for
// these.
#ifdef FT_HOT_IN_IRAM
#define FT_HOT __attribute__((section(".iram1.ft_hot")))
#else
#define FT_HOT
#endif

#define FT_INLINE static inline __attribute__((always_inline))

#endif
