// CONV_2D, 1x1 with channels in eights, on a Cortex-M4: two channels times three pixels, int8 weights in the
// half packing of cm4_gemm.h.
#ifndef FT_CM4_THREE_PIXELS_H
#define FT_CM4_THREE_PIXELS_H

#include "cm4_widen.h"

typedef struct {
    int32_t pixels, in_c, out_c, skip, out_min, out_max;
} ft_cm4_three_pixels;

// clang-format off
enum { FT_THREE_STEPS = 8, FT_THREE_STEP_BYTES = 68 };

// r2 r3 r4: channel 0 of three pixels, r5 r6 r7: channel 1. A group is xh of the three pixels, then their x'.
#define FT_THREE_STEP                               \
    "ldm.w r1!, {r8, r9}\n"                         \
    "ldm.w r0!, {r10-r12}\n"                        \
    "smlad r2, r8, r10, r2\n"                       \
    "smlad r5, r9, r10, r5\n"                       \
    "smlad r3, r8, r11, r3\n"                       \
    "smlad r6, r9, r11, r6\n"                       \
    "smlad r4, r8, r12, r4\n"                       \
    "smlad r7, r9, r12, r7\n"                       \
    "sxtb16.w r8, r8\n"                             \
    "sxtb16.w r9, r9\n"                             \
    "ldm.w r0!, {r10-r12}\n"                        \
    "smlad r2, r8, r10, r2\n"                       \
    "smlad r5, r9, r10, r5\n"                       \
    "smlad r3, r8, r11, r3\n"                       \
    "smlad r6, r9, r11, r6\n"                       \
    "smlad r4, r8, r12, r4\n"                       \
    "smlad r7, r9, r12, r7\n"
#define FT_THREE_SINGLE                             \
    "ldr.w r8, [r1], #4\n"                          \
    "ldm.w r0!, {r10-r12}\n"                        \
    "smlad r2, r8, r10, r2\n"                       \
    "smlad r3, r8, r11, r3\n"                       \
    "smlad r4, r8, r12, r4\n"                       \
    "sxtb16.w r8, r8\n"                             \
    "ldm.w r0!, {r10-r12}\n"                        \
    "smlad r2, r8, r10, r2\n"                       \
    "smlad r3, r8, r11, r3\n"                       \
    "smlad r4, r8, r12, r4\n"
#define FT_THREE_OF_CHANNEL(rescale, a, b, c, m, n, e) rescale(a, m, n, e) rescale(b, m, n, e) rescale(c, m, n, e)

// Stack: 0 x, 4 output, 8 pixel step, 12 output's end, 16 end of x, 20 where to enter the loop, 24 channels left over.
#define FT_THREE(rescale)                                                                        \
    "push.w {r4-r11, lr}\n" "sub sp, #28\n" "ldm.w r3, {r4-r8}\n"                                \
    "adr.w r9, 2f\n" "add r9, r5\n" "orr.w r9, r9, #1\n" "add r6, r2\n"                          \
    "strd r0, r2, [sp]\n" "strd r7, r6, [sp, #8]\n" "strd r4, r9, [sp, #16]\n" "str.w r8, [sp, #24]\n" \
    "cmp r6, r2\n" "beq.w 5f\n"                                                                  \
    "1: ldm.w r1!, {r2, r5}\n" "mov r3, r2\n" "mov r4, r2\n" "mov r6, r5\n" "mov r7, r5\n"       \
    "ldr.w lr, [sp, #16]\n" "ldr.w pc, [sp, #20]\n"                                              \
    ".balign 4\n" "2:\n" FT_X8(FT_THREE_STEP) "cmp r0, lr\n" "bne.w 2b\n"                        \
    "ldm.w r1!, {r8-r12, lr}\n"                                                                  \
    FT_THREE_OF_CHANNEL(rescale, "r2", "r3", "r4", "r8", "r9", "r10")                            \
    FT_THREE_OF_CHANNEL(rescale, "r5", "r6", "r7", "r11", "r12", "lr")                           \
    "ldm.w sp, {r0, r8-r10}\n"                                                                   \
    "strb.w r3, [r8, r9]\n" "strb.w r4, [r8, r9, lsl #1]\n" "strb.w r2, [r8], #1\n"              \
    "strb.w r6, [r8, r9]\n" "strb.w r7, [r8, r9, lsl #1]\n" "strb.w r5, [r8], #1\n"              \
    "str.w r8, [sp, #4]\n" "cmp r8, r10\n" "bne.w 1b\n"                                          \
    "5: ldr.w r8, [sp, #24]\n" "cmp r8, #0\n" "beq.w 7f\n"                                       \
    "ldr.w r2, [r1], #4\n" "ldr.w lr, [sp, #16]\n" "mov r3, r2\n" "mov r4, r2\n"                 \
    "6:\n" FT_THREE_SINGLE "cmp r0, lr\n" "bne.w 6b\n"                                           \
    "ldm.w r1!, {r8-r10}\n" FT_THREE_OF_CHANNEL(rescale, "r2", "r3", "r4", "r8", "r9", "r10")    \
    "ldrd r8, r9, [sp, #4]\n"                                                                    \
    "strb.w r3, [r8, r9]\n" "strb.w r4, [r8, r9, lsl #1]\n" "strb.w r2, [r8]\n"                  \
    "7: add sp, #28\n" "pop.w {r4-r11, pc}\n"

