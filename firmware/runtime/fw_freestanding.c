/* The four functions that a compiler may call by itself, for toolchains without a C library (lx106). */
#include <stddef.h>
#include <stdint.h>

/* Kept apart from hosted builds, whose library has better ones. */
#ifdef FW_FREESTANDING

#include <string.h>

/* Otherwise the compiler turns each loop into a call to the very function it implements. */
#pragma GCC optimize("no-tree-loop-distribute-patterns")

typedef uint32_t __attribute__((may_alias)) fw_word;

/* From low to high addresses, by whole words where both pointers allow. */
static void fw_copy_up(uint8_t *out, const uint8_t *in, size_t count) {
    if ((((uintptr_t)out | (uintptr_t)in) & 3u) == 0) {
        for (; count >= 4; count -= 4, out += 4, in += 4) {
            *(fw_word *)(void *)out = *(const fw_word *)(const void *)in;
        }
    }
    while (count-- > 0) {
        *out++ = *in++;
    }
}

void *memcpy(void *restrict to, const void *restrict from, size_t count) {
    fw_copy_up(to, from, count);
    return to;
}

void *memmove(void *to, const void *from, size_t count) {
    uint8_t *out = to;
    const uint8_t *in = from;
    if ((uintptr_t)out - (uintptr_t)in >= count) {
        fw_copy_up(out, in, count);
        return to;
    }
    while (count-- > 0) {
        out[count] = in[count];
    }
    return to;
}

void *memset(void *to, int value, size_t count) {
    uint8_t *out = to;
    const uint32_t word = ((uint32_t)value & 0xFFu) * 0x01010101u;
    if (((uintptr_t)out & 3u) == 0) {
        for (; count >= 4; count -= 4, out += 4) {
            *(fw_word *)(void *)out = word;
        }
    }
    while (count-- > 0) {
        *out++ = (uint8_t)word;
    }
    return to;
}

int memcmp(const void *left, const void *right, size_t count) {
    const uint8_t *a = left;
    const uint8_t *b = right;
    for (size_t i = 0; i < count; ++i) {
        if (a[i] != b[i]) {
            return a[i] < b[i] ? -1 : 1;
        }
    }
    return 0;
}

#else
typedef int fw_freestanding_unused; /* a translation unit may not be empty */
#endif
