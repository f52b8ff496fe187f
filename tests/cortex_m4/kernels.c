// Runs many layers, one after another, as the host describes them in the loaded data. Each runs with its
// input at the very end and at the very start of a memory (reading past it faults), and in place where it
// may.
#include <string.h>

#include "cm4_add.h"
#include "cm4_colour_3x3.h"
#include "cm4_conv_2d.h"
#include "cm4_depthwise_3x3.h"
#include "cm4_depthwise_fast.h"
#include "cm4_eight_channels.h"
#include "cm4_four_pixels.h"
#include "cm4_long_vectors.h"
#include "cm4_pool_2d.h"
#include "cm4_strassen.h"
#include "cm4_three_pixels.h"
#include "cm4_winograd.h"
#include "cm4_winograd_5x5.h"
#include "image.h"

#define MEMORY_START ((uint8_t *)0x21000000u)
#define MEMORY_END ((uint8_t *)0x22000000u)
#define CASES ((const uint8_t *)0x21400000u)

enum { MAX_BYTES = 1 << 17, GUARD = 32 };

typedef struct {
    uint32_t kind, params, first, second;  // words of the parameters and of two arrays of constants
    uint32_t in0, in1, out, scratch, in_place;
} header;

static uint8_t memory[GUARD + MAX_BYTES + GUARD] __attribute__((aligned(16)));
static uint8_t other[MAX_BYTES] __attribute__((aligned(16)));
static uint8_t work[GUARD + MAX_BYTES + GUARD] __attribute__((aligned(16)));

static const ft_gemm_routine routines[] = {ft_gemm_half_relu, ft_gemm_half_full, ft_gemm_half_first,
                                           ft_gemm_wide_relu, ft_gemm_wide_full, ft_gemm_wide_first};

#define SHARED_ALL(s) ft_gemm_##s##_8, ft_gemm_##s##_10, ft_gemm_##s##_12, ft_gemm_##s##_14, ft_gemm_##s##_16
static const ft_gemm_routine shared[] = {
    SHARED_ALL(shared_8),    SHARED_ALL(shared_16), SHARED_ALL(shared_32),
    SHARED_ALL(shared_loop), SHARED_ALL(exact_4),   SHARED_ALL(exact_7),
    SHARED_ALL(exact_8),     SHARED_ALL(exact_16),  SHARED_ALL(exact_32),
};

#define SHIFTS_ALL(s) s##_8, s##_10, s##_12, s##_14, s##_16
static const ft_four_routine fours[] = {SHIFTS_ALL(ft_four_8), SHIFTS_ALL(ft_four_16),
                                        SHIFTS_ALL(ft_four_any)};
static const ft_strassen_routine strassens[] = {SHIFTS_ALL(ft_strassen_16), SHIFTS_ALL(ft_strassen_32),
                                                SHIFTS_ALL(ft_strassen_any)};

static const ft_colour_routine colours[] = {SHIFTS_ALL(ft_colour)};

// Numbers of the calls that are no convolutions; those with one routine each come first.
enum {
    ROUTINES = 6,
    ROWS_HALF = 62,
    ROWS_WIDE,
    LONG_VECTORS,
    ADD,
    ADD_SWAPPED = ADD + 2,
    AVERAGE = ADD_SWAPPED + 2,
    MAXIMUM,
    MEAN,
    SWEEPS = 128,
    TILES = 192,
    SQUARES = 256,
    EIGHT = 300,
    THREE = 310,
    FOUR = 320,
    STRASSEN = 340,
    COLOUR = 360,
    FAST = 400,
    SHARED = 512,
    SHARED_ROUTINES = sizeof shared / sizeof *shared
};

// Those of stride 2 follow the others.
#define SWEEP(kind, e) kind##_relu_##e, kind##_full_##e
#define SWEEP_ALL(kind)                                                                                \
    SWEEP(kind, 4), SWEEP(kind, 6), SWEEP(kind, 8), SWEEP(kind, 10), SWEEP(kind, 12), SWEEP(kind, 14), \
        SWEEP(kind, 16), SWEEP(kind, 18)
