// FULLY_CONNECTED for one vector, two products in one multiplication (see xt_pairs.h) and six outputs at a
// time.
//
// Each weight is read once, so it stays one byte, as w + 128. A word of four of them, p, is used as it is:
// times the inputs' first word x it gives the products with the even bytes, and 256 times those with the odd
// ones, which are taken away again with the odd bytes' own product: x * p + (y - 256 * x) * odd. What the 128
// add to a chunk is the same for all outputs, and is taken from it together with what makes the carry -1.
#ifndef FT_XT_PAIRS_FULLY_CONNECTED_H
#define FT_XT_PAIRS_FULLY_CONNECTED_H

#include "xt_line.h"
#include "xt_pairs.h"

enum { FT_XT_PAIR_ROWS = 6, FT_XT_PAIR_WORDS = 3 };

typedef struct {
    int32_t depth, outputs;
    int32_t chunks;  // depth / 4, rounded up to an even number
    int32_t fixes;   // their number
    ft_xt_line line;
} ft_xt_pairs_fully_connected;

// The sums of six outputs. `words` holds of each chunk its two words and what is to be taken away, `weights`
// four weights of each output.
FT_XT_PAIR_FUNCTION void ft_xt_pair_rows(const uint32_t *words, const ft_xt_word *weights, int32_t chunks,
                                         int32_t *sums) {
    const uint32_t *const end = words + FT_XT_PAIR_WORDS * chunks;
#if defined(__XTENSA__) && defined(__OPTIMIZE__)
    // 14 registers, and only what the LX106 and the LX6 have both.
    int32_t s0, s1, s2, s3, s4, s5, x, y, z, v, t, mask = 0xFF00FF;
#define FT_XT_PAIR_ROW(n, at)                                                    \
    "l32i %[t], %[w], " #at "+4*" #n                                             \
    "\n\tsrli %[v], %[t], 8\n\tand %[v], %[v], %[m]\n\t"                         \
    "mull %[t], %[x], %[t]\n\tmull %[v], %[y], %[v]\n\tsub %[t], %[t], %[z]\n\t" \
    "add %[t], %[t], %[v]\n\tsrai %[t], %[t], 16\n\tadd %[s" #n "], %[s" #n "], %[t]\n\t"
#define FT_XT_PAIR_ROWS_CHUNK(from, at)                                                              \
    "l32i %[x], %[p], " #from "\n\tl32i %[y], %[p], " #from "+4\n\tl32i %[z], %[p], " #from          \
    "+8\n\t" FT_XT_PAIR_ROW(0, at) FT_XT_PAIR_ROW(1, at) FT_XT_PAIR_ROW(2, at) FT_XT_PAIR_ROW(3, at) \
        FT_XT_PAIR_ROW(4, at) FT_XT_PAIR_ROW(5, at)
    __asm volatile(
        "movi %[s0], 0\n\tmovi %[s1], 0\n\tmovi %[s2], 0\n\tmovi %[s3], 0\n\tmovi %[s4], 0\n\tmovi %[s5], 0\n"
        "1:\t" FT_XT_PAIR_ROWS_CHUNK(0, 0) FT_XT_PAIR_ROWS_CHUNK(12, 24)
        "addi %[p], %[p], 24\n\taddi %[w], %[w], 48\n\t"
        "l32i %[t], %[end]\n\tsub %[t], %[t], %[p]\n\tbnez %[t], 1b\n\t"
        "l32i %[x], %[sums]\n\ts32i %[s0], %[x], 0\n\ts32i %[s1], %[x], 4\n\ts32i %[s2], %[x], 8\n\t"
        "s32i %[s3], %[x], 12\n\ts32i %[s4], %[x], 16\n\ts32i %[s5], %[x], 20"
        : [p] "+&r"(words), [w] "+&r"(weights), [s0] "=&r"(s0), [s1] "=&r"(s1), [s2] "=&r"(s2),
          [s3] "=&r"(s3), [s4] "=&r"(s4), [s5] "=&r"(s5), [x] "=&r"(x), [y] "=&r"(y), [z] "=&r"(z),
          [v] "=&r"(v), [t] "=&r"(t)
        : [m] "r"(mask), [end] "m"(end), [sums] "m"(sums)
        : "memory");
#else
    for (int32_t row = 0; row < FT_XT_PAIR_ROWS; row++) {
        sums[row] = 0;
    }
    for (; words != end; words += FT_XT_PAIR_WORDS, weights += FT_XT_PAIR_ROWS) {
        for (int32_t row = 0; row < FT_XT_PAIR_ROWS; row++) {
            const uint32_t odd = weights[row] >> 8 & 0xFF00FFu;
            sums[row] += (int32_t)(words[0] * weights[row] - words[2] + words[1] * odd) >> 16;
        }
    }
#endif
}

