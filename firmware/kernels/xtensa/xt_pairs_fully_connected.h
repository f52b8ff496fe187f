// FULLY_CONNECTED for one vector, two products in one multiplication (see xt_pairs.h) and eight outputs at a
// time.
#ifndef FT_XT_PAIRS_FULLY_CONNECTED_H
#define FT_XT_PAIRS_FULLY_CONNECTED_H

#include "xt_line.h"
#include "xt_pairs.h"

enum { FT_XT_PAIR_ROWS = 8 };

typedef struct {
    int32_t depth, outputs;
    int32_t chunks;  // depth / 4, rounded up
    int32_t fixes;   // their number
    ft_xt_line line;
} ft_xt_pairs_fully_connected;

// The sums of eight outputs. `words` holds a chunk's two words after each other, `weights` those of eight
// outputs.
FT_XT_PAIR_FUNCTION void ft_xt_pair_rows(const int32_t *words, const int32_t *weights, int32_t chunks,
                                         int32_t *sums) {
#if defined(__XTENSA__) && defined(__OPTIMIZE__)
    // 14 registers, and only what the LX106 and the LX6 have both.
    int32_t s0, s1, s2, s3, s4, s5, s6, s7, x, y, v, t;
    const int32_t *const end = words + 2 * (chunks & ~1);
    const int32_t one = chunks & 1;
#define FT_XT_PAIR_ROW(s, at)                                                                          \
    "l32i %[t], %[w], " #at "\n\tl32i %[v], %[w], " #at                                                \
    "+4\n\tmull %[t], %[x], %[t]\n\t"                                                                  \
    "mull %[v], %[y], %[v]\n\tadd %[t], %[t], %[v]\n\taddmi %[t], %[t], -32768\n\tsrai %[t], %[t], 16" \
    "\n\tadd %[" #s "], %[" #s "], %[t]\n\t"
#define FT_XT_PAIR_ROWS_CHUNK(from, at)                                                         \
    "l32i %[x], %[p], " #from "\n\tl32i %[y], %[p], " #from "+4\n\t" FT_XT_PAIR_ROW(s0, at + 0) \
        FT_XT_PAIR_ROW(s1, at + 8) FT_XT_PAIR_ROW(s2, at + 16) FT_XT_PAIR_ROW(s3, at + 24)      \
            FT_XT_PAIR_ROW(s4, at + 32) FT_XT_PAIR_ROW(s5, at + 40) FT_XT_PAIR_ROW(s6, at + 48) \
                FT_XT_PAIR_ROW(s7, at + 56)
    __asm volatile(
        "movi %[s0], 0\n\tmovi %[s1], 0\n\tmovi %[s2], 0\n\tmovi %[s3], 0\n\t"
        "movi %[s4], 0\n\tmovi %[s5], 0\n\tmovi %[s6], 0\n\tmovi %[s7], 0\n\t"
        "l32i %[t], %[end]\n\tsub %[t], %[t], %[p]\n\tbeqz %[t], 2f\n"
        "1:\t" FT_XT_PAIR_ROWS_CHUNK(0, 0) FT_XT_PAIR_ROWS_CHUNK(8, 64)
        "addi %[p], %[p], 16\n\taddmi %[w], %[w], 256\n\taddi %[w], %[w], -128\n\t"
        "l32i %[t], %[end]\n\tsub %[t], %[t], %[p]\n\tbnez %[t], 1b\n"
        "2:\tl32i %[t], %[one]\n\tbeqz %[t], 3f\n\t" FT_XT_PAIR_ROWS_CHUNK(0, 0) "\n"
        "3:\tl32i %[x], %[sums]\n\ts32i %[s0], %[x], 0\n\ts32i %[s1], %[x], 4\n\ts32i %[s2], %[x], 8\n\t"
        "s32i %[s3], %[x], 12\n\ts32i %[s4], %[x], 16\n\ts32i %[s5], %[x], 20\n\ts32i %[s6], %[x], 24\n\t"
        "s32i %[s7], %[x], 28"
        : [p] "+&r"(words), [w] "+&r"(weights), [s0] "=&r"(s0), [s1] "=&r"(s1), [s2] "=&r"(s2),
          [s3] "=&r"(s3), [s4] "=&r"(s4), [s5] "=&r"(s5), [s6] "=&r"(s6), [s7] "=&r"(s7), [x] "=&r"(x),
          [y] "=&r"(y), [v] "=&r"(v), [t] "=&r"(t)
        : [end] "m"(end), [one] "m"(one), [sums] "m"(sums)
        : "memory");
#else
    for (int32_t row = 0; row < FT_XT_PAIR_ROWS; row++) {
        sums[row] = 0;
        for (int32_t i = 0; i < chunks; i++) {
            const int32_t *w = weights + (i * FT_XT_PAIR_ROWS + row) * 2;
            const uint32_t sum =
                (uint32_t)words[2 * i] * (uint32_t)w[0] + (uint32_t)words[2 * i + 1] * (uint32_t)w[1];
            sums[row] += (int32_t)(sum - 0x8000u) >> 16;
        }
    }
#endif
}