static const ft_sweep_routine sweeps[] = {SWEEP_ALL(ft_sweep_one), SWEEP_ALL(ft_sweep_two)};
#define EDGE(e) ft_fast_edge_relu_##e
static const ft_fast_routine fasts[] = {SWEEP_ALL(ft_fast_one),
                                        SWEEP_ALL(ft_fast_two),
                                        EDGE(4),
                                        EDGE(6),
                                        EDGE(8),
                                        EDGE(10),
                                        EDGE(12),
                                        EDGE(14),
                                        EDGE(16),
                                        EDGE(18)};

static const ft_squares_routine squares[] = {ft_squares_0_relu, ft_squares_0_full, ft_squares_2_relu,
                                             ft_squares_2_full};

static const ft_cm4_widen windows[] = {ft_cm4_windows_half,      ft_cm4_windows_wide,
                                       ft_cm4_windows_weave,     ft_cm4_windows_3x9,
                                       ft_cm4_windows_line_half, ft_cm4_windows_line_wide};
enum { WINDOWS = sizeof windows / sizeof *windows };

static void call(const header *h, const void *p, const int32_t *first, const int32_t *second,
                 const int8_t *in0, const int8_t *in1, int8_t *out, void *scratch) {
    if (h->kind < WINDOWS * ROUTINES) {
        const int32_t wide = h->kind % ROUTINES >= 3, source = ((const ft_cm4_conv_2d *)p)->source;
        static const ft_cm4_taking takes[] = {
            0, 0, ft_cm4_take_bytes, ft_cm4_take_bytes, ft_cm4_take_half, ft_cm4_take_wide};
        ft_cm4_conv_2d_s8(p, h->second ? ft_cm4_pooled : ft_cm4_pixels, routines[h->kind % ROUTINES],
                          wide ? ft_gemm_wide_max : ft_gemm_half_max, windows[h->kind / ROUTINES],
                          takes[source * 2 + wide], first, h->second ? second : 0, in0, out, scratch);
    } else if (h->kind >= SHARED) {
        static const ft_cm4_taking takes[] = {0, ft_cm4_take_bytes, ft_cm4_take_wide};
        const uint32_t number = h->kind - SHARED;
        ft_cm4_conv_2d_s8(p, ft_cm4_pixels, shared[number % SHARED_ROUTINES], 0,
                          windows[number / SHARED_ROUTINES], takes[((const ft_cm4_conv_2d *)p)->source],
                          first, 0, in0, out, scratch);
    } else if (h->kind >= FAST) {
        ft_cm4_depthwise_fast_s8(p, fasts[h->kind - FAST], first, in0, out, scratch);
    } else if (h->kind >= COLOUR) {
        ft_cm4_colour_3x3_s8(p, colours[h->kind - COLOUR], first, in0, out, scratch);
    } else if (h->kind >= STRASSEN) {
        ft_cm4_strassen_s8(p, strassens[h->kind - STRASSEN], first, in0, out, scratch);
    } else if (h->kind >= FOUR) {
        ft_cm4_four_pixels_s8(p, fours[h->kind - FOUR], first, in0, out, scratch);
    } else if (h->kind >= THREE) {
        ft_cm4_three_pixels_s8(p, h->kind == THREE ? ft_three_relu : ft_three_full, first, in0, out, scratch);
    } else if (h->kind >= EIGHT) {
        static const ft_eight_routine eights[] = {ft_eight_8, ft_eight_10, ft_eight_12, ft_eight_14,
                                                  ft_eight_16};
        ft_cm4_eight_channels_s8(p, eights[h->kind - EIGHT], first, in0, out, scratch);
    } else if (h->kind == ROWS_HALF) {
        ft_cm4_fully_connected_s8(p, ft_rows_half, ft_cm4_run_half, first, in0, out, scratch);
    } else if (h->kind == ROWS_WIDE) {
        ft_cm4_fully_connected_s8(p, ft_rows_wide, ft_cm4_run_wide, first, in0, out, scratch);
    } else if (h->kind == LONG_VECTORS) {
        ft_cm4_long_vectors_s8(p, first, in0, out, scratch);
    } else if (h->kind == ADD || h->kind == ADD + 1) {
        ft_cm4_add_s8(p, h->kind == ADD ? ft_cm4_add_relu : ft_cm4_add_full, in0, in1, out, scratch);
    } else if (h->kind == ADD_SWAPPED || h->kind == ADD_SWAPPED + 1) {
        ft_cm4_add_s8(p, h->kind == ADD_SWAPPED ? ft_cm4_add_relu : ft_cm4_add_full, in1, in0, out, scratch);
    } else if (h->kind == AVERAGE) {
        ft_cm4_average_pool_2d_s8(p, in0, out);
    } else if (h->kind == MAXIMUM) {
        ft_cm4_max_pool_2d_s8(p, in0, out);
    } else if (h->kind == MEAN) {
        ft_cm4_mean_s8(p, in0, out);
    } else if (h->kind >= SQUARES) {
        ft_cm4_winograd_5x5_s8(p, squares[h->kind - SQUARES], first, in0, out, scratch);
    } else if (h->kind >= TILES) {
        ft_cm4_winograd_s8(p, h->kind == TILES ? ft_tiles_relu : ft_tiles_full, first, in0, out, scratch);
    } else {
        ft_cm4_depthwise_3x3_s8(p, sweeps[h->kind - SWEEPS], (const int8_t *)first, second, in0, out,
                                scratch);
    }
}

