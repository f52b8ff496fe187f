// Sums of 3x3 depthwise convolutions, up to three products in one multiplication.
//
// A word of a plane holds two neighbours of one channel's row, (b << 16) + a, as unsigned numbers (values
// plus 128). Times (w0 << 16) + w1 its upper half is a * w0 + b * w1, of one output. With a and b exchanged
// and times (w1 << 16) + w0, the lower half is b * w0 as well, of the next output: six products of two
// outputs take two multiplications a row. Sums of such products get an offset, which belongs to the bias, so
// that both halves fit 16 bits and the lower one is never negative. Where all three rows together do not fit
// (checked when compiling), each row's sums are taken apart.
#ifndef FT_XT_PLANES_H
#define FT_XT_PLANES_H

#include "xt_rescale.h"

enum { FT_XT_PLANE_ROWS = 3 };

// Which rows' sums are taken together: all, none, or all but one.
typedef enum {
    FT_XT_PLANE_TOGETHER,
    FT_XT_PLANE_APART,
    FT_XT_PLANE_BUT_FIRST,
    FT_XT_PLANE_BUT_SECOND,
    FT_XT_PLANE_BUT_THIRD
} ft_xt_plane_apart;

// One channel's constants.
typedef struct {
    int32_t apart;       // an ft_xt_plane_apart
    int32_t weights[6];  // two words for each row, the row on its own last
    int32_t offsets[6];  // of the two sums of all rows, or of those together and the last, or of each row
} ft_xt_taps;

// Where rows of outputs, `entries` each (of two outputs at a stride of 1, else of one), find their words.
typedef struct {
    const ft_xt_word *plane;
    int32_t row_words;
    int32_t rows, entries;
    int32_t stride;  // 1 or 2
} ft_xt_plane;

#if defined(__XTENSA__) && defined(__OPTIMIZE__)
// 14 registers, and only what the LX106 and the LX6 have both. `y` and `z` are one entry's outputs.
#define FT_XT_PLANE_LOAD(row, at) "l32i %[x], %[p" #row "], " #at "\n\t"
#define FT_XT_PLANE_TURNED(row, at) FT_XT_PLANE_LOAD(row, at) "src %[x], %[x], %[x]\n\t"
#define FT_XT_PLANE_FIRST(weight) "mull %[t], %[x], %[" #weight "]\n\t"
#define FT_XT_PLANE_NEXT(weight) "mull %[x], %[x], %[" #weight "]\n\tadd %[t], %[t], %[x]\n\t"
#define FT_XT_PLANE_OFFSET(k) "l32i %[x], %[k" #k "]\n\tadd %[t], %[t], %[x]\n\t"
#define FT_XT_PLANE_SET(upper, lower) "srai %[" #upper "], %[t], 16\n\textui %[" #lower "], %[t], 0, 16\n\t"
#define FT_XT_PLANE_ADD(upper, lower)                     \
    "srai %[x], %[t], 16\n\tadd %[" #upper "], %[" #upper \
    "], %[x]\n\textui %[t], %[t], 0, "                    \
    "16\n\tadd %[" #lower "], %[" #lower "], %[t]\n\t"
#define FT_XT_PLANE_UPPER "srai %[x], %[t], 16\n\tadd %[y], %[y], %[x]\n\t"
#define FT_XT_PLANE_STORE_2(to) "s32i %[y], %[s], 2*" #to "\n\ts32i %[z], %[s], 2*" #to "+4\n\t"
#define FT_XT_PLANE_STORE_1(to) "s32i %[y], %[s], " #to "\n\t"

