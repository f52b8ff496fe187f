// FULLY_CONNECTED on a Cortex-M4: four rows of weights times one vector, in stretches of 128 values.
//
// A vector of one stretch needs no memory for sums. Of a longer one, only one stretch is ever widened; sums
// of the rows at hand wait in memory meanwhile, and the stretches are widened anew for the next rows.
#ifndef FT_CM4_FULLY_CONNECTED_H
#define FT_CM4_FULLY_CONNECTED_H

#include "cm4_widen.h"

enum { FT_STRETCH = 128, FT_ROWS_STEPS = 16, FT_ROWS_HALF_BYTES = 108, FT_ROWS_WIDE_BYTES = 84 };

typedef struct {
    int32_t rows, depth, outputs;  // vectors, their length, results of each
    int32_t at_once;               // outputs whose sums are in work together
    int32_t step_bytes;            // of code; the packing's
    int32_t relu, out_min, out_max;
} ft_cm4_fully_connected;

// What comes of the sums of a stretch: outputs or, stored, the start of the next stretch. The first start
// from biases in the stream, the others from sums in memory.
enum { FT_ROWS_RELU, FT_ROWS_FULL, FT_ROWS_FIRST, FT_ROWS_NEXT, FT_ROWS_LAST_RELU, FT_ROWS_LAST_FULL };

// Bytes of unrolled code to jump over, one of the above, bytes written for rows in whole fours, rows left
// over, bytes of the widened stretch.
typedef struct {
    int32_t skip, finish, out_bytes, rest, x_bytes;
    const int32_t *sums;
} ft_rows;

// Returns where the stream goes on.
typedef const void *(*ft_rows_routine)(const uint32_t *x, const void *stream, void *out, const ft_rows *rows);
typedef uint32_t *(*ft_cm4_run)(const int8_t *from, uint32_t *to, int32_t groups, int32_t last);

// clang-format off
#define FT_ROWS_FOUR(x)                             \
    "ldm.w r1!, {r10-r12, lr}\n"                    \
    "smlad r2, r10, " x ", r2\n"                    \
    "smlad r3, r11, " x ", r3\n"                    \
    "smlad r4, r12, " x ", r4\n"                    \
    "smlad r5, lr, " x ", r5\n"
// Eight values a step: a group is two words of x (xh, x').
#define FT_ROWS_GROUP(xh, xl)                       \
    FT_ROWS_FOUR(xh)                                \
    "sxtb16 r10, r10\n"                             \
    "sxtb16 r11, r11\n"                             \
    "sxtb16 r12, r12\n"                             \
    "sxtb16 lr, lr\n"                               \
    "smlad r2, r10, " xl ", r2\n"                   \
    "smlad r3, r11, " xl ", r3\n"                   \
    "smlad r4, r12, " xl ", r4\n"                   \
    "smlad r5, lr, " xl ", r5\n"
#define FT_ROWS_HALF "ldm.w r0!, {r6-r9}\n" FT_ROWS_GROUP("r6", "r7") FT_ROWS_GROUP("r8", "r9")
#define FT_ROWS_WIDE "ldm.w r0!, {r6-r9}\n" FT_ROWS_FOUR("r6") FT_ROWS_FOUR("r7") FT_ROWS_FOUR("r8") FT_ROWS_FOUR("r9")
// The same of one row.
#define FT_ROWS_HALF_ONE                            \
    "ldm.w r1!, {r10, r11}\n"                       \
    "ldm.w r0!, {r6-r9}\n"                          \
    "smlad r2, r10, r6, r2\n"                       \
    "sxtb16 r10, r10\n"                             \
    "smlad r2, r10, r7, r2\n"                       \
    "smlad r2, r11, r8, r2\n"                       \
    "sxtb16 r11, r11\n"                             \
    "smlad r2, r11, r9, r2\n"
#define FT_ROWS_WIDE_ONE                            \
    "ldm.w r1!, {r10-r12, lr}\n"                    \
    "ldm.w r0!, {r6-r9}\n"                          \
    "smlad r2, r10, r6, r2\n"                       \
    "smlad r2, r11, r7, r2\n"                       \
    "smlad r2, r12, r8, r2\n"                       \
    "smlad r2, lr, r9, r2\n"

