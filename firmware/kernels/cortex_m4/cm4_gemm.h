// The inner routines of convolutions and fully connected layers on a Cortex-M4 (DSP extension).
//
// Two channels times two pixels at a time, in registers: r2 r3 hold channel 0 of pixels 0 and 1, r4 r5
// channel 1. Numbers come in groups of four input values. Two packings:
//
//  half  A weight word is four int8 weights as two 16-bit lanes 256*h + l. With activations xh (two lanes)
//  and
//        x' = 256*xl - xh + 127, SMLAD(word, xh) + SMLAD(SXTB16(word), x') = 256*(h*xh + l*xl) + 127*l: sums
//        come out times 256, and the 127*l is taken off the bias when compiling. Weights stay int8 in flash.
//  wide  Two words of int16 weights per group, already shifted left as far as the rescaling wants.
//
// One stream of constants is read front to back; for each pair of channels: two biases, the weights of both
// by turns, and what rescaling needs. Registers run out exactly, so what changes rarely lies on the stack.
#ifndef FT_CM4_GEMM_H
#define FT_CM4_GEMM_H

#include "kernel.h"

#ifndef __ARM_FEATURE_DSP
#error "these kernels need a Cortex-M4 or M7: compile with -mcpu=cortex-m4"
#endif

// Functions that run once a layer or once a row: small rather than fast.
#define FT_SELDOM static __attribute__((noinline, unused, optimize("Os")))

// What stays the same from call to call.
typedef struct {
    const uint32_t *x_end;  // end of the activations
    int32_t skip;           // bytes of unrolled loop body to jump over the first time
    int32_t out_bytes;      // bytes written by whole pairs
    int32_t pixel_step;     // bytes from pixel 0's outputs to pixel 1's
    int32_t rest;           // channels left over after the pairs
} ft_gemm;

typedef void (*ft_gemm_routine)(const uint32_t *x, const void *stream, void *out, const ft_gemm *g);

// A routine written in assembly from its first instruction to its last.
#define FT_ROUTINE(name)                                                                       \
    static __attribute__((naked, noinline, unused)) void name(                                 \
        const uint32_t *x __attribute__((unused)), const void *stream __attribute__((unused)), \
        void *out __attribute__((unused)), const ft_gemm *g __attribute__((unused)))

// clang-format off
#define FT_X4(s) s s s s
#define FT_X8(s) FT_X4(s) FT_X4(s)
#define FT_X16(s) FT_X8(s) FT_X8(s)

// Steps in the unrolled loops, and their bytes of code: `skip` is computed from these.
enum { FT_HALF_STEPS = 8, FT_HALF_STEP_BYTES = 92, FT_WIDE_STEPS = 16, FT_WIDE_STEP_BYTES = 40 };

#define FT_HALF_GROUP(w0, w1)                       \
    "ldm.w r0!, {r6-r9}\n"                          \
    "smlad r2, " w0 ", r6, r2\n"                    \
    "smlad r4, " w1 ", r6, r4\n"                    \
    "smlad r3, " w0 ", r8, r3\n"                    \
    "smlad r5, " w1 ", r8, r5\n"                    \
    "sxtb16 " w0 ", " w0 "\n"                       \
    "sxtb16 " w1 ", " w1 "\n"                       \
    "smlad r2, " w0 ", r7, r2\n"                    \
    "smlad r4, " w1 ", r7, r4\n"                    \
    "smlad r3, " w0 ", r9, r3\n"                    \
    "smlad r5, " w1 ", r9, r5\n"
#define FT_HALF_STEP "ldm.w r1!, {r10-r12, lr}\n" FT_HALF_GROUP("r10", "r11") FT_HALF_GROUP("r12", "lr")
#define FT_HALF_BODY FT_X8(FT_HALF_STEP)

#define FT_WIDE_STEP                                \
    "ldm.w r0!, {r6-r9}\n"                          \
    "ldm.w r1!, {r10-r12, lr}\n"                    \
    "smlad r2, r10, r6, r2\n"                       \
    "smlad r4, r12, r6, r4\n"                       \
    "smlad r3, r10, r8, r3\n"                       \
    "smlad r5, r12, r8, r5\n"                       \
    "smlad r2, r11, r7, r2\n"                       \
    "smlad r4, lr, r7, r4\n"                        \
    "smlad r3, r11, r9, r3\n"                       \
    "smlad r5, lr, r9, r5\n"
#define FT_WIDE_BODY FT_X16(FT_WIDE_STEP)

// The same for one channel that has no partner (r2, r3); r12 is the end of the activations.
#define FT_HALF_ONE(w)                              \
    "ldm.w r0!, {r6-r9}\n"                          \
    "smlad r2, " w ", r6, r2\n"                     \
    "smlad r3, " w ", r8, r3\n"                     \
    "sxtb16 " w ", " w "\n"                         \
    "smlad r2, " w ", r7, r2\n"                     \
    "smlad r3, " w ", r9, r3\n"