// One entry, `at` bytes further on, whose results go as far.
#define FT_XT_PLANE_TOGETHER_1(at) \
    FT_XT_PLANE_TURNED(0, at)      \
    FT_XT_PLANE_FIRST(w0)          \
    FT_XT_PLANE_TURNED(1, at)      \
    FT_XT_PLANE_NEXT(w2)           \
    FT_XT_PLANE_TURNED(2, at)      \
    FT_XT_PLANE_NEXT(w4)           \
    FT_XT_PLANE_OFFSET(0)          \
    FT_XT_PLANE_SET(y, z)          \
    FT_XT_PLANE_LOAD(0, at + 4)    \
    FT_XT_PLANE_FIRST(w1)          \
    FT_XT_PLANE_LOAD(1, at + 4)    \
    FT_XT_PLANE_NEXT(w3)           \
    FT_XT_PLANE_LOAD(2, at + 4)    \
    FT_XT_PLANE_NEXT(w5) FT_XT_PLANE_OFFSET(1) FT_XT_PLANE_ADD(z, y) FT_XT_PLANE_STORE_2(at)
#define FT_XT_PLANE_TWO_1(at)   \
    FT_XT_PLANE_TURNED(0, at)   \
    FT_XT_PLANE_FIRST(w0)       \
    FT_XT_PLANE_TURNED(1, at)   \
    FT_XT_PLANE_NEXT(w2)        \
    FT_XT_PLANE_OFFSET(0)       \
    FT_XT_PLANE_SET(y, z)       \
    FT_XT_PLANE_LOAD(0, at + 4) \
    FT_XT_PLANE_FIRST(w1)       \
    FT_XT_PLANE_LOAD(1, at + 4) \
    FT_XT_PLANE_NEXT(w3)        \
    FT_XT_PLANE_OFFSET(1)       \
    FT_XT_PLANE_ADD(z, y)       \
    FT_XT_PLANE_TURNED(2, at)   \
    FT_XT_PLANE_FIRST(w4)       \
    FT_XT_PLANE_OFFSET(2)       \
    FT_XT_PLANE_ADD(y, z)       \
    FT_XT_PLANE_LOAD(2, at + 4) \
    FT_XT_PLANE_FIRST(w5) FT_XT_PLANE_OFFSET(3) FT_XT_PLANE_ADD(z, y) FT_XT_PLANE_STORE_2(at)
#define FT_XT_PLANE_TWO_2(at)                                                                               \
    FT_XT_PLANE_LOAD(0, at)                                                                                 \
    FT_XT_PLANE_FIRST(w0)                                                                                   \
    FT_XT_PLANE_LOAD(1, at)                                                                                 \
    FT_XT_PLANE_NEXT(w2)                                                                                    \
    FT_XT_PLANE_OFFSET(0)                                                                                   \
    "srai %[y], %[t], 16\n\t" FT_XT_PLANE_LOAD(0, at + 4) FT_XT_PLANE_FIRST(w1) FT_XT_PLANE_LOAD(1, at + 4) \
        FT_XT_PLANE_NEXT(w3) FT_XT_PLANE_OFFSET(1) FT_XT_PLANE_UPPER FT_XT_PLANE_LOAD(2, at)                \
            FT_XT_PLANE_FIRST(w4) FT_XT_PLANE_OFFSET(2) FT_XT_PLANE_UPPER FT_XT_PLANE_LOAD(2, at + 4)       \
                FT_XT_PLANE_FIRST(w5) FT_XT_PLANE_OFFSET(3) FT_XT_PLANE_UPPER                               \
                FT_XT_PLANE_STORE_1(at)
#define FT_XT_PLANE_APART_1(at) \
    FT_XT_PLANE_TURNED(0, at)   \
    FT_XT_PLANE_FIRST(w0)       \
    FT_XT_PLANE_OFFSET(0)       \
    FT_XT_PLANE_SET(y, z)       \
    FT_XT_PLANE_LOAD(0, at + 4) \
    FT_XT_PLANE_FIRST(w1)       \
    FT_XT_PLANE_OFFSET(1)       \
    FT_XT_PLANE_ADD(z, y)       \
    FT_XT_PLANE_TURNED(1, at)   \
    FT_XT_PLANE_FIRST(w2)       \
    FT_XT_PLANE_OFFSET(2)       \
    FT_XT_PLANE_ADD(y, z)       \
    FT_XT_PLANE_LOAD(1, at + 4) \
    FT_XT_PLANE_FIRST(w3)       \
    FT_XT_PLANE_OFFSET(3)       \
    FT_XT_PLANE_ADD(z, y)       \
    FT_XT_PLANE_TURNED(2, at)   \
    FT_XT_PLANE_FIRST(w4)       \
    FT_XT_PLANE_OFFSET(4)       \
    FT_XT_PLANE_ADD(y, z)       \
    FT_XT_PLANE_LOAD(2, at + 4) \
    FT_XT_PLANE_FIRST(w5) FT_XT_PLANE_OFFSET(5) FT_XT_PLANE_ADD(z, y) FT_XT_PLANE_STORE_2(at)
