// Two products in one multiplication: tiles of two channels times two columns.
//
// A word holds two activations, (b << 16) + a as integers, and a word of weights theirs, (wa << 16) + wb. The
// product's upper half is a * wa + b * wb plus a carry from its lower half, b's weight times a. While both
// halves of a sum of two such products (a chunk) fit 16 bits, which the compiler has checked, subtracting
// 0x8000 before the shift makes the carry -1 always: a number that belongs to the bias.
#ifndef FT_XT_PAIRS_H
#define FT_XT_PAIRS_H

#include "kernel.h"

enum { FT_XT_PAIR = 2 };  // channels, and columns, of a tile

// `taken` of a weight, which was too large together with others, is to be multiplied with the first value of
// a word and added to a sum.
typedef struct {
    int16_t sum;
    int16_t word;
    int16_t taken;
    int16_t second;  // whether it is the second word of its chunk
} ft_xt_fix;

#if defined(__XTENSA__) && defined(__OPTIMIZE__)
// Adds a chunk to each sum, in 14 registers; only what the LX106 and the LX6 have both is used.
#define FT_XT_PAIR_FIRST(at)                                                        \
    "l32i %[x], %[p], " #at "\n\tl32i %[v], %[w], " #at "\n\tl32i %[y], %[p], " #at \
    "+4\n\t"                                                                        \
    "l32i %[t], %[w], " #at                                                         \
    "+4\n\tmull %[a0], %[x], %[v]\n\tmull %[b0], %[y], %[v]\n\t"                    \
    "mull %[a1], %[x], %[t]\n\tmull %[b1], %[y], %[t]\n\t"
#define FT_XT_PAIR_NEXT(at)                                                         \
    "l32i %[x], %[p], " #at "\n\tl32i %[v], %[w], " #at "\n\tl32i %[y], %[p], " #at \
    "+4\n\t"                                                                        \
    "mull %[t], %[x], %[v]\n\tmull %[v], %[y], %[v]\n\tadd %[a0], %[a0], %[t]\n\t"  \
    "l32i %[t], %[w], " #at                                                         \
    "+4\n\tadd %[b0], %[b0], %[v]\n\tmull %[x], %[x], %[t]\n\t"                     \
    "mull %[y], %[y], %[t]\n\tadd %[a1], %[a1], %[x]\n\tadd %[b1], %[b1], %[y]\n\t"
#define FT_XT_PAIR_UPPER(sum, chunk)                                              \
    "addmi %[" #chunk "], %[" #chunk "], -32768\n\tsrai %[" #chunk "], %[" #chunk \
    "], 16\n\t"                                                                   \
    "add %[" #sum "], %[" #sum "], %[" #chunk "]\n\t"
#define FT_XT_PAIR_UPPER_FIRST(sum, chunk) \
    "addmi %[" #chunk "], %[" #chunk "], -32768\n\tsrai %[" #sum "], %[" #chunk "], 16\n\t"
#define FT_XT_CHUNK(at)     \
    FT_XT_PAIR_FIRST(at)    \
    FT_XT_PAIR_NEXT(at + 8) \
    FT_XT_PAIR_UPPER(s0, a0) FT_XT_PAIR_UPPER(s1, a1) FT_XT_PAIR_UPPER(s2, b0) FT_XT_PAIR_UPPER(s3, b1)
// The first chunk, before which the sums hold nothing.
#define FT_XT_CHUNK_FIRST          \
    FT_XT_PAIR_FIRST(0)            \
    FT_XT_PAIR_NEXT(8)             \
    FT_XT_PAIR_UPPER_FIRST(s0, a0) \
    FT_XT_PAIR_UPPER_FIRST(s1, a1) FT_XT_PAIR_UPPER_FIRST(s2, b0) FT_XT_PAIR_UPPER_FIRST(s3, b1)
#else
// The upper halves of the chunks of one column and one channel, less one each.
FT_INLINE int32_t ft_xt_uppers(const int32_t *column, const int32_t *weights, int32_t chunks) {
    int32_t result = 0;
    for (; chunks; chunks--, column += 4, weights += 4) {
        const uint32_t sum =
            (uint32_t)column[0] * (uint32_t)weights[0] + (uint32_t)column[2] * (uint32_t)weights[2];
        result += (int32_t)(sum - 0x8000u) >> 16;
    }
    return result;
}
#endif

#ifdef __clang__
#define FT_XT_PAIR_FUNCTION static FT_HOT __attribute__((unused, noinline))
#else
#define FT_XT_PAIR_FUNCTION \
    static FT_HOT __attribute__((unused, noinline, optimize("omit-frame-pointer", "no-stack-protector")))
#endif

