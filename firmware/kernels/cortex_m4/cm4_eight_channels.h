// CONV_2D, 1x1 with eight input channels, on a Cortex-M4: the weights of one output channel stay in registers
// while pixels pass, which are widened some at a time.
#ifndef FT_CM4_EIGHT_CHANNELS_H
#define FT_CM4_EIGHT_CHANNELS_H

#include "cm4_widen.h"

enum { FT_EIGHT_PIXELS = 64 };

typedef struct {
    int32_t pixels, out_c, out_min, out_max;
} ft_cm4_eight_channels;

// Computes `count` pixels of all channels; `channels` holds bias, m, c and four words of weights for each.
typedef void (*ft_eight_routine)(const uint32_t *x, int8_t *out, const int32_t *channels, int32_t count,
                                 int32_t out_c);

// clang-format off
// r0 x, r1 out, r2 bias, r3 m, r4 c, r5-r8 weights, lr from pixel to pixel in the output.
#define FT_EIGHT_SUM(e)                                                                          \
    "ldm.w r0!, {r9-r12}\n" "smlad r9, r5, r9, r2\n" "smlad r9, r6, r10, r9\n"                   \
    "smlad r9, r7, r11, r9\n" "smlad r9, r8, r12, r9\n"                                          \
    "smmla r9, r9, r3, r4\n" "ssat r9, #8, r9, asr #" #e "\n"
#define FT_EIGHT_TWO(e)                                                                          \
    FT_EIGHT_SUM(e) "strb.w r9, [r1]\n" FT_EIGHT_SUM(e) "strb.w r9, [r1, lr]\n"                  \
    "add.w r1, r1, lr, lsl #1\n"

// Stack: 0 x, 4 out, 8 channels, 12 end of x, 16 whether pixels are odd, 20 where to enter the loop, 24 channels to go.
#define FT_EIGHT(e)                                                                              \
    "push.w {r4-r11, lr}\n" "ldr.w lr, [sp, #36]\n" "sub sp, #28\n" "stm.w sp, {r0-r2}\n"        \
    "add.w r4, r0, r3, lsl #4\n" "and.w r5, r3, #1\n" "strd r4, r5, [sp, #12]\n"                 \
    "adr.w r6, 3f\n" "lsrs r7, r3, #1\n" "rsb.w r7, r7, #0\n" "and.w r7, r7, #3\n"               \
    "movs r8, #68\n" "mla r6, r7, r8, r6\n" "orr.w r6, r6, #1\n"                           \
    "strd r6, lr, [sp, #20]\n"                                                                   \
    "1: ldr.w r10, [sp, #8]\n" "ldm.w r10!, {r2-r8}\n" "str.w r10, [sp, #8]\n"                   \
    "ldrd r9, r10, [sp, #16]\n" "cmp r9, #0\n" "beq.n 2f\n"                                      \
    FT_EIGHT_SUM(e) "strb.w r9, [r1]\n" "add r1, lr\n"                                       \
    "ldr.w r9, [sp, #12]\n" "cmp r0, r9\n" "beq.w 4f\n" "ldr.w r10, [sp, #20]\n"                 \
    "2: bx r10\n" ".balign 4\n"                                                                  \
    "3:\n" FT_X4(FT_EIGHT_TWO(e)) "ldr.w r9, [sp, #12]\n" "cmp r0, r9\n" "bne.w 3b\n"            \
    "4: ldrd r0, r1, [sp]\n" "ldr.w r9, [sp, #24]\n" "adds r1, #1\n" "str.w r1, [sp, #4]\n"      \
    "subs.w r9, r9, #1\n" "str.w r9, [sp, #24]\n" "bne.w 1b\n"                                   \
    "add sp, #28\n" "pop.w {r4-r11, pc}\n"
#define FT_EIGHT_ROUTINE(e)                                                                      \
    static __attribute__((naked, noinline, unused)) void ft_eight_##e(                           \
        const uint32_t *x __attribute__((unused)), int8_t *out __attribute__((unused)),          \
        const int32_t *channels __attribute__((unused)), int32_t count __attribute__((unused)),  \
        int32_t out_c __attribute__((unused))) {                                                 \
        __asm volatile(FT_EIGHT(e));                                                             \
    }
FT_EIGHT_ROUTINE(8)
FT_EIGHT_ROUTINE(10)
FT_EIGHT_ROUTINE(12)
FT_EIGHT_ROUTINE(14)
FT_EIGHT_ROUTINE(16)
// clang-format on

static __attribute__((noinline, unused)) void ft_cm4_eight_channels_s8(const ft_cm4_eight_channels *p,
                                                                       ft_eight_routine routine,
                                                                       const int32_t *channels,
                                                                       const int8_t *in, int8_t *out,
                                                                       void *scratch) {
    int8_t *const start = out;
    for (int32_t left = p->pixels; left > 0; left -= FT_EIGHT_PIXELS) {
        const int32_t count = left < FT_EIGHT_PIXELS ? left : FT_EIGHT_PIXELS;
        ft_cm4_run_wide(in, scratch, count * 2, 0);
        routine(scratch, out, channels, count, p->out_c);
        in += count * 8;
        out += count * p->out_c;
    }
    if (p->out_min > INT8_MIN || p->out_max < INT8_MAX) {
        ft_cm4_clamp(start, p->pixels * p->out_c, p->out_min, p->out_max);
    }
}

#endif