#define FT_XT_PLANE_TOGETHER_2(at)                                                                          \
    FT_XT_PLANE_LOAD(0, at)                                                                                 \
    FT_XT_PLANE_FIRST(w0)                                                                                   \
    FT_XT_PLANE_LOAD(1, at)                                                                                 \
    FT_XT_PLANE_NEXT(w2)                                                                                    \
    FT_XT_PLANE_LOAD(2, at)                                                                                 \
    FT_XT_PLANE_NEXT(w4)                                                                                    \
    FT_XT_PLANE_OFFSET(0)                                                                                   \
    "srai %[y], %[t], 16\n\t" FT_XT_PLANE_LOAD(0, at + 4) FT_XT_PLANE_FIRST(w1) FT_XT_PLANE_LOAD(1, at + 4) \
        FT_XT_PLANE_NEXT(w3) FT_XT_PLANE_LOAD(2, at + 4) FT_XT_PLANE_NEXT(w5) FT_XT_PLANE_OFFSET(1)         \
            FT_XT_PLANE_UPPER                                                                               \
            FT_XT_PLANE_STORE_1(at)
#define FT_XT_PLANE_APART_2(at)                                                                       \
    FT_XT_PLANE_LOAD(0, at)                                                                           \
    FT_XT_PLANE_FIRST(w0)                                                                             \
    FT_XT_PLANE_OFFSET(0)                                                                             \
    "srai %[y], %[t], 16\n\t" FT_XT_PLANE_LOAD(0, at + 4) FT_XT_PLANE_FIRST(w1) FT_XT_PLANE_OFFSET(1) \
        FT_XT_PLANE_UPPER FT_XT_PLANE_LOAD(1, at) FT_XT_PLANE_FIRST(w2) FT_XT_PLANE_OFFSET(2)         \
            FT_XT_PLANE_UPPER FT_XT_PLANE_LOAD(1, at + 4) FT_XT_PLANE_FIRST(w3) FT_XT_PLANE_OFFSET(3) \
                FT_XT_PLANE_UPPER FT_XT_PLANE_LOAD(2, at) FT_XT_PLANE_FIRST(w4) FT_XT_PLANE_OFFSET(4) \
                    FT_XT_PLANE_UPPER FT_XT_PLANE_LOAD(2, at + 4) FT_XT_PLANE_FIRST(w5)               \
                        FT_XT_PLANE_OFFSET(5) FT_XT_PLANE_UPPER                                       \
                        FT_XT_PLANE_STORE_1(at)

#define FT_XT_PLANE_POINTERS(bytes) \
    "addi %[p0], %[p0], " #bytes "\n\taddi %[p1], %[p1], " #bytes "\n\taddi %[p2], %[p2], " #bytes "\n\t"