// Rescaling as in cm4_gemm.h; sums come times 2^(1 + d).
#define FT_ROW_RELU(acc, m, c, e, d) FT_RESCALE_RELU(acc, m, c, e)
#define FT_ROW_FULL(acc, m, c, e, d)                \
    "asr.w r0, " acc ", #31\n"                      \
    "smmla " acc ", " acc ", " m ", " c "\n"        \
    "add.w " acc ", " acc ", r0, lsl #" d "\n"      \
    "asr.w " acc ", " acc ", " e "\n"               \
    "ssat " acc ", #8, " acc "\n"
#define FT_ROWS_TAIL(rescale, d, next)              \
    "ldm.w r1!, {r6-r11}\n"                         \
    rescale("r2", "r6", "r7", "r8", d)              \
    rescale("r3", "r9", "r10", "r11", d)            \
    "ldm.w r1!, {r6-r11}\n"                         \
    rescale("r4", "r6", "r7", "r8", d)              \
    rescale("r5", "r9", "r10", "r11", d)            \
    "ldm.w sp, {r0, r6, r8}\n"                      \
    "strb.w r2, [r6], #1\n"                         \
    "strb.w r3, [r6], #1\n"                         \
    "strb.w r4, [r6], #1\n"                         \
    "strb.w r5, [r6], #1\n"                         \
    "str.w r6, [sp, #4]\n"                          \
    "cmp r6, r8\n"                                  \
    "bne.w " next "\n"                              \
    "b.w 5f\n"

#define FT_ROWS_STORE "ldm.w sp, {r0, r6, r8}\n" "stm.w r6!, {r2-r5}\n" "str.w r6, [sp, #4]\n" "cmp r6, r8\n"

// Stack: 0 x, 4 output, 8 its end, 12 sums, 16 where to enter the stretch, 20 what follows it, 24 rows left over,
// 28 end of x.
#define FT_ROWS(step, one, d)                                                                    \
    "push.w {r4-r11, lr}\n" "sub sp, #32\n" "ldm.w r3, {r4-r9}\n"                                \
    "add r6, r2\n" "add r8, r0\n"                                                                \
    "strd r0, r2, [sp]\n" "strd r6, r9, [sp, #8]\n" "strd r7, r8, [sp, #24]\n"                   \
    "adr.w r10, 2f\n" "adr.w r11, 9f\n" "ldr.w r11, [r11, r5, lsl #2]\n" "add r11, r10\n"       \
    "add r10, r4\n" "orr.w r10, r10, #1\n" "strd r10, r11, [sp, #16]\n"                         \
    "cmp r6, r2\n" "beq.w 5f\n"                                                                \
    "cmp r5, #3\n" "bhi.n 4f\n" "mov r6, r2\n" "beq.n 3f\n" "b.n 1f\n"                                       \
    ".balign 4\n" "9: .word 20f - 2f + 1, 21f - 2f + 1, 22f - 2f + 1, 23f - 2f + 1, 24f - 2f + 1, 25f - 2f + 1\n" \
    "3: ldm.w r6, {r2-r5}\n" "ldr.w pc, [sp, #16]\n"                      \
    "4: ldr.w r6, [sp, #12]\n" "ldm.w r6!, {r2-r5}\n" "str.w r6, [sp, #12]\n" "ldr.w pc, [sp, #16]\n" \
    "1: ldm.w r1!, {r2-r5}\n" "ldr.w pc, [sp, #16]\n"                                            \
    ".balign 4\n" "2:\n" FT_X16(step) "ldr.w pc, [sp, #20]\n"                                    \
    "20:\n" FT_ROWS_TAIL(FT_ROW_RELU, d, "1b")                                                   \
    "21:\n" FT_ROWS_TAIL(FT_ROW_FULL, d, "1b")                                                   \
    "22:\n" FT_ROWS_STORE "bne.w 1b\n" "b.w 5f\n"                                               \
    "23:\n" FT_ROWS_STORE "bne.w 3b\n" "b.w 5f\n"                                               \
    "24:\n" FT_ROWS_TAIL(FT_ROW_RELU, d, "4b")                                                   \
    "25:\n" FT_ROWS_TAIL(FT_ROW_FULL, d, "4b")                                                   \
    "5: ldrd r4, r12, [sp, #24]\n" "ldr.w r3, [sp, #4]\n" "cmp r4, #0\n" "beq.n 7f\n"            \
    "8: ldr.w r2, [r1], #4\n" "mov r5, r12\n"                                                    \
    "6:\n" one "cmp r0, r5\n" "bne.n 6b\n"                                                       \
    "ldm.w r1!, {r6-r8}\n" FT_ROW_FULL("r2", "r6", "r7", "r8", d)                                \
    "strb.w r2, [r3], #1\n" "ldrd r0, r6, [sp]\n" "ldr.w r12, [sp, #28]\n"                       \
    "subs r4, #1\n" "bne.n 8b\n"                                                                 \
    "7: mov r0, r1\n" "add sp, #32\n" "pop.w {r4-r11, pc}\n"