FT_INLINE void ft_xt_pair_chunk(uint32_t even, uint32_t odd, uint32_t *to) {
    to[0] = even;
    to[1] = odd - (even << 8);
    // 128 in both halves of both words of weights, and 0x8000.
    to[2] = (even + odd) * 0x800080u + 0x8000u;
}

// Of four values in a row, words hold the first and the third, and the second and the fourth.
static FT_HOT __attribute__((unused, noinline)) void ft_xt_pair_words(const int8_t *in, int32_t depth,
                                                                      int32_t chunks, uint32_t *to) {
    const uint8_t *from = (const uint8_t *)in;
    const uint32_t *const end = to + FT_XT_PAIR_WORDS * chunks;
    if (((uintptr_t)in & 3) == 0) {
        for (; depth >= 4; depth -= 4, from += 4, to += FT_XT_PAIR_WORDS) {
            // Values plus 128 have no sign to extend.
            const uint32_t four = *(const ft_xt_word *)(const void *)from ^ 0x80808080u;
            ft_xt_pair_chunk((four & 0xFF00FFu) - 0x800080u, (four >> 8 & 0xFF00FFu) - 0x800080u, to);
        }
    }
    for (; to < end; depth -= 4, to += FT_XT_PAIR_WORDS) {
        // What is beyond the end has no weight.
        uint32_t value[4] = {128, 128, 128, 128};
        for (int32_t i = 0; i < ft_min(depth, 4); i++) {
            value[i] = *from++ ^ 0x80u;
        }
        ft_xt_pair_chunk((value[2] << 16 | value[0]) - 0x800080u, (value[3] << 16 | value[1]) - 0x800080u,
                         to);
    }
}

FT_KERNEL void ft_xt_pairs_fully_connected_s8(const ft_xt_pairs_fully_connected *p, const uint8_t *w,
                                              const int32_t *constants, const int16_t *fixes,
                                              const int8_t *in, int8_t *out, void *scratch) {
    uint32_t *words = (uint32_t *)scratch;
    const ft_xt_word *weights = (const ft_xt_word *)(const void *)w;
    const ft_xt_fix *fix = (const ft_xt_fix *)fixes;
    const ft_xt_fix *const end = fix + p->fixes;
    ft_xt_pair_words(in, p->depth, p->chunks, words);
    for (int32_t o = 0; o < p->outputs; o += FT_XT_PAIR_ROWS, weights += p->chunks * FT_XT_PAIR_ROWS) {
        int32_t sums[FT_XT_PAIR_ROWS];
        ft_xt_pair_rows(words, weights, p->chunks, sums);
        const int32_t lanes = ft_min(FT_XT_PAIR_ROWS, p->outputs - o);
        for (; fix != end && fix->sum < o + lanes; fix++) {
            const uint32_t *word = words + fix->word;
            sums[fix->sum - o] += (int16_t)(fix->second ? word[0] + (word[-1] << 8) : word[0]) * fix->taken;
        }
        for (int32_t lane = 0; lane < lanes; lane++, constants += ft_xt_line_words(&p->line)) {
            ft_xt_line_constants own;
            ft_xt_line_load(&p->line, constants, &own);
            *out++ = ft_xt_line_output(&p->line, &own, sums[lane]);
        }
    }
}

#endif