FT_ROUTINE(ft_three_relu) {
    __asm volatile(FT_THREE(FT_RESCALE_RELU));
}
FT_ROUTINE(ft_three_full) {
    __asm volatile(FT_THREE(FT_RESCALE_HALF));
}

// Widens three pixels, two groups of each at a time. r0, r1, r3: the pixels; r2: to; r7: groups.
static __attribute__((naked, noinline, unused)) void ft_cm4_widen_three(
    const int8_t *in __attribute__((unused)), int32_t step __attribute__((unused)),
    uint32_t *to __attribute__((unused)), int32_t groups __attribute__((unused))) {
#define FT_THREE_FLIP                                                                            \
    "eor.w r8, r8, #0x007f007f\n" "eor.w r9, r9, #0x007f007f\n" "eor.w r10, r10, #0x007f007f\n"  \
    "stm.w r2!, {r4-r6, r8-r10}\n"
    __asm volatile(
        "push.w {r4-r11, lr}\n" "mov r7, r3\n" "add r1, r0\n" "rsb.w r3, r0, r1, lsl #1\n"
        "1: ldrd r4, r11, [r0], #8\n" "ldrd r5, r12, [r1], #8\n" "ldrd r6, lr, [r3], #8\n"
        "rev16.w r8, r4\n" "rev16.w r9, r5\n" "rev16.w r10, r6\n"
        "sxtb16 r4, r4, ror #8\n" "sxtb16 r5, r5, ror #8\n" "sxtb16 r6, r6, ror #8\n" FT_THREE_FLIP
        "rev16.w r8, r11\n" "rev16.w r9, r12\n" "rev16.w r10, lr\n"
        "sxtb16 r4, r11, ror #8\n" "sxtb16 r5, r12, ror #8\n" "sxtb16 r6, lr, ror #8\n" FT_THREE_FLIP
        "subs r7, #2\n" "bne.n 1b\n" "pop.w {r4-r11, pc}\n");
}
// clang-format on

// One or two pixels at the end are computed one by one, each as all of three.
static __attribute__((noinline, unused)) void ft_cm4_three_pixels_s8(const ft_cm4_three_pixels *p,
                                                                     ft_gemm_routine routine,
                                                                     const void *stream, const int8_t *in,
                                                                     int8_t *out, void *scratch) {
    uint32_t *x = scratch;
    int8_t *const start = out;
    const int32_t groups = p->in_c / 4;
    ft_gemm g = {x + groups * 6, p->skip, p->out_c & ~1, p->out_c, p->out_c & 1};
    int32_t count = 3, step = p->in_c;
    for (int32_t left = p->pixels; left > 0; left -= count) {
        if (left < 3) {
            count = 1;
            step = g.pixel_step = 0;
        }
        ft_cm4_widen_three(in, step, x, groups);
        routine(x, stream, out, &g);
        in += count * p->in_c;
        out += count * p->out_c;
    }
    if (p->out_min > INT8_MIN || p->out_max < INT8_MAX) {
        ft_cm4_clamp(start, p->pixels * p->out_c, p->out_min, p->out_max);
    }
}

#endif