// All rows: two entries a step, the last one alone if need be. Loops end with BNEZ, whose reach is 2 KB.
#define FT_XT_PLANE_ASM(ENTRY, bytes)                                                                      \
    __asm volatile(                                                                                        \
        "ssai 16\n"                                                                                        \
        "1:\tl32i %[x], %[twos]\n\tbeqz %[x], 3f\n\tadd %[x], %[x], %[s]\n\ts32i %[x], %[stop]\n"          \
        "2:\t" ENTRY(0) ENTRY(4) FT_XT_PLANE_POINTERS(                                                     \
            8) "addi %[s], %[s], 2*" #bytes                                                                \
               "\n\tl32i %[x], %[stop]\n\tsub %[x], %[x], %[s]\n\tbnez %[x], 2b\n"                         \
               "3:\tl32i %[x], %[one]\n\tbeqz %[x], 4f\n\t" ENTRY(                                         \
                   0) "addi %[s], %[s], " #bytes                                                           \
                      "\n"                                                                                 \
                      "4:\tl32i %[x], %[skip]\n\tadd %[p0], %[p0], %[x]\n\tadd %[p1], %[p1], %[x]\n\t"     \
                      "add %[p2], %[p2], %[x]\n\tl32i %[x], %[rows]\n\taddi %[x], %[x], -1\n\ts32i %[x], " \
                      "%[rows]\n\t"                                                                        \
                      "bnez %[x], 1b"                                                                      \
        : [p0] "+&r"(p0), [p1] "+&r"(p1), [p2] "+&r"(p2), [s] "+&r"(sums), [t] "=&r"(t), [x] "=&r"(x),     \
          [y] "=&r"(y), [z] "=&r"(z), [stop] "=m"(stop), [rows] "+m"(rows)                                 \
        : [w0] "r"(taps->weights[0]), [w1] "r"(taps->weights[1]), [w2] "r"(taps->weights[2]),              \
          [w3] "r"(taps->weights[3]), [w4] "r"(taps->weights[4]), [w5] "r"(taps->weights[5]),              \
          [k0] "m"(k[0]), [k1] "m"(k[1]), [k2] "m"(k[2]), [k3] "m"(k[3]), [k4] "m"(k[4]), [k5] "m"(k[5]),  \
          [twos] "m"(twos), [one] "m"(one), [skip] "m"(skip)                                               \
        : "memory")
#else
FT_INLINE uint32_t ft_xt_plane_turned(uint32_t word) {
    return word >> 16 | word << 16;
}

// One entry whose words are at `at`: adds what rows `first` to `last` give, with these offsets.
FT_INLINE void ft_xt_plane_chunk(const ft_xt_plane *p, const ft_xt_word *const *at, const ft_xt_taps *taps,
                                 int32_t first, int32_t last, const int32_t *offsets, int32_t *y,
                                 int32_t *z) {
    uint32_t t = (uint32_t)offsets[0], u = (uint32_t)offsets[1];
    for (int32_t row = first; row < last; row++) {
        const uint32_t word = at[row][0];
        t += (p->stride == 1 ? ft_xt_plane_turned(word) : word) * (uint32_t)taps->weights[2 * row];
        u += at[row][1] * (uint32_t)taps->weights[2 * row + 1];
    }
    if (p->stride == 1) {
        *y += ((int32_t)t >> 16) + (int32_t)(u & 0xFFFF);
        *z += ((int32_t)u >> 16) + (int32_t)(t & 0xFFFF);
    } else {
        *y += ((int32_t)t >> 16) + ((int32_t)u >> 16);
    }
}
#endif

#ifdef __clang__
#define FT_XT_PLANE_FUNCTION static FT_HOT __attribute__((unused, noinline))
#else
#define FT_XT_PLANE_FUNCTION \
    static FT_HOT __attribute__((unused, noinline, optimize("omit-frame-pointer", "no-stack-protector")))
#endif

// The row that comes as number 0, 1 or 2.
FT_INLINE const ft_xt_word *ft_xt_plane_row(const ft_xt_plane *p, const ft_xt_taps *taps, int32_t number) {
    const int32_t alone = taps->apart - FT_XT_PLANE_BUT_FIRST;
    const int32_t row = alone < 0 ? number : number == 2 ? alone : number + (number >= alone);
    return p->plane + row * p->row_words;
}