#define FT_HALF_SINGLE "ldm.w r1!, {r10, r11}\n" FT_HALF_ONE("r10") FT_HALF_ONE("r11")
#define FT_WIDE_SINGLE                              \
    "ldm.w r0!, {r6-r9}\n"                          \
    "ldm.w r1!, {r10, r11}\n"                       \
    "smlad r2, r10, r6, r2\n"                       \
    "smlad r3, r10, r8, r3\n"                       \
    "smlad r2, r11, r7, r2\n"                       \
    "smlad r3, r11, r9, r3\n"

// Rescaling: t = c + (sum * m >> 32); t >>= e; saturate to int8. Rounding and the output's zero point are in c.
// TFLite rounds negative halves away from zero: that takes d off negative sums, unless a clamp hides them ("relu").
#define FT_RESCALE_RELU(acc, m, c, e)               \
    "smmla " acc ", " acc ", " m ", " c "\n"        \
    "asr.w " acc ", " acc ", " e "\n"               \
    "ssat " acc ", #8, " acc "\n"
#define FT_RESCALE_FULL(acc, m, c, d, e)            \
    "and.w r0, " d ", " acc ", asr #31\n"           \
    "smmla " acc ", " acc ", " m ", " c "\n"        \
    "sub.w " acc ", " acc ", r0\n"                  \
    "asr.w " acc ", " acc ", " e "\n"               \
    "ssat " acc ", #8, " acc "\n"

// The same where d is known: sums come times 256 = 2^(1 + 7).
#define FT_RESCALE_HALF(acc, m, c, e)               \
    "asr.w r0, " acc ", #31\n"                      \
    "smmla " acc ", " acc ", " m ", " c "\n"        \
    "add.w " acc ", " acc ", r0, lsl #7\n"          \
    "asr.w " acc ", " acc ", " e "\n"               \
    "ssat " acc ", #8, " acc "\n"

// Loads x, the output, the step to pixel 1's output and the output's end.
#define FT_STORE_PAIR                               \
    "ldm.w sp, {r0, r6-r8}\n"                       \
    "strb.w r3, [r6, r7]\n"                         \
    "strb.w r2, [r6], #1\n"                         \
    "strb.w r5, [r6, r7]\n"                         \
    "strb.w r4, [r6], #1\n"
#define FT_STORE_ONE                                \
    "ldrd r6, r7, [sp, #4]\n"                       \
    "strb.w r3, [r6, r7]\n"                         \
    "strb.w r2, [r6]\n"
#define FT_TAIL_RELU                                \
    "ldm.w r1!, {r6-r11}\n"                         \
    FT_RESCALE_RELU("r2", "r6", "r7", "r8")         \
    FT_RESCALE_RELU("r3", "r6", "r7", "r8")         \
    FT_RESCALE_RELU("r4", "r9", "r10", "r11")       \
    FT_RESCALE_RELU("r5", "r9", "r10", "r11")       \
    FT_STORE_PAIR
#define FT_TAIL_FULL                                \
    "ldm.w r1!, {r6-r12, lr}\n"                     \
    FT_RESCALE_FULL("r2", "r6", "r7", "r8", "r9")   \
    FT_RESCALE_FULL("r3", "r6", "r7", "r8", "r9")   \
    FT_RESCALE_FULL("r4", "r10", "r11", "r12", "lr")\
    FT_RESCALE_FULL("r5", "r10", "r11", "r12", "lr")\
    FT_STORE_PAIR
#define FT_TAIL_HALF                                \
    "ldm.w r1!, {r6-r11}\n"                         \
    FT_RESCALE_HALF("r2", "r6", "r7", "r8")         \
    FT_RESCALE_HALF("r3", "r6", "r7", "r8")         \
    FT_RESCALE_HALF("r4", "r9", "r10", "r11")       \
    FT_RESCALE_HALF("r5", "r9", "r10", "r11")       \
    FT_STORE_PAIR
#define FT_ONE_HALF                                 \
    "ldm.w r1!, {r6-r8}\n"                          \
    FT_RESCALE_HALF("r2", "r6", "r7", "r8")         \
    FT_RESCALE_HALF("r3", "r6", "r7", "r8")         \
    FT_STORE_ONE
#define FT_ONE_RELU                                 \
    "ldm.w r1!, {r6-r8}\n"                          \
    FT_RESCALE_RELU("r2", "r6", "r7", "r8")         \
    FT_RESCALE_RELU("r3", "r6", "r7", "r8")         \
    FT_STORE_ONE