// All tiles of two columns: sums[2 * c] and the next are those of channel c. `columns` holds the two columns'
// words alternately, `weights` two channels'. At least one pair, and one chunk.
#if defined(__XTENSA__) && defined(__OPTIMIZE__)
#define FT_XT_CHUNKS_0 ""
#define FT_XT_CHUNKS_1 FT_XT_CHUNK(0) "addi %[w], %[w], 16\n\t"
#define FT_XT_CHUNKS_2 FT_XT_CHUNK(0) FT_XT_CHUNK(16) "addi %[w], %[w], 32\n\t"
#define FT_XT_CHUNKS_3 FT_XT_CHUNK(0) FT_XT_CHUNK(16) FT_XT_CHUNK(32) "addi %[w], %[w], 48\n\t"
#define FT_XT_CHUNKS_4(at) FT_XT_CHUNK(at) FT_XT_CHUNK(at + 16) FT_XT_CHUNK(at + 32) FT_XT_CHUNK(at + 48)
#define FT_XT_NO_SUMS "movi %[s0], 0\n\tmovi %[s1], 0\n\tmovi %[s2], 0\n\tmovi %[s3], 0\n"
#define FT_XT_CHUNKS_UNTIL_END "l32i %[t], %[end]\n\tsub %[t], %[t], %[p]\n\tbnez %[t], 2b\n\t"
#define FT_XT_CHUNKS_FOURS \
    FT_XT_NO_SUMS          \
    "2:\t" FT_XT_CHUNKS_4(0) "addi %[p], %[p], 64\n\taddi %[w], %[w], 64\n\t" FT_XT_CHUNKS_UNTIL_END
#define FT_XT_CHUNKS_SIXTEENS                                       \
    FT_XT_NO_SUMS                                                   \
    "2:\t" FT_XT_CHUNKS_4(0) FT_XT_CHUNKS_4(64) FT_XT_CHUNKS_4(128) \
        FT_XT_CHUNKS_4(192) "addmi %[p], %[p], 256\n\taddmi %[w], %[w], 256\n\t" FT_XT_CHUNKS_UNTIL_END
// So many and no more.
#define FT_XT_EXACTLY_2 FT_XT_CHUNK_FIRST FT_XT_CHUNK(16)
#define FT_XT_EXACTLY_3 FT_XT_EXACTLY_2 FT_XT_CHUNK(32)
#define FT_XT_EXACTLY_4 FT_XT_EXACTLY_3 FT_XT_CHUNK(48)
#define FT_XT_EXACTLY_5 FT_XT_EXACTLY_4 FT_XT_CHUNK(64)
#define FT_XT_EXACTLY_6 FT_XT_EXACTLY_5 FT_XT_CHUNK(80)
#define FT_XT_EXACTLY_7 FT_XT_EXACTLY_6 FT_XT_CHUNK(96)
#define FT_XT_EXACTLY_8 FT_XT_EXACTLY_7 FT_XT_CHUNK(112)
#define FT_XT_EXACTLY_9 FT_XT_EXACTLY_8 FT_XT_CHUNK(128)
#define FT_XT_EXACTLY_10 FT_XT_EXACTLY_9 FT_XT_CHUNK(144)
#define FT_XT_EXACTLY_16 FT_XT_EXACTLY_8 FT_XT_CHUNKS_4(128) FT_XT_CHUNKS_4(192)
// For each remainder of the number of chunks by four. What has no register stays in memory, and loops end
// with BNEZ, whose reach is 2 KB.
#define FT_XT_PAIRS(name, MANY, REST)                                                               \
    FT_XT_PAIR_FUNCTION void name(const int32_t *columns, const int32_t *weights, int32_t chunks,   \
                                  int32_t pairs, int32_t *sums) {                                   \
        int32_t *const sums_end = sums + 4 * pairs;                                                 \
        const int32_t *const end = columns + 4 * (chunks & ~3);                                     \
        const int32_t *at;                                                                          \
        int32_t s0, s1, s2, s3, a0, a1, b0, b1, x, y, v, t;                                         \
        __asm volatile(                                                                             \
            "1:\tl32i %[p], %[columns]\n\t" MANY REST                                               \
            "l32i %[x], %[sums]\n\tl32i %[y], %[sums_end]\n\ts32i %[s0], %[x], 0\n\t"               \
            "s32i %[s2], %[x], 4\n\ts32i %[s1], %[x], 8\n\ts32i %[s3], %[x], 12\n\t"                \
            "addi %[x], %[x], 16\n\ts32i %[x], %[sums]\n\tsub %[y], %[y], %[x]\n\t"                 \
            "bnez %[y], 1b"                                                                         \
            : [w] "+&r"(weights), [sums] "+m"(sums), [p] "=&r"(at), [s0] "=&r"(s0), [s1] "=&r"(s1), \
              [s2] "=&r"(s2), [s3] "=&r"(s3), [a0] "=&r"(a0), [a1] "=&r"(a1), [b0] "=&r"(b0),       \
              [b1] "=&r"(b1), [x] "=&r"(x), [y] "=&r"(y), [v] "=&r"(v), [t] "=&r"(t)                \
            : [columns] "m"(columns), [end] "m"(end), [sums_end] "m"(sums_end)                      \
            : "memory");                                                                            \
    }
