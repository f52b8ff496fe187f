/* Integer helpers that gcc calls and Debian's libgcc for lx106 lacks: 64-bit products, division.
 * Nothing here may multiply or divide in a way that the compiler turns into a call to itself. */
#include <stdint.h>

#if defined(FW_FREESTANDING) || defined(FW_SOFT_TEST)

#ifdef FW_SOFT_TEST
/* On the host the test gives them names of their own. */
#define FW_HELPER(name) fw_test##name
#else
#define FW_HELPER(name) name
#endif

uint64_t FW_HELPER(__umulsidi3)(uint32_t a, uint32_t b);
uint64_t FW_HELPER(__muldi3)(uint64_t a, uint64_t b);
uint32_t FW_HELPER(__udivsi3)(uint32_t a, uint32_t b);
uint32_t FW_HELPER(__umodsi3)(uint32_t a, uint32_t b);
int32_t FW_HELPER(__divsi3)(int32_t a, int32_t b);
uint64_t FW_HELPER(__udivdi3)(uint64_t a, uint64_t b);
uint64_t FW_HELPER(__umoddi3)(uint64_t a, uint64_t b);
int64_t FW_HELPER(__divdi3)(int64_t a, int64_t b);

uint64_t FW_HELPER(__umulsidi3)(uint32_t a, uint32_t b) {
    const uint32_t low = (a & 0xFFFFu) * (b & 0xFFFFu);
    const uint32_t left = (a >> 16) * (b & 0xFFFFu);
    const uint32_t right = (a & 0xFFFFu) * (b >> 16);
    const uint32_t middle = (low >> 16) + (left & 0xFFFFu) + (right & 0xFFFFu);
    const uint32_t high = (a >> 16) * (b >> 16) + (left >> 16) + (right >> 16) + (middle >> 16);
    return ((uint64_t)high << 32) | ((middle << 16) | (low & 0xFFFFu));
}

uint64_t FW_HELPER(__muldi3)(uint64_t a, uint64_t b) {
    const uint32_t a_low = (uint32_t)a;
    const uint32_t b_low = (uint32_t)b;
    const uint32_t cross = (uint32_t)(a >> 32) * b_low + a_low * (uint32_t)(b >> 32);
    return FW_HELPER(__umulsidi3)(a_low, b_low) + ((uint64_t)cross << 32);
}

/* Long division from the first bit that can be set; by zero it gives all ones, as hardware dividers do. */
static uint32_t fw_divide32(uint32_t a, uint32_t b, uint32_t *rest) {
    uint32_t quotient = 0;
    if (b == 0) {
        quotient = UINT32_MAX;
    } else if (a >= b) {
        int bit = __builtin_clz(b) - __builtin_clz(a);
        for (b <<= bit; bit >= 0; --bit, b >>= 1) {
            if (a >= b) {
                a -= b;
                quotient |= 1u << bit;
            }
        }
    }
    *rest = a;
    return quotient;
}

static int fw_leading_zeros64(uint64_t value) {
    const uint32_t high = (uint32_t)(value >> 32);
    return high != 0 ? __builtin_clz(high) : 32 + __builtin_clz((uint32_t)value);
}

static uint64_t fw_divide64(uint64_t a, uint64_t b, uint64_t *rest) {
    uint64_t quotient = 0;
    if (b == 0) {
        quotient = UINT64_MAX;
    } else if (a >= b) {
        int bit = fw_leading_zeros64(b) - fw_leading_zeros64(a);
        for (b <<= bit; bit >= 0; --bit, b >>= 1) {
            quotient <<= 1;
            if (a >= b) {
                a -= b;
                quotient |= 1u;
            }
        }
    }
    *rest = a;
    return quotient;
}

uint32_t FW_HELPER(__udivsi3)(uint32_t a, uint32_t b) {
    uint32_t rest;
    return fw_divide32(a, b, &rest);
}

uint32_t FW_HELPER(__umodsi3)(uint32_t a, uint32_t b) {
    uint32_t rest;
    (void)fw_divide32(a, b, &rest);
    return rest;
}

static uint32_t fw_magnitude32(int32_t value) {
    return value < 0 ? 0u - (uint32_t)value : (uint32_t)value;
}

static uint64_t fw_magnitude64(int64_t value) {
    return value < 0 ? 0u - (uint64_t)value : (uint64_t)value;
}

int32_t FW_HELPER(__divsi3)(int32_t a, int32_t b) {
    uint32_t rest;
    const uint32_t quotient = fw_divide32(fw_magnitude32(a), fw_magnitude32(b), &rest);
    return (int32_t)((a < 0) != (b < 0) ? 0u - quotient : quotient);
}

uint64_t FW_HELPER(__udivdi3)(uint64_t a, uint64_t b) {
    uint64_t rest;
    return fw_divide64(a, b, &rest);
}

uint64_t FW_HELPER(__umoddi3)(uint64_t a, uint64_t b) {
    uint64_t rest;
    (void)fw_divide64(a, b, &rest);
    return rest;
}

int64_t FW_HELPER(__divdi3)(int64_t a, int64_t b) {
    uint64_t rest;
    const uint64_t quotient = fw_divide64(fw_magnitude64(a), fw_magnitude64(b), &rest);
    return (int64_t)((a < 0) != (b < 0) ? 0u - quotient : quotient);
}

#else
typedef int fw_integer_unused; /* a translation unit may not be empty */
#endif
