// CONV_2D, 1x1 with channels in fours, on a Cortex-M4: two channels times four pixels, int16 weights, one
// shift for all channels and a ReLU. The loads of a step serve sixteen products instead of the eight of two
// pixels.
#ifndef FT_CM4_FOUR_PIXELS_H
#define FT_CM4_FOUR_PIXELS_H

#include "cm4_fpu.h"
#include "cm4_widen.h"

typedef struct {
    int32_t pixels, in_c, out_c, skip, out_min, out_max;
} ft_cm4_four_pixels;

// Bytes of unrolled loop body to jump over the first time, from the first pixel's outputs to those of the
// others, of a pixel's outputs; end of the activations.
typedef struct {
    int32_t skip, second, third, fourth, out_bytes;
    const uint32_t *x_end;
} ft_four;

typedef void (*ft_four_routine)(const uint32_t *x, const void *stream, int8_t *out, const ft_four *f);

// clang-format off
enum { FT_FOUR_STEPS = 16, FT_FOUR_STEP_BYTES = 44 };

// r2-r5: channel 0 of four pixels, r6-r9: channel 1. Two values of each pixel: of the first two, then the others.
#define FT_FOUR_STEP_OF(weights, two, others)                                                    \
    weights                                                                                      \
    two                                                                                          \
    "smlad r2, r10, r12, r2\n"                                                                   \
    "smlad r6, r11, r12, r6\n"                                                                   \
    "smlad r3, r10, lr, r3\n"                                                                    \
    "smlad r7, r11, lr, r7\n"                                                                    \
    others                                                                                       \
    "smlad r4, r10, r12, r4\n"                                                                   \
    "smlad r8, r11, r12, r8\n"                                                                   \
    "smlad r5, r10, lr, r5\n"                                                                    \
    "smlad r9, r11, lr, r9\n"
#define FT_FOUR_X "ldm.w r0!, {r12, lr}\n"
#define FT_FOUR_W "ldm.w r1!, {r10, r11}\n"
#define FT_FOUR_STEP FT_FOUR_STEP_OF(FT_FOUR_W, FT_FOUR_X, FT_FOUR_X)
// Four loads in a row take five cycles, two of two words six.
#define FT_FOUR_APART                                                                            \
    FT_FOUR_STEP_OF("ldr.w r11, [r1, #4]\n" "ldr.w r10, [r1], #8\n",                             \
                    "ldr.w lr, [r0, #4]\n" "ldr.w r12, [r0], #8\n", FT_FOUR_X)
