// The register tile of convolutions: four channels times two columns, 22 instructions for 8 products.
//
// Loads of unsigned bytes need no sign extension, so activations are stored as x + 128 and weights as w +
// 128: sum(x * w) = sum((x + 128) * (w + 128)) - 128 * sum(x + 128) - 128 * sum(w); the second term is one
// number for all channels of a column, the third belongs to the bias.
#ifndef FT_XT_TILE_H
#define FT_XT_TILE_H

#include "kernel.h"

enum { FT_XT_CHANNELS = 4, FT_XT_COLUMNS = 2 };

// Adds the products of the next two or four taps. `x` holds the two columns' values alternately, `w` four
// channels'.
#if defined(__XTENSA__) && defined(__OPTIMIZE__)
// gcc spills eight sums, so the order is fixed here: 14 registers, which leaves none for a frame pointer.
// Only what the LX106 and the LX6 have both is used.
#define FT_XT_PRODUCTS(load, size, tap, n)        \
    load " %[v], %[w], " #size "*(4*" #tap "+" #n \
         ")\n\t"                                  \
         "mull %[t], %[x], %[v]\n\t"              \
         "mull %[v], %[y], %[v]\n\t"              \
         "add %[a" #n "], %[a" #n                 \
         "], %[t]\n\t"                            \
         "add %[b" #n "], %[b" #n "], %[v]\n\t"
#define FT_XT_TAP(x_load, x_size, w_load, w_size, tap)                                             \
    x_load " %[x], %[p], " #x_size "*2*" #tap "\n\t" x_load " %[y], %[p], " #x_size "*(2*" #tap    \
           "+1)\n\t" FT_XT_PRODUCTS(w_load, w_size, tap, 0) FT_XT_PRODUCTS(w_load, w_size, tap, 1) \
               FT_XT_PRODUCTS(w_load, w_size, tap, 2) FT_XT_PRODUCTS(w_load, w_size, tap, 3)
// The last step moves the pointers by `taps` taps.
#define FT_XT_ASM(code, x_size, w_size, taps)                                                           \
    do {                                                                                                \
        uint32_t x, y, v, t;                                                                            \
        __asm(code "addi %[p], %[p], " #x_size "*2*" #taps "\n\taddi %[w], %[w], " #w_size "*4*" #taps  \
              : [a0] "+&r"(a0), [a1] "+&r"(a1), [a2] "+&r"(a2), [a3] "+&r"(a3), [b0] "+&r"(b0),         \
                [b1] "+&r"(b1), [b2] "+&r"(b2), [b3] "+&r"(b3), [p] "+&r"(columns), [w] "+&r"(weights), \
                [x] "=&r"(x), [y] "=&r"(y), [v] "=&r"(v), [t] "=&r"(t)                                  \
              :                                                                                         \
              : "memory");                                                                              \
    } while (0)
#define FT_XT_TWO_TAPS(x_load, x_size, w_load, w_size, n) \
    FT_XT_TAP(x_load, x_size, w_load, w_size, n) FT_XT_TAP(x_load, x_size, w_load, w_size, (n + 1))
#define FT_XT_TAPS(count, x_load, x_size, w_load, w_size) FT_XT_TAPS_##count(x_load, x_size, w_load, w_size)
#define FT_XT_TAPS_2(x_load, x_size, w_load, w_size) \
    FT_XT_ASM(FT_XT_TWO_TAPS(x_load, x_size, w_load, w_size, 0), x_size, w_size, 2)
#define FT_XT_TAPS_4(x_load, x_size, w_load, w_size)                 \
    FT_XT_ASM(FT_XT_TWO_TAPS(x_load, x_size, w_load, w_size, 0)      \
                  FT_XT_TWO_TAPS(x_load, x_size, w_load, w_size, 2), \
              x_size, w_size, 4)
// Where gcc knows the number of taps from the callers it lays the loop out in other ways, some of which need
// a register more than there is.
#define FT_XT_HIDE(taps) __asm("" : "+r"(taps))
#define FT_XT_U8_U8(count) FT_XT_TAPS(count, "l8ui", 1, "l8ui", 1)
#define FT_XT_S16_S16(count) FT_XT_TAPS(count, "l16si", 2, "l16si", 2)
#define FT_XT_S16_S32(count) FT_XT_TAPS(count, "l16si", 2, "l32i", 4)
#else
// The low half of the product.
FT_INLINE uint32_t ft_xt_product(int32_t a, int32_t b) {
    return (uint32_t)a * (uint32_t)b;
}

#define FT_XT_TAPS(count)                                                         \
    do {                                                                          \
        for (int32_t tap = 0; tap < (count); tap++, columns += 2, weights += 4) { \
            const int32_t x = columns[0], y = columns[1];                         \
            a0 += ft_xt_product(x, weights[0]);                                   \
            b0 += ft_xt_product(y, weights[0]);                                   \
            a1 += ft_xt_product(x, weights[1]);                                   \
            b1 += ft_xt_product(y, weights[1]);                                   \
            a2 += ft_xt_product(x, weights[2]);                                   \
            b2 += ft_xt_product(y, weights[2]);                                   \
            a3 += ft_xt_product(x, weights[3]);                                   \
            b3 += ft_xt_product(y, weights[3]);                                   \
        }                                                                         \
    } while (0)
#define FT_XT_HIDE(taps)
#define FT_XT_U8_U8(count) FT_XT_TAPS(count)
#define FT_XT_S16_S16(count) FT_XT_TAPS(count)
#define FT_XT_S16_S32(count) FT_XT_TAPS(count)
#endif

#ifdef __clang__
#define FT_XT_TILE_FUNCTION static FT_HOT __attribute__((unused, noinline))
#else
#define FT_XT_TILE_FUNCTION static FT_HOT __attribute__((unused, noinline, optimize("omit-frame-pointer")))
#endif

// sums[0..3] are the channels of the first column, sums[4..7] those of the second. `taps` is a multiple of
// four.
#define FT_XT_TILE(name, x_type, w_type, products)                                            \
    FT_XT_TILE_FUNCTION void name(const x_type *columns, const w_type *weights, int32_t taps, \
                                  uint32_t *sums) {                                           \
        uint32_t a0 = 0, a1 = 0, a2 = 0, a3 = 0, b0 = 0, b1 = 0, b2 = 0, b3 = 0;              \
        FT_XT_HIDE(taps);                                                                     \
        const x_type *const end = columns + FT_XT_COLUMNS * (taps & ~3);                      \
        while (columns != end) {                                                              \
            products(4);                                                                      \
        }                                                                                     \
        if (taps & 2) {                                                                       \
            products(2);                                                                      \
        }                                                                                     \
        sums[0] = a0;                                                                         \
        sums[1] = a1;                                                                         \
        sums[2] = a2;                                                                         \
        sums[3] = a3;                                                                         \
        sums[4] = b0;                                                                         \
        sums[5] = b1;                                                                         \
        sums[6] = b2;                                                                         \
        sums[7] = b3;                                                                         \
    }

FT_XT_TILE(ft_xt_tile_u8, uint8_t, uint8_t, FT_XT_U8_U8)
FT_XT_TILE(ft_xt_tile_s16, int16_t, int16_t, FT_XT_S16_S16)
FT_XT_TILE(ft_xt_tile_s16_s32, int16_t, int32_t, FT_XT_S16_S32)

#endif