#else
#define FT_XT_PAIRS(name, MANY, REST)                                                             \
    FT_XT_PAIR_FUNCTION void name(const int32_t *columns, const int32_t *weights, int32_t chunks, \
                                  int32_t pairs, int32_t *sums) {                                 \
        for (; pairs; pairs--, sums += 4, weights += 4 * chunks) {                                \
            sums[0] = ft_xt_uppers(columns, weights, chunks);                                     \
            sums[1] = ft_xt_uppers(columns + 1, weights, chunks);                                 \
            sums[2] = ft_xt_uppers(columns, weights + 1, chunks);                                 \
            sums[3] = ft_xt_uppers(columns + 1, weights + 1, chunks);                             \
        }                                                                                         \
    }
#endif

#define FT_XT_PAIRS_EXACTLY(n, CHUNKS) FT_XT_PAIRS(ft_xt_pairs_##n, CHUNKS, "addi %[w], %[w], 16*" #n "\n\t")
FT_XT_PAIRS_EXACTLY(1, FT_XT_CHUNK_FIRST)
FT_XT_PAIRS_EXACTLY(2, FT_XT_EXACTLY_2)
FT_XT_PAIRS_EXACTLY(3, FT_XT_EXACTLY_3)
FT_XT_PAIRS_EXACTLY(4, FT_XT_EXACTLY_4)
FT_XT_PAIRS_EXACTLY(5, FT_XT_EXACTLY_5)
FT_XT_PAIRS_EXACTLY(6, FT_XT_EXACTLY_6)
FT_XT_PAIRS_EXACTLY(7, FT_XT_EXACTLY_7)
FT_XT_PAIRS(ft_xt_pairs_8, FT_XT_EXACTLY_8, "addi %[w], %[w], 64\n\taddi %[w], %[w], 64\n\t")
FT_XT_PAIRS(ft_xt_pairs_9, FT_XT_EXACTLY_9, "addi %[w], %[w], 72\n\taddi %[w], %[w], 72\n\t")
FT_XT_PAIRS(ft_xt_pairs_10, FT_XT_EXACTLY_10, "addi %[w], %[w], 80\n\taddi %[w], %[w], 80\n\t")
FT_XT_PAIRS(ft_xt_pairs_16, FT_XT_EXACTLY_16, "addmi %[w], %[w], 256\n\t")
FT_XT_PAIRS(ft_xt_pairs_fours_0, FT_XT_CHUNKS_FOURS, FT_XT_CHUNKS_0)
FT_XT_PAIRS(ft_xt_pairs_fours_1, FT_XT_CHUNKS_FOURS, FT_XT_CHUNKS_1)
FT_XT_PAIRS(ft_xt_pairs_fours_2, FT_XT_CHUNKS_FOURS, FT_XT_CHUNKS_2)
FT_XT_PAIRS(ft_xt_pairs_fours_3, FT_XT_CHUNKS_FOURS, FT_XT_CHUNKS_3)
FT_XT_PAIRS(ft_xt_pairs_sixteens, FT_XT_CHUNKS_SIXTEENS, FT_XT_CHUNKS_0)

#define FT_XT_PAIRS_CASE(n, name)                    \
    case n:                                          \
        name(columns, weights, chunks, pairs, sums); \
        break;
FT_INLINE void ft_xt_pairs(const int32_t *columns, const int32_t *weights, int32_t chunks, int32_t pairs,
                           int32_t *sums) {
    switch (chunks <= 10 || chunks == 16 ? chunks : chunks % 16 == 0 ? 0 : 20 + chunks % 4) {
        FT_XT_PAIRS_CASE(0, ft_xt_pairs_sixteens)
        FT_XT_PAIRS_CASE(1, ft_xt_pairs_1)
        FT_XT_PAIRS_CASE(2, ft_xt_pairs_2)
        FT_XT_PAIRS_CASE(3, ft_xt_pairs_3)
        FT_XT_PAIRS_CASE(4, ft_xt_pairs_4)
        FT_XT_PAIRS_CASE(5, ft_xt_pairs_5)
        FT_XT_PAIRS_CASE(6, ft_xt_pairs_6)
        FT_XT_PAIRS_CASE(7, ft_xt_pairs_7)
        FT_XT_PAIRS_CASE(8, ft_xt_pairs_8)
        FT_XT_PAIRS_CASE(9, ft_xt_pairs_9)
        FT_XT_PAIRS_CASE(10, ft_xt_pairs_10)
        FT_XT_PAIRS_CASE(16, ft_xt_pairs_16)
        FT_XT_PAIRS_CASE(20, ft_xt_pairs_fours_0)
        FT_XT_PAIRS_CASE(21, ft_xt_pairs_fours_1)
        FT_XT_PAIRS_CASE(22, ft_xt_pairs_fours_2)
        FT_XT_PAIRS_CASE(23, ft_xt_pairs_fours_3)
    }
}

#endif
