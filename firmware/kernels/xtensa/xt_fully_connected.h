// FULLY_CONNECTED for one vector: eight outputs at a time, activations and weights as unsigned bytes
// (xt_tile.h).
#ifndef FT_XT_FULLY_CONNECTED_H
#define FT_XT_FULLY_CONNECTED_H

#include "xt_rescale.h"

enum { FT_XT_ROWS = 8 };

typedef struct {
    int32_t depth, outputs;
    int32_t steps;  // depth / 4, rounded up
    int32_t out_min, out_max;
} ft_xt_fully_connected;

// Adds the products of the next four values with eight rows of weights.
#if defined(__XTENSA__) && defined(__OPTIMIZE__)
// gcc spills eight sums, so the order is fixed here: 12 registers.
#define FT_XT_ROW(tap, n) \
    "l8ui %[v], %[w], 8*" #tap "+" #n "\n\tmull %[v], %[x], %[v]\n\tadd %[s" #n "], %[s" #n "], %[v]\n\t"
#define FT_XT_ROWS_TAP(tap)                                                                                 \
    "l8ui %[x], %[p], " #tap "\n\t" FT_XT_ROW(tap, 0) FT_XT_ROW(tap, 1) FT_XT_ROW(tap, 2) FT_XT_ROW(tap, 3) \
        FT_XT_ROW(tap, 4) FT_XT_ROW(tap, 5) FT_XT_ROW(tap, 6) FT_XT_ROW(tap, 7)
#define FT_XT_ROWS_STEP                                                                         \
    do {                                                                                        \
        uint32_t value, weight;                                                                 \
        __asm(FT_XT_ROWS_TAP(0) FT_XT_ROWS_TAP(1) FT_XT_ROWS_TAP(2)                             \
                  FT_XT_ROWS_TAP(3) "addi %[p], %[p], 4\n\taddi %[w], %[w], 32"                 \
              : [s0] "+&r"(s0), [s1] "+&r"(s1), [s2] "+&r"(s2), [s3] "+&r"(s3), [s4] "+&r"(s4), \
                [s5] "+&r"(s5), [s6] "+&r"(s6), [s7] "+&r"(s7), [p] "+&r"(x), [w] "+&r"(w),     \
                [x] "=&r"(value), [v] "=&r"(weight)                                             \
              :                                                                                 \
              : "memory");                                                                      \
    } while (0)
#else
#define FT_XT_ROWS_STEP                                               \
    do {                                                              \
        for (int32_t tap = 0; tap < 4; tap++, x++, w += FT_XT_ROWS) { \
            s0 += (uint32_t)(*x * w[0]);                              \
            s1 += (uint32_t)(*x * w[1]);                              \
            s2 += (uint32_t)(*x * w[2]);                              \
            s3 += (uint32_t)(*x * w[3]);                              \
            s4 += (uint32_t)(*x * w[4]);                              \
            s5 += (uint32_t)(*x * w[5]);                              \
            s6 += (uint32_t)(*x * w[6]);                              \
            s7 += (uint32_t)(*x * w[7]);                              \
        }                                                             \
    } while (0)
#endif

static FT_HOT __attribute__((unused, noinline)) void ft_xt_rows(const uint8_t *x, const uint8_t *w,
                                                                int32_t steps, uint32_t *sums) {
    uint32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0, s4 = 0, s5 = 0, s6 = 0, s7 = 0;
    const uint8_t *const end = x + 4 * steps;
    do {
        FT_XT_ROWS_STEP;
    } while (x != end);
    sums[0] = s0;
    sums[1] = s1;
    sums[2] = s2;
    sums[3] = s3;
    sums[4] = s4;
    sums[5] = s5;
    sums[6] = s6;
    sums[7] = s7;
}

FT_KERNEL void ft_xt_fully_connected_s8(const ft_xt_fully_connected *p, const uint8_t *w,
                                        const ft_xt_channel *channel, const int8_t *in, int8_t *out,
                                        void *scratch) {
    uint8_t *x = (uint8_t *)scratch;
    uint32_t excess = 0;
    for (int32_t i = 0; i < p->depth; i++) {
        x[i] = (uint8_t)((uint8_t)in[i] ^ 0x80u);
        excess += x[i];
    }
    for (int32_t i = p->depth; i < 4 * p->steps; i++) {
        x[i] = 0;
    }
    for (int32_t o = 0; o < p->outputs; o += FT_XT_ROWS, w += 4 * p->steps * FT_XT_ROWS) {
        uint32_t sums[FT_XT_ROWS];
        ft_xt_rows(x, w, p->steps, sums);
        const int32_t lanes = ft_min(FT_XT_ROWS, p->outputs - o);
        for (int32_t lane = 0; lane < lanes; lane++, channel++) {
            const uint32_t sum = sums[lane] + (uint32_t)channel->bias - (excess << 7);
            *out++ = ft_xt_output((int32_t)sum, channel, p->out_min, p->out_max);
        }
    }
}

#endif