// From the registers of the floating-point unit, where the first values wait: a cycle less for each load.
#define FT_FOUR_KEPT(a, b, c, d)                                                                 \
    FT_FOUR_STEP_OF(FT_FOUR_W, "vmov r12, lr, s" #a ", s" #b "\n", "vmov r12, lr, s" #c ", s" #d "\n")
// The first of a tile: r2 and r6 hold the biases, the other sums begin here.
#define FT_FOUR_FIRST                                                                            \
    "ldm.w r1!, {r10, r11}\n"                                                                    \
    "vmov r12, lr, s0, s1\n"                                                                     \
    "mov r4, r2\n" "mov r8, r6\n"                                                                \
    "smlad r3, r10, lr, r2\n"                                                                    \
    "smlad r7, r11, lr, r6\n"                                                                    \
    "smlad r2, r10, r12, r2\n"                                                                   \
    "smlad r6, r11, r12, r6\n"                                                                   \
    "vmov r12, lr, s2, s3\n"                                                                     \
    "smlad r5, r10, lr, r4\n"                                                                    \
    "smlad r9, r11, lr, r8\n"                                                                    \
    "smlad r4, r10, r12, r4\n"                                                                   \
    "smlad r8, r11, r12, r8\n"
#define FT_FOUR_KEPT_4                                                                           \
    FT_FOUR_FIRST FT_FOUR_KEPT(4, 5, 6, 7) FT_FOUR_KEPT(8, 9, 10, 11) FT_FOUR_KEPT(12, 13, 14, 15)
#define FT_FOUR_KEPT_8                                                                           \
    FT_FOUR_KEPT_4 FT_FOUR_KEPT(16, 17, 18, 19) FT_FOUR_KEPT(20, 21, 22, 23)                     \
    FT_FOUR_KEPT(24, 25, 26, 27) FT_FOUR_KEPT(28, 29, 30, 31)
#define FT_FOUR_OF_CHANNEL(a, b, c, d, m, n, e)                                                  \
    FT_RESCALE_SHARED(a, m, n, e) FT_RESCALE_SHARED(b, m, n, e)                                  \
    FT_RESCALE_SHARED(c, m, n, e) FT_RESCALE_SHARED(d, m, n, e)

#define FT_FOUR_STORE(out, second, third, fourth)                                                \
    "strb.w r3, [" out ", " second "]\n" "strb.w r4, [" out ", " third "]\n"                     \
    "strb.w r5, [" out ", " fourth "]\n" "strb.w r2, [" out "], #1\n"                            \
    "strb.w r7, [" out ", " second "]\n" "strb.w r8, [" out ", " third "]\n"                     \
    "strb.w r9, [" out ", " fourth "]\n" "strb.w r6, [" out "], #1\n"

// Stack: 0 x, 4 output, 8 to the second pixel, 12 third, 16 fourth, 20 output's end, 24 end of x, 28 where to enter.
#define FT_FOUR(keep, begin, enter, body, loop, store, restore, e)                               \
    "push.w {r4-r11, lr}\n" keep "sub sp, #36\n" "ldm.w r3, {r4-r9}\n"                           \
    "adr.w r10, 2f\n" "add r10, r4\n" "orr.w r10, r10, #1\n" "add r8, r2\n"                      \
    "stm.w sp, {r0, r2, r5-r10}\n" begin                                                         \
    "1: ldm.w r1!, {r2, r6}\n" enter                                                             \
    "2:\n" body loop                                                                             \
    "ldm.w r1!, {r10-r12, lr}\n"                                                                 \
    FT_FOUR_OF_CHANNEL("r2", "r3", "r4", "r5", "r10", "r11", e)                                  \
    FT_FOUR_OF_CHANNEL("r6", "r7", "r8", "r9", "r12", "lr", e)                                   \
    store "bne.w 1b\n"                                                                           \
    "add sp, #36\n" restore "pop.w {r4-r11, pc}\n"
#define FT_FOUR_PLACE                                                                            \
    "ldm.w sp, {r0, r10-r12, lr}\n" FT_FOUR_STORE("r10", "r11", "r12", "lr")                     \
    "ldr.w r2, [sp, #20]\n" "str.w r10, [sp, #4]\n" "cmp r10, r2\n"
// Where all pixels are kept, r0 is free for the output.
#define FT_FOUR_KEPT_BEGIN "mov r0, r2\n"
#define FT_FOUR_KEPT_PLACE                                                                       \
    "add.w lr, sp, #8\n" "ldm.w lr, {r10-r12, lr}\n" FT_FOUR_STORE("r0", "r10", "r11", "r12") "cmp r0, lr\n"
#define FT_FOUR_LOOP "ldr.w r10, [sp, #24]\n" "cmp r0, r10\n" "bne.w 2b\n"
#define FT_FOUR_ENTER                                                                            \
    "mov r3, r2\n" "mov r4, r2\n" "mov r5, r2\n" "mov r7, r6\n" "mov r8, r6\n" "mov r9, r6\n" "ldr.w pc, [sp, #28]\n" ".balign 4\n"

#define FT_FOUR_ROUTINE(name, keep, begin, enter, body, loop, store, restore, e)                 \
    static __attribute__((naked, noinline, unused)) void name(                                   \
        const uint32_t *x __attribute__((unused)), const void *stream __attribute__((unused)),   \
        int8_t *out __attribute__((unused)), const ft_four *f __attribute__((unused))) {         \
        __asm volatile(FT_FOUR(keep, begin, enter, body, loop, store, restore, e));              \
    }
// The usual numbers of channels have routines without a loop; unused ones cost nothing.
#define FT_FOUR_ROUTINES(e)                                                                      \
    FT_FOUR_ROUTINE(ft_four_8_##e, "vpush {s16-s31}\n" "vldmia r0!, {s0-s31}\n", FT_FOUR_KEPT_BEGIN, "", \
                    FT_FOUR_KEPT_8, "", FT_FOUR_KEPT_PLACE, "vpop {s16-s31}\n", e)               \
    FT_FOUR_ROUTINE(ft_four_16_##e, "vldmia r0!, {s0-s15}\n", "", "", FT_FOUR_KEPT_4 FT_X8(FT_FOUR_APART) FT_X4(FT_FOUR_APART), \
                    "", FT_FOUR_PLACE, "", e)                                                    \
    FT_FOUR_ROUTINE(ft_four_any_##e, "", "", FT_FOUR_ENTER, FT_X16(FT_FOUR_STEP), FT_FOUR_LOOP, FT_FOUR_PLACE, "", e)
FT_FOUR_ROUTINES(8)
FT_FOUR_ROUTINES(10)
FT_FOUR_ROUTINES(12)
FT_FOUR_ROUTINES(14)
FT_FOUR_ROUTINES(16)

// Widens `groups` fours of values of four pixels.
static __attribute__((naked, noinline, unused)) void ft_cm4_widen_four(
    const int8_t *a __attribute__((unused)), const int8_t *b __attribute__((unused)),
    const int8_t *c __attribute__((unused)), const int8_t *d __attribute__((unused)),
    uint32_t *to __attribute__((unused)), int32_t groups __attribute__((unused))) {
    __asm volatile(
        "push.w {r4-r11, lr}\n" "ldrd lr, r12, [sp, #36]\n"
        "1: ldr.w r8, [r0], #4\n" "ldr.w r9, [r1], #4\n" "ldr.w r10, [r2], #4\n" "ldr.w r11, [r3], #4\n"
        "sxtb16 r4, r8\n" "sxtb16 r5, r9\n" "sxtb16 r6, r10\n" "sxtb16 r7, r11\n"
        "sxtb16 r8, r8, ror #8\n" "sxtb16 r9, r9, ror #8\n" "sxtb16 r10, r10, ror #8\n" "sxtb16 r11, r11, ror #8\n"
        "stm.w lr!, {r4-r11}\n" "subs.w r12, r12, #1\n" "bne.n 1b\n" "pop.w {r4-r11, pc}\n");
}
// clang-format on

// Of fewer than four pixels at the end, the last one is computed several times.
static __attribute__((noinline, unused)) void ft_cm4_four_pixels_s8(const ft_cm4_four_pixels *p,
                                                                    ft_four_routine routine,
                                                                    const void *stream, const int8_t *in,
                                                                    int8_t *out, void *scratch) {
    uint32_t *x = scratch;
    int8_t *const start = out;
    const int32_t in_c = p->in_c, out_c = p->out_c, groups = in_c / 4;
    ft_four f = {p->skip, out_c, 2 * out_c, 3 * out_c, out_c, x + groups * 8};
    int32_t second = in_c, third = 2 * in_c, fourth = 3 * in_c;
    for (int32_t left = p->pixels; left > 0; left -= 4) {
        if (left < 4) {
            const int32_t last = left - 1, before = last < 1 ? last : 1;
            second = before * in_c;
            third = fourth = last * in_c;
            f.second = before * out_c;
            f.third = f.fourth = last * out_c;
        }
        ft_cm4_widen_four(in, in + second, in + third, in + fourth, x, groups);
        routine(x, stream, out, &f);
        in += 4 * in_c;
        out += 4 * out_c;
    }
    if (p->out_min > INT8_MIN || p->out_max < INT8_MAX) {
        ft_cm4_clamp(start, p->pixels * out_c, p->out_min, p->out_max);
    }
}

#endif