// Writes two sums (stride 1) or one for each entry.
#if defined(__XTENSA__) && defined(__OPTIMIZE__)
#define FT_XT_PLANE_SUMS(name, ENTRY, bytes, together)                                            \
    FT_XT_PLANE_FUNCTION void name(const ft_xt_plane *p, const ft_xt_taps *taps, int32_t *sums) { \
        const ft_xt_word *p0 = ft_xt_plane_row(p, taps, 0), *p1 = ft_xt_plane_row(p, taps, 1);    \
        const ft_xt_word *p2 = ft_xt_plane_row(p, taps, 2);                                       \
        const int32_t twos = (p->entries >> 1) * 2 * bytes, one = p->entries & 1;                 \
        const int32_t skip = 4 * (p->stride * p->row_words - p->entries + one);                   \
        const int32_t k[6] = {taps->offsets[0], taps->offsets[1], taps->offsets[2],               \
                              taps->offsets[3], taps->offsets[4], taps->offsets[5]};              \
        int32_t rows = p->rows, stop, t, x, y, z;                                                 \
        FT_XT_PLANE_ASM(ENTRY, bytes);                                                            \
    }
#else
#define FT_XT_PLANE_SUMS(name, ENTRY, bytes, together)                                            \
    FT_XT_PLANE_FUNCTION void name(const ft_xt_plane *p, const ft_xt_taps *taps, int32_t *sums) { \
        const ft_xt_word *at[3] = {ft_xt_plane_row(p, taps, 0), ft_xt_plane_row(p, taps, 1),      \
                                   ft_xt_plane_row(p, taps, 2)};                                  \
        for (int32_t row = 0; row < p->rows; row++) {                                             \
            for (int32_t i = 0; i < p->entries; i++, sums += bytes / 4) {                         \
                int32_t y = 0, z = 0;                                                             \
                const int32_t *offsets = taps->offsets;                                           \
                for (int32_t r = 0; r < FT_XT_PLANE_ROWS; offsets += 2) {                         \
                    const int32_t last = r == 0 ? together : r + 1;                               \
                    ft_xt_plane_chunk(p, at, taps, r, last, offsets, &y, &z);                     \
                    r = last;                                                                     \
                }                                                                                 \
                sums[0] = y;                                                                      \
                sums[bytes / 4 - 1] = bytes == 8 ? z : y;                                         \
                at[0]++;                                                                          \
                at[1]++;                                                                          \
                at[2]++;                                                                          \
            }                                                                                     \
            for (int32_t r = 0; r < FT_XT_PLANE_ROWS; r++) {                                      \
                at[r] += p->stride * p->row_words - p->entries;                                   \
            }                                                                                     \
        }                                                                                         \
    }
#endif

FT_XT_PLANE_SUMS(ft_xt_plane_together_1, FT_XT_PLANE_TOGETHER_1, 8, 3)
FT_XT_PLANE_SUMS(ft_xt_plane_two_1, FT_XT_PLANE_TWO_1, 8, 2)
FT_XT_PLANE_SUMS(ft_xt_plane_apart_1, FT_XT_PLANE_APART_1, 8, 1)
FT_XT_PLANE_SUMS(ft_xt_plane_together_2, FT_XT_PLANE_TOGETHER_2, 4, 3)
FT_XT_PLANE_SUMS(ft_xt_plane_two_2, FT_XT_PLANE_TWO_2, 4, 2)
FT_XT_PLANE_SUMS(ft_xt_plane_apart_2, FT_XT_PLANE_APART_2, 4, 1)

FT_INLINE void ft_xt_plane_sums(const ft_xt_plane *p, const ft_xt_taps *taps, int32_t *sums) {
    if (p->stride == 1) {
        (taps->apart == FT_XT_PLANE_TOGETHER ? ft_xt_plane_together_1
         : taps->apart == FT_XT_PLANE_APART  ? ft_xt_plane_apart_1
                                             : ft_xt_plane_two_1)(p, taps, sums);
    } else {
        (taps->apart == FT_XT_PLANE_TOGETHER ? ft_xt_plane_together_2
         : taps->apart == FT_XT_PLANE_APART  ? ft_xt_plane_apart_2
                                             : ft_xt_plane_two_2)(p, taps, sums);
    }
}

#endif
