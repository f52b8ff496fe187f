// ADD on a Cortex-M4, for inputs of the same shape.
//
// TFLite brings both inputs to twice the larger of their scales. The input of the larger scale is then halved
// exactly; the other takes one of 256 values, tabulated at the start of each run. Sums are kept times 4, so
// that the final rescaling is the exact one of cm4_gemm.h.
#ifndef FT_CM4_ADD_H
#define FT_CM4_ADD_H

#include "arithmetic.h"
#include "cm4_widen.h"

typedef struct {
    int32_t count;
    int32_t zero1, zero2, multiplier2, shift2;  // 1: the input of the larger scale, 2: the other
    int32_t m, c, d, e;  // rescaling; d is 0 where a clamp hides the rounding of negative halves
    int32_t out_min, out_max;
} ft_cm4_add;

// What the loop works on: whole words of both inputs and of the output.
typedef struct {
    const int8_t *in1, *in2;
    int8_t *out, *end;
    const int32_t *table;
    int32_t m, c, e, d;
} ft_cm4_add_words;

// clang-format off
// r0, r1: inputs; r2: output; r3: its end; r4: table; r5: m, r6: c, r7: e, r8: d.
#define FT_ADD_LANE(rotate, before, after)                                                       \
    "uxtb.w r11, r10" rotate "\n" "ldr.w r11, [r4, r11, lsl #2]\n" "sxtb.w r12, r9" rotate "\n"  \
    "add.w r11, r11, r12, lsl #21\n" before "smmla r11, r11, r5, r6\n" after                    \
    "asr.w r11, r11, r7\n" "ssat r11, #8, r11\n" "strb.w r11, [r2], #1\n"
#define FT_ADD_LOOP(before, after)                                                               \
    "push.w {r4-r12, lr}\n" "ldm.w r0, {r0-r8}\n"                                               \
    "cmp r2, r3\n" "beq.n 2f\n"                                                                 \
    "1: ldr.w r9, [r0], #4\n" "ldr.w r10, [r1], #4\n"                                           \
    FT_ADD_LANE("", before, after) FT_ADD_LANE(", ror #8", before, after)                        \
    FT_ADD_LANE(", ror #16", before, after) FT_ADD_LANE(", ror #24", before, after)              \
    "cmp r2, r3\n" "bne.n 1b\n"                                                                 \
    "2: pop.w {r4-r12, pc}\n"

static __attribute__((naked, noinline, unused)) void ft_cm4_add_relu(
    const ft_cm4_add_words *w __attribute__((unused))) {
    __asm volatile(FT_ADD_LOOP("", ""));
}
static __attribute__((naked, noinline, unused)) void ft_cm4_add_full(
    const ft_cm4_add_words *w __attribute__((unused))) {
    __asm volatile(FT_ADD_LOOP("and.w r12, r8, r11, asr #31\n", "sub.w r11, r11, r12\n"));
}
// clang-format on

static __attribute__((noinline, unused)) void ft_cm4_add_s8(const ft_cm4_add *p, const int8_t *in1,
                                                            const int8_t *in2, int8_t *out, void *scratch) {
    int32_t *table = scratch;
    for (int32_t v = INT8_MIN; v <= INT8_MAX; v++) {
        const int32_t second = ft_requantise((v - p->zero2) * (1 << 20), p->multiplier2, p->shift2);
        table[v & 0xff] = (second - p->zero1 * (1 << 19)) * 4;
    }
    const int32_t words = p->count & ~3, rest = p->count & 3;
    ft_cm4_add_words w = {in1, in2, out, out + words, table, p->m, p->c, p->e, p->d};
    if (p->d) {
        ft_cm4_add_full(&w);
    } else {
        ft_cm4_add_relu(&w);
    }
    if (rest) {
        // The same loop on copies: it reads and writes whole words.
        uint32_t last[3] = {0, 0, 0};
        int8_t *a = (int8_t *)last, *b = a + 4, *to = b + 4;
        for (int32_t i = 0; i < rest; i++) {
            a[i] = in1[words + i];
            b[i] = in2[words + i];
        }
        const ft_cm4_add_words tail = {a, b, to, to + 4, table, p->m, p->c, p->e, p->d};
        ft_cm4_add_full(&tail);
        for (int32_t i = 0; i < rest; i++) {
            out[words + i] = to[i];
        }
    }
    if (p->out_min > INT8_MIN || p->out_max < INT8_MAX) {
        ft_cm4_clamp(out, p->count, p->out_min, p->out_max);
    }
}

#endif