#define FT_ONE_FULL                                 \
    "ldm.w r1!, {r6-r9}\n"                          \
    FT_RESCALE_FULL("r2", "r6", "r7", "r8", "r9")   \
    FT_RESCALE_FULL("r3", "r6", "r7", "r8", "r9")   \
    FT_STORE_ONE

// Pooling: the output is an array of the largest sums so far ("first" begins it), rescaled later (ft_cm4_rescale).
#define FT_MAX(a, b) "cmp " a ", " b "\n" "it lt\n" "movlt " a ", " b "\n"
#define FT_TAIL_MAX                                 \
    "ldm.w sp, {r0, r6-r8}\n"                       \
    "ldm.w r6, {r7, r9}\n"                          \
    FT_MAX("r2", "r3") FT_MAX("r2", "r7")           \
    FT_MAX("r4", "r5") FT_MAX("r4", "r9")           \
    "stm.w r6!, {r2, r4}\n"
#define FT_TAIL_FIRST                               \
    "ldm.w sp, {r0, r6-r8}\n"                       \
    FT_MAX("r2", "r3") FT_MAX("r4", "r5")           \
    "stm.w r6!, {r2, r4}\n"
#define FT_ONE_FIRST "ldr.w r6, [sp, #4]\n" FT_MAX("r2", "r3") "str.w r2, [r6]\n"
#define FT_ONE_MAX                                  \
    "ldr.w r6, [sp, #4]\n"                          \
    "ldr.w r7, [r6]\n"                              \
    FT_MAX("r2", "r3") FT_MAX("r2", "r7")           \
    "str.w r2, [r6]\n"

// The same where all channels of a layer end with one shift, which is part of the instruction.
#define FT_RESCALE_SHARED(acc, m, c, e)             \
    "smmla " acc ", " acc ", " m ", " c "\n"        \
    "ssat " acc ", #8, " acc ", asr #" #e "\n"
#define FT_TAIL_SHARED(e)                           \
    "ldm.w r1!, {r6-r9}\n"                          \
    FT_RESCALE_SHARED("r2", "r6", "r7", e)          \
    FT_RESCALE_SHARED("r3", "r6", "r7", e)          \
    FT_RESCALE_SHARED("r4", "r8", "r9", e)          \
    FT_RESCALE_SHARED("r5", "r8", "r9", e)          \
    FT_STORE_PAIR
#define FT_ONE_SHARED(e)                            \
    "ldm.w r1!, {r6, r7}\n"                         \
    FT_RESCALE_SHARED("r2", "r6", "r7", e)          \
    FT_RESCALE_SHARED("r3", "r6", "r7", e)          \
    FT_STORE_ONE

// Biases: one of each channel, or two where flash is no matter.
#define FT_START_HALF "ldm.w r1!, {r2, r4}\n" "mov r3, r2\n" "mov r5, r4\n"
#define FT_START_WIDE "ldm.w r1!, {r2-r5}\n"

// Stack: 0 activations, 4 output, 8 pixel step, 12 output's end, 16 activations' end, 20 where to enter the loop,
// 24 channels left over. Tails leave the output in r6 and its end in r8.
#define FT_LOOP "ldr.w r6, [sp, #16]\n" "cmp r0, r6\n" "bne.w 2b\n"
#define FT_ENTER "ldr.w pc, [sp, #20]\n" ".balign 4\n"
#define FT_GEMM(start, body, single, tail, one) FT_GEMM_OF(start, FT_ENTER, body, FT_LOOP, single, tail, one)
#define FT_GEMM_OF(start, enter, body, loop, single, tail, one) \
    "push.w {r4-r11, lr}\n"                         \
    "sub sp, #28\n"                                 \
    "ldm.w r3, {r4-r8}\n"                           \
    "adr.w r9, 2f\n"                                \
    "add.w r9, r9, r5\n"                            \
    "orr.w r9, r9, #1\n"                            \
    "add.w r6, r6, r2\n"                            \
    "strd r0, r2, [sp]\n"                           \
    "strd r7, r6, [sp, #8]\n"                       \
    "strd r4, r9, [sp, #16]\n"                      \
    "str.w r8, [sp, #24]\n"                         \
    "cmp r6, r2\n"                                  \
    "beq.w 5f\n"                                    \
    "1:\n" start enter \
    "2:\n" body loop                                \
    tail                                            \
    "str.w r6, [sp, #4]\n"                          \
    "cmp r6, r8\n"                                  \
    "bne.w 1b\n"                                    \
    "5: ldr.w r8, [sp, #24]\n"                      \
    "cmp r8, #0\n"                                  \
    "beq.w 7f\n"                                    \
    "ldr.w r2, [r1], #4\n"                          \
    "ldr.w r12, [sp, #16]\n"                        \
    "mov r3, r2\n"                                  \
    "6:\n" single                                   \
    "cmp r0, r12\n"                                 \
    "bne.w 6b\n"                                    \
    one                                             \
    "7: add sp, #28\n"                              \
    "pop.w {r4-r11, pc}\n"

