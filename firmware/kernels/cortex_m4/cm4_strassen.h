// CONV_2D, 1x1, on a Cortex-M4 by Strassen's algorithm (in Winograd's form): 7 products of matrices for 8,
// exactly.
//
// The matrices' halves: three pixels and three more (rows), the first and the last half of the input
// channels, two output channels and two more (columns). With A, B the halves of three pixels' channels and C,
// D those of the other three, and a, b (weights of two channels, first and last half), c, d (of two more),
// prepared when compiling:
//
//  M1 = A a    M2 = B b    M6 = (C + D - A)(d - c + a)    M7 = (A - C)(d - c)    M4 = D (d - c + a - b)
//  M5 = (C + D)(c - a)     M3 = (B - C - D + A) d
//  sums: M1 + M2, M1 + M6 + M7 - M4 (other pixels), M1 + M6 + M7 + M5 (others, two more channels), M1 + M6 +
//  M5 + M3
//
// All arithmetic is modulo 2^32 and the true sums fit, so nothing is lost on the way. int16 weights, one
// shift for all channels and a ReLU.
#ifndef FT_CM4_STRASSEN_H
#define FT_CM4_STRASSEN_H

#include "cm4_fpu.h"
#include "cm4_widen.h"

typedef struct {
    int32_t pixels, in_c, out_c, skip, out_min, out_max;
} ft_cm4_strassen;

// From the first pixel's outputs to the second's and third's, from those to the fourth's, from there to the
// fifth's and sixth's; bytes of a pixel's outputs, and of unrolled code to jump over.
typedef struct {
    int32_t second, third, fourth, fifth, sixth, out_bytes, skip;
} ft_strassen;

typedef void (*ft_strassen_routine)(const uint32_t *x, const void *stream, int8_t *out, const ft_strassen *s);

// clang-format off
enum { FT_STRASSEN_STEPS = 32, FT_STRASSEN_STEP_BYTES = 32 };

// r2-r4: one channel of three pixels, r5-r7: another. Two values of each pixel.
#define FT_STRASSEN_STEP                                                                         \
    "ldm.w r1!, {r8, r9}\n"                                                                      \
    "ldm.w r0!, {r10-r12}\n"                                                                     \
    "smlad r2, r8, r10, r2\n"                                                                    \
    "smlad r5, r9, r10, r5\n"                                                                    \
    "smlad r3, r8, r11, r3\n"                                                                    \
    "smlad r6, r9, r11, r6\n"                                                                    \
    "smlad r4, r8, r12, r4\n"                                                                    \
    "smlad r7, r9, r12, r7\n"

// Stack: 0 output, 4 to the second pixel, 8 third; 12 output of the fourth, 16 to the fifth, 20 sixth; 24 x, 28 output's
// end, 32 where to enter. Sums wait in the registers of the floating-point unit: three sets of six.
#define FT_STRASSEN_KEEP(a, b, c, d, e, f)                                                       \
    "vmov s" #a ", s" #b ", r2, r3\n" "vmov s" #c ", s" #d ", r4, r5\n" "vmov s" #e ", s" #f ", r6, r7\n"
#define FT_STRASSEN_TAKE(a, b, c, d, e, f)                                                       \
    "vmov r2, r3, s" #a ", s" #b "\n" "vmov r4, r5, s" #c ", s" #d "\n" "vmov r6, r7, s" #e ", s" #f "\n"
#define FT_STRASSEN_ADD(a, b, c, d, e, f)                                                        \
    "vmov r8, r9, s" #a ", s" #b "\n" "vmov r10, r11, s" #c ", s" #d "\n" "vmov r12, lr, s" #e ", s" #f "\n" \
    "add r2, r8\n" "add r3, r9\n" "add r4, r10\n" "add r5, r11\n" "add r6, r12\n" "add r7, lr\n"
