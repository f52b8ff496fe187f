/* Compares the soft integer and float routines with the host's arithmetic, bit for bit; built without
 * -ffast-math. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fw_float.c"
#undef FW_HELPER
#include "fw_integer.c"

static uint64_t test_random(void) {
    static uint64_t state = 0x9E3779B97F4A7C15u;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

/* Any bits, numbers near each other, or numbers on the edges of the format. */
static uint32_t test_bits(uint32_t near) {
    static const uint32_t edges[] = {0,           0x80000000u, 1,           0x007FFFFFu,
                                     0x00800000u, 0x7F7FFFFFu, 0x7F800000u, 0xFF800000u,
                                     0x7FC00000u, 0x3F800000u, 0xBF800000u, 0x4B800000u};
    const uint32_t random = (uint32_t)(test_random() >> 16);
    switch (test_random() % 4) {
        case 0:
            return edges[random % (sizeof edges / sizeof edges[0])] + (uint32_t)(test_random() % 3) - 1u;
        case 1:
            return (near & 0xFF800000u) + (random & 0x01FFFFFFu) - 0x00800000u;
        case 2:
            return near ^ (random & 0x8000000Fu);
        default:
            return random;
    }
}

static void test_float(const char *what, uint32_t a, uint32_t b, float found, float expected) {
    if (isnan(found) && isnan(expected)) {
        return;
    }
    if (fw_bits(found) != fw_bits(expected)) {
        fprintf(stderr, "%08x %s %08x gave %08x instead of %08x\n", a, what, b, fw_bits(found),
                fw_bits(expected));
        exit(1);
    }
}

static void test_floats(void) {
    const uint32_t a = test_bits(0x3F800000u);
    const uint32_t b = test_bits(a);
    const volatile float x = fw_float(a);
    const volatile float y = fw_float(b);
    test_float("+", a, b, fw_test__addsf3(x, y), x + y);
    test_float("-", a, b, fw_test__subsf3(x, y), x - y);
    test_float("*", a, b, fw_test__mulsf3(x, y), x * y);
    test_float("/", a, b, fw_test__divsf3(x, y), x / y);
    test_float("int", a, b, fw_test__floatsisf((int32_t)a), (float)(int32_t)a);
    test_float("unsigned", a, b, fw_test__floatunsisf(a), (float)a);
    if (fabsf(x) < 2147483648.0f && fw_test__fixsfsi(x) != (int32_t)x) {
        fprintf(stderr, "(int)%08x gave %d\n", a, fw_test__fixsfsi(x));
        exit(1);
    }
    if (x >= 0.0f && x < 4294967296.0f && fw_test__fixunssfsi(x) != (uint32_t)x) {
        fprintf(stderr, "(unsigned)%08x gave %u\n", a, fw_test__fixunssfsi(x));
        exit(1);
    }
}

#define CHECK_INTEGER(found, expected)                                                             \
    if ((found) != (expected)) {                                                                   \
        fprintf(stderr, "%llx, %llx: %s\n", (unsigned long long)a, (unsigned long long)b, #found); \
        exit(1);                                                                                   \
    }

static void test_integers(void) {
    const uint64_t a = test_random() >> (test_random() % 64);
    const uint64_t b = (test_random() >> (test_random() % 64)) | 1;
    const uint32_t p = (uint32_t)a;
    const uint32_t q = (uint32_t)b;
    CHECK_INTEGER(fw_test__umulsidi3(p, q), (uint64_t)p * q)
    CHECK_INTEGER(fw_test__muldi3(a, b), a * b)
    CHECK_INTEGER(fw_test__udivsi3(p, q), p / q)
    CHECK_INTEGER(fw_test__umodsi3(p, q), p % q)
    CHECK_INTEGER(fw_test__udivdi3(a, b), a / b)
    CHECK_INTEGER(fw_test__umoddi3(a, b), a % b)
    if (!(p == 0x80000000u && q == 0xFFFFFFFFu)) {
        CHECK_INTEGER(fw_test__divsi3((int32_t)p, (int32_t)q), (int32_t)p / (int32_t)q)
    }
    if (!(a == 1ull << 63 && b == UINT64_MAX)) {
        CHECK_INTEGER(fw_test__divdi3((int64_t)a, (int64_t)b), (int64_t)a / (int64_t)b)
    }
}

/* expf need not be exact: two units in the last place. */
static void test_exponentials(void) {
    for (float x = -104.0f; x < 89.0f; x += 0.00137f) {
        const double exact = exp((double)x);
        const double step = fmax((double)nextafterf((float)exact, INFINITY) - (double)(float)exact, 1.5e-45);
        if (!(exact > 3.4e38) && fabs((double)fw_testexpf(x) - exact) > 2.0 * step) {
            fprintf(stderr, "expf(%a) gave %a instead of %a\n", (double)x, (double)fw_testexpf(x), exact);
            exit(1);
        }
    }
}

int main(int argc, char **argv) {
    const long rounds = argc > 1 ? atol(argv[1]) : 1000000;
    for (long i = 0; i < rounds; ++i) {
        test_floats();
        test_integers();
    }
    test_exponentials();
    puts("all hold");
    return 0;
}
