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

// What the loop works on.
typedef struct {
    const int8_t *in1, *in2;
    int8_t *out, *end;
    const int32_t *table;
    int32_t m, c, e, d;
} ft_cm4_add_loop;

typedef void (*ft_cm4_add_routine)(const ft_cm4_add_loop *loop);

// clang-format off
// r0, r1: inputs; r2: output; r3: its end; r4: table; r5: m, r6: c, r7: e, r8: d.
#define FT_ADD_ONE(before, after)                                                                \
    "ldrb.w r11, [r1], #1\n" "ldrsb.w r12, [r0], #1\n" "ldr.w r11, [r4, r11, lsl #2]\n"          \
    "add.w r11, r11, r12, lsl #21\n" before "smmla r11, r11, r5, r6\n" after                    \
    "asr.w r11, r11, r7\n" "ssat r11, #8, r11\n" "strb.w r11, [r2], #1\n"
#define FT_ADD_LOOP(before, after)                                                               \
    "push.w {r4-r12, lr}\n" "ldm.w r0, {r0-r8}\n"                                               \
    "sub.w r10, r3, r2\n" "and.w r10, r10, #3\n" "subs.w r10, r3, r10\n" "b.n 2f\n"              \
    "1:\n" FT_X4(FT_ADD_ONE(before, after))                                                      \
    "2: cmp r2, r10\n" "bne.n 1b\n" "b.n 4f\n"                                                   \
    "3:\n" FT_ADD_ONE(before, after)                                                             \
    "4: cmp r2, r3\n" "bne.n 3b\n"                                                              \
    "pop.w {r4-r12, pc}\n"

static __attribute__((naked, noinline, unused)) void ft_cm4_add_relu(
    const ft_cm4_add_loop *loop __attribute__((unused))) {
    __asm volatile(FT_ADD_LOOP("", ""));
}
static __attribute__((naked, noinline, unused)) void ft_cm4_add_full(
    const ft_cm4_add_loop *loop __attribute__((unused))) {
    __asm volatile(FT_ADD_LOOP("and.w r12, r8, r11, asr #31\n", "sub.w r11, r11, r12\n"));
}
// clang-format on

FT_SELDOM void ft_cm4_add_s8(const ft_cm4_add *p, ft_cm4_add_routine routine, const int8_t *in1,
                             const int8_t *in2, int8_t *out, void *scratch) {
    int32_t *table = scratch;
    for (int32_t v = INT8_MIN; v <= INT8_MAX; v++) {
        const int32_t second = ft_requantise((v - p->zero2) * (1 << 20), p->multiplier2, p->shift2);
        table[v & 0xff] = (second - p->zero1 * (1 << 19)) * 4;
    }
    const ft_cm4_add_loop loop = {in1, in2, out, out + p->count, table, p->m, p->c, p->e, p->d};
    routine(&loop);
    if (p->out_min > INT8_MIN || p->out_max < INT8_MAX) {
        ft_cm4_clamp(out, p->count, p->out_min, p->out_max);
    }
}

#endif