FT_ROUTINE(ft_gemm_half_relu) {
    __asm volatile(FT_GEMM(FT_START_HALF, FT_HALF_BODY, FT_HALF_SINGLE, FT_TAIL_RELU, FT_ONE_RELU));
}
FT_ROUTINE(ft_gemm_half_full) {
    __asm volatile(FT_GEMM(FT_START_HALF, FT_HALF_BODY, FT_HALF_SINGLE, FT_TAIL_HALF, FT_ONE_HALF));
}
FT_ROUTINE(ft_gemm_half_first) {
    __asm volatile(FT_GEMM(FT_START_HALF, FT_HALF_BODY, FT_HALF_SINGLE, FT_TAIL_FIRST, FT_ONE_FIRST));
}
FT_ROUTINE(ft_gemm_half_max) {
    __asm volatile(FT_GEMM(FT_START_HALF, FT_HALF_BODY, FT_HALF_SINGLE, FT_TAIL_MAX, FT_ONE_MAX));
}
FT_ROUTINE(ft_gemm_wide_relu) {
    __asm volatile(FT_GEMM(FT_START_WIDE, FT_WIDE_BODY, FT_WIDE_SINGLE, FT_TAIL_RELU, FT_ONE_RELU));
}
FT_ROUTINE(ft_gemm_wide_full) {
    __asm volatile(FT_GEMM(FT_START_WIDE, FT_WIDE_BODY, FT_WIDE_SINGLE, FT_TAIL_FULL, FT_ONE_FULL));
}
FT_ROUTINE(ft_gemm_wide_first) {
    __asm volatile(FT_GEMM(FT_START_WIDE, FT_WIDE_BODY, FT_WIDE_SINGLE, FT_TAIL_FIRST, FT_ONE_FIRST));
}
FT_ROUTINE(ft_gemm_wide_max) {
    __asm volatile(FT_GEMM(FT_START_WIDE, FT_WIDE_BODY, FT_WIDE_SINGLE, FT_TAIL_MAX, FT_ONE_MAX));
}

// Some lengths of windows have routines of exactly their steps, which need no loop and jump over nothing; others take the
// next larger or, beyond 32 steps, go round. One set for each shift; unused ones cost nothing.
#define FT_STEPS_4 FT_X4(FT_WIDE_STEP)
#define FT_STEPS_7 FT_X4(FT_WIDE_STEP) FT_WIDE_STEP FT_WIDE_STEP FT_WIDE_STEP
#define FT_STEPS_8 FT_X8(FT_WIDE_STEP)
#define FT_STEPS_16 FT_X16(FT_WIDE_STEP)
#define FT_STEPS_32 FT_X16(FT_WIDE_STEP) FT_X16(FT_WIDE_STEP)
#define FT_GEMM_SHARED_ONE(name, enter, body, loop, e)                                                               \
    FT_ROUTINE(name) {                                                                                               \
        __asm volatile(                                                                                              \
            FT_GEMM_OF(FT_START_WIDE, enter, body, loop, FT_WIDE_SINGLE, FT_TAIL_SHARED(e), FT_ONE_SHARED(e)));      \
    }
#define FT_GEMM_SHARED(e)                                                                                            \
    FT_GEMM_SHARED_ONE(ft_gemm_exact_4_##e, "", FT_STEPS_4, "", e)                                                    \
    FT_GEMM_SHARED_ONE(ft_gemm_exact_7_##e, "", FT_STEPS_7, "", e)                                                    \
    FT_GEMM_SHARED_ONE(ft_gemm_exact_8_##e, "", FT_STEPS_8, "", e)                                                    \
    FT_GEMM_SHARED_ONE(ft_gemm_exact_16_##e, "", FT_STEPS_16, "", e)                                                  \
    FT_GEMM_SHARED_ONE(ft_gemm_exact_32_##e, "", FT_STEPS_32, "", e)                                                  \
    FT_GEMM_SHARED_ONE(ft_gemm_shared_8_##e, FT_ENTER, FT_STEPS_8, "", e)                                             \
    FT_GEMM_SHARED_ONE(ft_gemm_shared_16_##e, FT_ENTER, FT_STEPS_16, "", e)                                           \
    FT_GEMM_SHARED_ONE(ft_gemm_shared_32_##e, FT_ENTER, FT_STEPS_32, "", e)                                           \
    FT_GEMM_SHARED_ONE(ft_gemm_shared_loop_##e, FT_ENTER, FT_STEPS_32, FT_LOOP, e)
FT_GEMM_SHARED(8)
FT_GEMM_SHARED(10)
FT_GEMM_SHARED(12)
FT_GEMM_SHARED(14)
FT_GEMM_SHARED(16)
// clang-format on

#endif