// Of four values in a row, words hold the first and the third, and the second and the fourth.
static FT_HOT __attribute__((unused, noinline)) void ft_xt_pair_words(const int8_t *in, int32_t depth,
                                                                      int32_t *to) {
    const uint8_t *from = (const uint8_t *)in;
    if (((uintptr_t)in & 3) == 0) {
        for (; depth >= 4; depth -= 4, from += 4, to += 2) {
            // Values plus 128 have no sign to extend.
            const uint32_t four = *(const ft_xt_word *)(const void *)from ^ 0x80808080u;
            to[0] = (int32_t)((four & 0xFF00FFu) - 0x800080u);
            to[1] = (int32_t)((four >> 8 & 0xFF00FFu) - 0x800080u);
        }
    }
    for (; depth > 0; depth -= 4, to += 2) {
        // What is beyond the end has no weight.
        uint32_t value[4] = {128, 128, 128, 128};
        for (int32_t i = 0; i < ft_min(depth, 4); i++) {
            value[i] = *from++ ^ 0x80u;
        }
        to[0] = (int32_t)((value[2] << 16 | value[0]) - 0x800080u);
        to[1] = (int32_t)((value[3] << 16 | value[1]) - 0x800080u);
    }
}

FT_KERNEL void ft_xt_pairs_fully_connected_s8(const ft_xt_pairs_fully_connected *p, const int32_t *w,
                                              const int32_t *constants, const int16_t *fixes,
                                              const int8_t *in, int8_t *out, void *scratch) {
    int32_t *words = (int32_t *)scratch;
    const ft_xt_fix *fix = (const ft_xt_fix *)fixes;
    const ft_xt_fix *const end = fix + p->fixes;
    ft_xt_pair_words(in, p->depth, words);
    for (int32_t o = 0; o < p->outputs; o += FT_XT_PAIR_ROWS, w += 2 * p->chunks * FT_XT_PAIR_ROWS) {
        int32_t sums[FT_XT_PAIR_ROWS];
        ft_xt_pair_rows(words, w, p->chunks, sums);
        const int32_t lanes = ft_min(FT_XT_PAIR_ROWS, p->outputs - o);
        for (; fix != end && fix->sum < o + lanes; fix++) {
            sums[fix->sum - o] += (int16_t)words[fix->word] * fix->taken;
        }
        for (int32_t lane = 0; lane < lanes; lane++, constants += ft_xt_line_words(&p->line)) {
            ft_xt_line_constants own;
            ft_xt_line_load(&p->line, constants, &own);
            *out++ = ft_xt_line_output(&p->line, &own, sums[lane]);
        }
    }
}

#endif
