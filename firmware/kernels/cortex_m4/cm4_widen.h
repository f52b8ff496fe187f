// Moving activations to where the inner routines read them: int8 to pairs of int16, two pixels by turns.
#ifndef FT_CM4_WIDEN_H
#define FT_CM4_WIDEN_H

#include "cm4_gemm.h"

// A group of four bytes b0 b1 b2 b3 becomes two words.
//   half: (b1, b3) and 256 * (b0, b2) - (b1, b3) + 127, whose low bytes are those of b1, b3 with seven bits
//   flipped. wide: (b0, b2) and (b1, b3).
FT_INLINE void ft_cm4_half(uint32_t v, uint32_t *to) {
    __asm("sxtb16 %0, %1, ror #8" : "=r"(to[0]) : "r"(v));
    __asm("rev16 %0, %1" : "=r"(to[1]) : "r"(v));
    to[1] ^= 0x007f007fu;
}

FT_INLINE void ft_cm4_wide(uint32_t v, uint32_t *to) {
    __asm("sxtb16 %0, %1" : "=r"(to[0]) : "r"(v));
    __asm("sxtb16 %0, %1, ror #8" : "=r"(to[1]) : "r"(v));
}

FT_INLINE void ft_cm4_group(int32_t wide, uint32_t v, uint32_t *to) {
    if (wide) {
        ft_cm4_wide(v, to);
    } else {
        ft_cm4_half(v, to);
    }
}

// Four bytes from any address.
FT_INLINE uint32_t ft_cm4_load(const int8_t *from) {
    uint32_t v;
    __asm("ldr %0, %1" : "=r"(v) : "m"(*(const uint32_t(*)[1])(const void *)from));
    return v;
}

FT_INLINE void ft_cm4_store(int8_t *to, uint32_t v) {
    __asm("str %1, %0" : "=m"(*(uint32_t(*)[1])(void *)to) : "r"(v));
}

// clang-format off
#define FT_HALF_2 "rev16 r4, r3\n" "sxtb16 r3, r3, ror #8\n" "rev16 r6, r5\n" "sxtb16 r5, r5, ror #8\n" \
                  "eor r4, r4, #0x007f007f\n" "eor r6, r6, #0x007f007f\n"
#define FT_WIDE_2 "sxtb16 r4, r3, ror #8\n" "sxtb16 r3, r3\n" "sxtb16 r6, r5, ror #8\n" "sxtb16 r5, r5\n"
#define FT_HALF_4 FT_HALF_2 "rev16 r9, r8\n" "sxtb16 r8, r8, ror #8\n" "rev16 r12, r10\n" \
                  "sxtb16 r10, r10, ror #8\n" "eor r9, r9, #0x007f007f\n" "eor r12, r12, #0x007f007f\n"
#define FT_WIDE_4 FT_WIDE_2 "sxtb16 r9, r8, ror #8\n" "sxtb16 r8, r8\n" "sxtb16 r12, r10, ror #8\n" "sxtb16 r10, r10\n"

// One group of each of two pixels.
#define FT_PAIR(widen)                                                                        \
    __asm volatile("ldr r3, [%0], #4\n" "ldr r5, [%1], #4\n" widen "stm.w %2!, {r3-r6}\n"     \
                   : "+r"(a), "+r"(b), "+r"(to)::"r3", "r4", "r5", "r6", "memory")
// Two groups of each of two pixels.
#define FT_PAIR_2(widen)                                                                      \
    __asm volatile("ldr r3, [%0], #4\n" "ldr r5, [%1], #4\n" "ldr r8, [%0], #4\n" "ldr r10, [%1], #4\n" \
                   widen "stm.w %2!, {r3-r6, r8-r10, r12}\n"                                  \
                   : "+r"(a), "+r"(b), "+r"(to)                                               \
                   ::"r3", "r4", "r5", "r6", "r8", "r9", "r10", "r12", "memory")