#define FT_STRASSEN_A(what) what(0, 1, 2, 3, 4, 5)
#define FT_STRASSEN_B(what) what(6, 7, 8, 9, 10, 11)
#define FT_STRASSEN_C(what) what(12, 13, 14, 15, 16, 17)
#define FT_STRASSEN_OUT(at, places, e)                                                           \
    "ldm.w r1!, {r8-r11}\n"                                                                      \
    FT_RESCALE_SHARED("r2", "r8", "r9", e) FT_RESCALE_SHARED("r3", "r8", "r9", e)                \
    FT_RESCALE_SHARED("r4", "r8", "r9", e) FT_RESCALE_SHARED("r5", "r10", "r11", e)              \
    FT_RESCALE_SHARED("r6", "r10", "r11", e) FT_RESCALE_SHARED("r7", "r10", "r11", e)            \
    places                                                                                       \
    "strb.w r3, [r8, r9]\n" "strb.w r4, [r8, r10]\n" "strb.w r2, [r8], #1\n"                     \
    "strb.w r6, [r8, r9]\n" "strb.w r7, [r8, r10]\n" "strb.w r5, [r8], #1\n" "str.w r8, [sp, #" #at "]\n"
#define FT_STRASSEN_FIRST(e) FT_STRASSEN_OUT(0, "ldm.w sp, {r8-r10}\n", e)
#define FT_STRASSEN_OTHER(e) FT_STRASSEN_OUT(12, "add.w lr, sp, #12\n" "ldm.w lr, {r8-r10}\n", e)

#define FT_STRASSEN(product, body, e)                                                            \
    "push.w {r4-r11, lr}\n" "vpush {s16, s17}\n" "sub sp, #36\n" "ldm.w r3, {r4-r10}\n"          \
    "add.w r11, r2, r9\n" "add r6, r2\n" "adr.w r12, 9f\n" "add r12, r10\n" "orr.w r12, r12, #1\n" \
    "strd r0, r11, [sp, #24]\n" "str.w r12, [sp, #32]\n" "stm.w sp, {r2, r4-r8}\n"               \
    "1: ldm.w r1!, {r2-r7}\n" product FT_STRASSEN_A(FT_STRASSEN_KEEP) product FT_STRASSEN_FIRST(e) \
    FT_STRASSEN_A(FT_STRASSEN_TAKE) product FT_STRASSEN_B(FT_STRASSEN_KEEP) product FT_STRASSEN_A(FT_STRASSEN_KEEP) \
    product FT_STRASSEN_OTHER(e)                                                                 \
    "ldm.w r1!, {r2-r7}\n" product FT_STRASSEN_C(FT_STRASSEN_KEEP) FT_STRASSEN_A(FT_STRASSEN_ADD) FT_STRASSEN_OTHER(e) \
    FT_STRASSEN_C(FT_STRASSEN_TAKE) FT_STRASSEN_B(FT_STRASSEN_ADD) product FT_STRASSEN_FIRST(e)  \
    "ldrd r0, r9, [sp, #24]\n" "cmp r8, r9\n" "bne.w 1b\n"                                       \
    "add sp, #36\n" "vpop {s16, s17}\n" "pop.w {r4-r11, pc}\n"                                   \
    ".balign 4\n" "9:\n" body "bx lr\n"

#define FT_STRASSEN_ROUTINE(name, product, body, e)                                              \
    static __attribute__((naked, noinline, unused)) void name(                                   \
        const uint32_t *x __attribute__((unused)), const void *stream __attribute__((unused)),   \
        int8_t *out __attribute__((unused)), const ft_strassen *s __attribute__((unused))) {     \
        __asm volatile(FT_STRASSEN(product, body, e));                                           \
    }