static void fill(uint8_t *to, uint32_t bytes, uint8_t value) {
    memset(to, value, bytes);
}

static uint32_t untouched(const uint8_t *from, uint32_t bytes, uint8_t value) {
    for (uint32_t i = 0; i < bytes; i++) {
        if (from[i] != value) {
            return 0;
        }
    }
    return 1;
}

int main(void) {
    const uint8_t *data = CASES;
    uint32_t count = 0;
    memcpy(&count, data, 4);
    data += 4;
    while (count--) {
        header h;
        memcpy(&h, data, sizeof h);
        const int32_t *params = (const void *)(data + sizeof h);
        const int32_t *first = params + h.params, *second = first + h.first;
        const uint8_t *in0 = (const void *)(second + h.second);
        const uint8_t *in1 = in0 + ((h.in0 + 3) & ~3u);
        data = in1 + ((h.in1 + 3) & ~3u);
        memcpy(other, in1, h.in1);
        for (uint32_t pass = 0; pass < 2 + h.in_place; pass++) {
            const uint8_t mark = (uint8_t)(0x35 + pass * 0x7b);
            uint8_t *out = memory + GUARD;
            uint8_t *in = pass == 0 ? MEMORY_END - ((h.in0 + 3) & ~3u) : pass == 1 ? MEMORY_START : out;
            const uint32_t size = pass == 2 && h.in0 > h.out ? h.in0 : h.out;
            fill(memory, h.out + h.in0 + 2 * GUARD, mark);
            fill(work, h.scratch + 2 * GUARD, mark);
            memcpy(in, in0, h.in0);
            const uint32_t start = image_ticks();
            call(&h, params, first, second, (const int8_t *)in, (const int8_t *)other, (int8_t *)out,
                 work + GUARD);
            const uint32_t result[2] = {
                untouched(memory, GUARD, mark) && untouched(out + size, GUARD, mark) &&
                    untouched(work, GUARD, mark) && untouched(work + GUARD + h.scratch, GUARD, mark) &&
                    (pass == 2 || memcmp(in, in0, h.in0) == 0),
                image_ticks() - start,
            };
            image_write(result, sizeof result);
            image_write(out, h.out);
        }
    }
    return 0;
}