// Four groups of one row.
#define FT_RUN_4(widen) "ldm.w %0!, {r3, r5, r8, r10}\n" widen "stm.w %1!, {r3-r6, r8-r10, r12}\n"
#define FT_RUN_ASM(text)                                                                      \
    __asm volatile(text : "+r"(from), "+r"(to), "+r"(groups)                                  \
                   ::"r3", "r4", "r5", "r6", "r8", "r9", "r10", "r12", "cc", "memory")
// As many as there are: first by eights.
#define FT_RUN(widen)                                                                         \
    if (groups >= 8) {                                                                        \
        groups -= 8;                                                                          \
        FT_RUN_ASM("1:\n" FT_RUN_4(widen) FT_RUN_4(widen) "subs %2, %2, #8\n" "bge.n 1b\n");  \
        groups += 8;                                                                          \
    }                                                                                         \
    if (groups >= 4) {                                                                        \
        FT_RUN_ASM(FT_RUN_4(widen));                                                          \
        groups -= 4;                                                                          \
    }
// clang-format on

// Widens a run that starts at a multiple of four bytes; the last 0 to 3 bytes are read one by one.
static __attribute__((noinline, unused)) uint32_t *ft_cm4_run_half(const int8_t *from, uint32_t *to,
                                                                   int32_t groups, int32_t last) {
    FT_RUN(FT_HALF_4)
    for (; groups > 0; groups--, from += 4, to += 2) {
        ft_cm4_half(ft_cm4_load(from), to);
    }
    if (last) {
        uint32_t v = 0;
        for (int32_t i = 0; i < last; i++) {
            v |= (uint32_t)(uint8_t)from[i] << (8 * i);
        }
        ft_cm4_half(v, to);
        to += 2;
    }
    return to;
}

static __attribute__((noinline, unused)) uint32_t *ft_cm4_run_wide(const int8_t *from, uint32_t *to,
                                                                   int32_t groups, int32_t last) {
    FT_RUN(FT_WIDE_4)
    for (; groups > 0; groups--, from += 4, to += 2) {
        ft_cm4_wide(ft_cm4_load(from), to);
    }
    if (last) {
        uint32_t v = 0;
        for (int32_t i = 0; i < last; i++) {
            v |= (uint32_t)(uint8_t)from[i] << (8 * i);
        }
        ft_cm4_wide(v, to);
        to += 2;
    }
    return to;
}

// The rescaling of the inner routines, for sums that wait in memory; `constants` holds m, c, d, e of each
// channel. An odd number of sums enters the loop in its middle.
// clang-format off
#define FT_RESCALE_WAITING(before, after)                                                        \
    "ldr r4, [r0], #4\n" "ldm r1!, {r5-r8}\n" before "smmla r4, r4, r5, r6\n" after              \
    "asr r4, r4, r8\n" "ssat r4, #8, r4\n" "strb r4, [r2], #1\n" "subs r3, #1\n"
#define FT_RESCALE_ROUTINE(name, before, after)                                                  \
    static __attribute__((naked, noinline, unused)) void name(                                   \
        const int32_t *sums __attribute__((unused)), const int32_t *constants __attribute__((unused)), \
        int8_t *out __attribute__((unused)), int32_t count __attribute__((unused))) {            \
        __asm volatile("push {r4-r8, lr}\n" "lsls r12, r3, #31\n" "bmi 2f\n"                     \
                       "1:\n" FT_RESCALE_WAITING(before, after)                                  \
                       "2:\n" FT_RESCALE_WAITING(before, after) "bne 1b\n" "pop {r4-r8, pc}\n"); \
    }
typedef void (*ft_cm4_rescaling)(const int32_t *sums, const int32_t *constants, int8_t *out, int32_t count);
FT_RESCALE_ROUTINE(ft_cm4_rescale_relu, "", "")
FT_RESCALE_ROUTINE(ft_cm4_rescale_full, "and r12, r7, r4, asr #31\n", "sub r4, r4, r12\n")
// clang-format on

// Clamps outputs that already lie within int8.
FT_SELDOM void ft_cm4_clamp(int8_t *out, int32_t count, int32_t low, int32_t high) {
    for (int32_t i = 0; i < count; i++) {
        const int32_t v = out[i];
        out[i] = (int8_t)(v < low ? low : v > high ? high : v);
    }
}

#endif