// The usual numbers of channels have routines of exactly their steps; unused ones cost nothing.
#define FT_STRASSEN_ROUTINES(e)                                                                  \
    FT_STRASSEN_ROUTINE(ft_strassen_16_##e, "bl 9f\n", FT_X16(FT_STRASSEN_STEP), e)              \
    FT_STRASSEN_ROUTINE(ft_strassen_32_##e, "bl 9f\n", FT_X16(FT_STRASSEN_STEP) FT_X16(FT_STRASSEN_STEP), e) \
    FT_STRASSEN_ROUTINE(ft_strassen_any_##e, "ldr.w lr, [sp, #32]\n" "blx lr\n",                 \
                        FT_X16(FT_STRASSEN_STEP) FT_X16(FT_STRASSEN_STEP), e)
FT_STRASSEN_ROUTINES(8)
FT_STRASSEN_ROUTINES(10)
FT_STRASSEN_ROUTINES(12)
FT_STRASSEN_ROUTINES(14)
FT_STRASSEN_ROUTINES(16)
// clang-format on

FT_INLINE uint32_t ft_strassen_plus(uint32_t a, uint32_t b) {
    uint32_t r;
    __asm("sadd16 %0, %1, %2" : "=r"(r) : "r"(a), "r"(b));
    return r;
}

FT_INLINE uint32_t ft_strassen_minus(uint32_t a, uint32_t b) {
    uint32_t r;
    __asm("ssub16 %0, %1, %2" : "=r"(r) : "r"(a), "r"(b));
    return r;
}

// Two values of each half of a pixel (a, b) and of another (c, d): what the seven products take.
FT_INLINE void ft_strassen_sums(uint32_t a, uint32_t b, uint32_t c, uint32_t d, uint32_t *to, int32_t step) {
    const uint32_t both = ft_strassen_plus(c, d), less = ft_strassen_minus(both, a);
    to[0] = a;
    to[step] = b;
    to[2 * step] = less;
    to[3 * step] = ft_strassen_minus(a, c);
    to[4 * step] = d;
    to[5 * step] = both;
    to[6 * step] = ft_strassen_minus(b, less);
}

// Readies a pixel and its other for the products; `half` of their channels, in fours, and the words of a
// product.
FT_INLINE void ft_strassen_pixel(const int8_t *first, const int8_t *other, int32_t half, uint32_t *to,
                                 int32_t step) {
    for (const int8_t *end = first + half; first < end; first += 4, other += 4, to += 6) {
        uint32_t a[2], b[2], c[2], d[2];
        const uint32_t va = ft_cm4_load(first), vb = ft_cm4_load(first + half);
        const uint32_t vc = ft_cm4_load(other), vd = ft_cm4_load(other + half);
        ft_cm4_wide(va, a);
        ft_cm4_wide(vb, b);
        ft_cm4_wide(vc, c);
        ft_cm4_wide(vd, d);
        ft_strassen_sums(a[0], b[0], c[0], d[0], to, step);
        ft_strassen_sums(a[1], b[1], c[1], d[1], to + 3, step);
    }
}

// The same, with the usual numbers of channels as constants, so that addresses are part of the instructions.
static __attribute__((noinline, unused)) void ft_strassen_ready(const int8_t *first, const int8_t *other,
                                                                int32_t half, uint32_t *to) {
    if (half == 64) {
        ft_strassen_pixel(first, other, 64, to, 96);
    } else if (half == 32) {
        ft_strassen_pixel(first, other, 32, to, 48);
    } else {
        ft_strassen_pixel(first, other, half, to, half * 3 / 2);
    }
}

// Of fewer than six pixels at the end, the last one is computed several times.
static __attribute__((noinline, unused)) void ft_cm4_strassen_s8(const ft_cm4_strassen *p,
                                                                 ft_strassen_routine routine,
                                                                 const void *stream, const int8_t *in,
                                                                 int8_t *out, void *scratch) {
    uint32_t *x = scratch;
    int8_t *const start = out;
    const int32_t in_c = p->in_c, out_c = p->out_c;
    for (int32_t left = p->pixels; left > 0; left -= 6) {
        int32_t at[6];
        for (int32_t i = 0; i < 6; i++) {
            at[i] = i < left ? i : left - 1;
        }
        for (int32_t i = 0; i < 3; i++) {
            ft_strassen_ready(in + at[i] * in_c, in + at[i + 3] * in_c, in_c / 2, x + i);
        }
        const ft_strassen s = {at[1] * out_c,           at[2] * out_c, at[3] * out_c, (at[4] - at[3]) * out_c,
                               (at[5] - at[3]) * out_c, out_c,         p->skip};
        routine(x, stream, out, &s);
        in += 6 * in_c;
        out += 6 * out_c;
    }
    if (p->out_min > INT8_MIN || p->out_max < INT8_MAX) {
        ft_cm4_clamp(start, p->pixels * out_c, p->out_min, p->out_max);
    }
}

#endif
