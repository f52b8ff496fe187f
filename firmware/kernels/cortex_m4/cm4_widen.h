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

// The last 1 to 3 bytes of a run that is at least four bytes long, read without going past its end.
FT_INLINE uint32_t ft_cm4_load_last(const int8_t *end, int32_t bytes) {
    return ft_cm4_load(end - 4) >> (32 - 8 * bytes);
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
#define FT_RUN_4(widen)                                                                       \
    __asm volatile("ldm.w %0!, {r3, r5, r8, r10}\n" widen "stm.w %1!, {r3-r6, r8-r10, r12}\n" \
                   : "+r"(from), "+r"(to)::"r3", "r4", "r5", "r6", "r8", "r9", "r10", "r12", "memory")
// Two groups (of two words) of each of two pixels that are widened already.
#define FT_WEAVE_2 "ldm.w %0!, {r3, r4, r8, r9}\n" "ldm.w %1!, {r5, r6, r10, r12}\n" "stm.w %2!, {r3-r6, r8-r10, r12}\n"
#define FT_WEAVE(text)                                                                        \
    __asm volatile(text : "+r"(a), "+r"(b), "+r"(to)                                          \
                   ::"r3", "r4", "r5", "r6", "r8", "r9", "r10", "r12", "memory")
// clang-format on

// Widens two runs of bytes: `groups` whole groups and `last` more bytes. Returns the end of what was written.
static __attribute__((noinline, unused)) uint32_t *ft_cm4_pair_half(const int8_t *a, const int8_t *b,
                                                                    uint32_t *to, int32_t groups,
                                                                    int32_t last) {
    for (; groups >= 2; groups -= 2) {
        FT_PAIR_2(FT_HALF_4);
    }
    if (groups) {
        FT_PAIR(FT_HALF_2);
    }
    if (last) {
        ft_cm4_half(ft_cm4_load_last(a + last, last), to);
        ft_cm4_half(ft_cm4_load_last(b + last, last), to + 2);
        to += 4;
    }
    return to;
}

static __attribute__((noinline, unused)) uint32_t *ft_cm4_pair_wide(const int8_t *a, const int8_t *b,
                                                                    uint32_t *to, int32_t groups,
                                                                    int32_t last) {
    for (; groups >= 2; groups -= 2) {
        FT_PAIR_2(FT_WIDE_4);
    }
    if (groups) {
        FT_PAIR(FT_WIDE_2);
    }
    if (last) {
        ft_cm4_wide(ft_cm4_load_last(a + last, last), to);
        ft_cm4_wide(ft_cm4_load_last(b + last, last), to + 2);
        to += 4;
    }
    return to;
}

// Widens a run that starts at a multiple of four bytes; the last 0 to 3 bytes are read one by one.
static __attribute__((noinline, unused)) uint32_t *ft_cm4_run_half(const int8_t *from, uint32_t *to,
                                                                   int32_t groups, int32_t last) {
    for (; groups >= 4; groups -= 4) {
        FT_RUN_4(FT_HALF_4);
    }
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
    for (; groups >= 4; groups -= 4) {
        FT_RUN_4(FT_WIDE_4);
    }
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

// Weaves two runs of widened groups together.
static __attribute__((noinline, unused)) uint32_t *ft_cm4_weave(const uint32_t *a, const uint32_t *b,
                                                                uint32_t *to, int32_t groups) {
    for (; groups >= 8; groups -= 8) {
        FT_WEAVE(FT_WEAVE_2 FT_WEAVE_2 FT_WEAVE_2 FT_WEAVE_2);
    }
    for (; groups >= 2; groups -= 2) {
        FT_WEAVE(FT_WEAVE_2);
    }
    if (groups) {
        to[0] = a[0];
        to[1] = a[1];
        to[2] = b[0];
        to[3] = b[1];
        to += 4;
    }
    return to;
}

// The rescaling of the inner routines, for sums that wait in memory; `constants` holds m, c, d, e of each
// channel.
static __attribute__((noinline, unused)) void ft_cm4_rescale(const int32_t *sums, const int32_t *constants,
                                                             int8_t *out, int32_t count) {
    for (; count > 0; count--, constants += 4) {
        int32_t sum = *sums++;
        const int32_t half = constants[2] & (sum >> 31);
        __asm("smmla %0, %0, %1, %2" : "+r"(sum) : "r"(constants[0]), "r"(constants[1]));
        sum = (sum - half) >> constants[3];
        __asm("ssat %0, #8, %1" : "=r"(sum) : "r"(sum));
        *out++ = (int8_t)sum;
    }
}

// Clamps outputs that already lie within int8.
static __attribute__((noinline, unused)) void ft_cm4_clamp(int8_t *out, int32_t count, int32_t low,
                                                           int32_t high) {
    for (int32_t i = 0; i < count; i++) {
        const int32_t v = out[i];
        out[i] = (int8_t)(v < low ? low : v > high ? high : v);
    }
}

#endif