#define FT_ROWS_ROUTINE(name, text)                                                              \
    static __attribute__((naked, noinline, unused)) const void *name(                            \
        const uint32_t *x __attribute__((unused)), const void *stream __attribute__((unused)),   \
        void *out __attribute__((unused)), const ft_rows *rows __attribute__((unused))) {        \
        __asm volatile(text);                                                                    \
    }
// Weights int8 in flash, sums times 256; or int16, sums times 4.
FT_ROWS_ROUTINE(ft_rows_half, FT_ROWS(FT_ROWS_HALF, FT_ROWS_HALF_ONE, "7"))
FT_ROWS_ROUTINE(ft_rows_wide, FT_ROWS(FT_ROWS_WIDE, FT_ROWS_WIDE_ONE, "1"))
// clang-format on

// Computes `count` outputs, all stretches; returns where the stream goes on.
static const void *ft_cm4_outputs(const ft_cm4_fully_connected *p, ft_rows_routine routine, ft_cm4_run widen,
                                  const void *stream, const int8_t *in, int8_t *out, int32_t count,
                                  uint32_t *x) {
    int32_t *sums = (int32_t *)(void *)(x + FT_STRETCH / 2);
    int32_t left = p->depth;
    ft_rows rows = {0, FT_ROWS_FIRST, count * 4, 0, FT_STRETCH * 2, sums};
    for (; left > FT_STRETCH; left -= FT_STRETCH, in += FT_STRETCH) {
        widen(in, x, FT_STRETCH / 4, 0);
        stream = routine(x, stream, sums, &rows);
        rows.finish = FT_ROWS_NEXT;
    }
    const int32_t steps = (left + 7) / 8;
    widen(in, x, left / 4, left % 4);
    rows.skip = (FT_ROWS_STEPS - steps) * p->step_bytes;
    rows.finish = (rows.finish == FT_ROWS_NEXT ? FT_ROWS_LAST_RELU : FT_ROWS_RELU) + !p->relu;
    rows.out_bytes = count & ~3;
    rows.rest = count & 3;
    rows.x_bytes = steps * 16;
    return routine(x, stream, out, &rows);
}

static __attribute__((noinline, unused)) void ft_cm4_fully_connected_s8(const ft_cm4_fully_connected *p,
                                                                        ft_rows_routine routine,
                                                                        ft_cm4_run widen, const void *stream,
                                                                        const int8_t *in, int8_t *out,
                                                                        void *scratch) {
    for (int32_t row = 0; row < p->rows; row++, in += p->depth, out += p->outputs) {
        const void *at = stream;
        for (int32_t first = 0; first < p->outputs; first += p->at_once) {
            const int32_t left = p->outputs - first, count = left < p->at_once ? left : p->at_once;
            at = ft_cm4_outputs(p, routine, widen, at, in, out + first, count, scratch);
        }
        if (p->out_min > INT8_MIN || p->out_max < INT8_MAX) {
            ft_cm4_clamp(out, p->outputs, p->out_min, p->out_max);
        }
    }
}

#endif
